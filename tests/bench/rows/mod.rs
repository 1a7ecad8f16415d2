//! The rows of the table, one file each.

pub mod flash;
pub mod growth;
pub mod list;
pub mod login;
pub mod orders;
pub mod overload;
pub mod pages;
pub mod probe;
pub mod product;
pub mod start;
pub mod tails;
pub mod webhook;
