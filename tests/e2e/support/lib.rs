//! What end-to-end tests stand on: the built program as a child process, real stand-ins around it, a client as a
//! frontend would write it.
//!
//! Start reading at [`Shop`]. Nothing here knows the server's code: only its binary, its settings and the contract.

pub mod answer;
pub mod api;
pub mod browser;
pub mod checkout;
pub mod events;
pub mod patience;
pub mod people;
pub mod program;
pub mod server;
pub mod shop;
pub mod stand_ins;
pub mod webhook;

pub use answer::{Answer, AsMoney};
pub use api::Api;
pub use patience::{eventually, holds_for, until};
pub use people::User;
pub use shop::{Options, Shop};
