//! The HTTP edge: what comes in becomes domain values, what goes out has the contract's form.
//!
//! Deliberately unknown here: SQL, Stripe's and S3's wire formats, configuration sources.
//! Start reading at [`server`] (how a request travels) and [`error`] (what it can meet); a route is built from
//! [`body::Valid`], [`path::PathId`], [`paging::Listing`], [`current_user::CurrentUser`] and [`answer::ok`].

pub mod answer;
pub mod body;
pub mod client_address;
pub mod context;
pub mod error;
pub mod error_code;
pub mod failure;
pub mod field;
pub mod language;
pub mod messages;
pub mod money;
pub mod paging;
pub mod path;
pub mod problem;
pub mod query;
pub mod rules;
pub mod time;
