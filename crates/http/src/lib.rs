//! The HTTP edge: what comes in becomes domain values, what goes out has the contract's form.
//!
//! Deliberately unknown here: SQL, Stripe's and S3's wire formats, configuration sources.
//! Start reading at [`app`] (how a request travels) and [`error`] (what it can meet); a route is built from
//! [`body::Valid`], [`path::PathId`], [`paging::Listing`], [`current_user::CurrentUser`] and [`answer::ok`].

pub mod answer;
pub mod app;
mod bare_answer;
pub mod body;
pub mod cdn_base;
#[cfg(test)]
mod chain_tests;
pub mod client_address;
mod common_responses;
pub mod conditional;
mod connection;
pub mod context;
mod cors;
pub mod current_user;
pub mod edge;
pub mod ended_sessions;
pub mod error;
pub mod error_code;
mod exchange;
pub mod failure;
pub mod field;
mod guard;
pub mod health;
pub mod home;
mod hs256;
mod https;
pub mod language;
pub mod limits;
mod listener;
pub mod messages;
pub mod metrics_server;
pub mod money;
pub mod once;
mod openapi;
pub mod paging;
pub mod passwords;
pub mod path;
pub mod problem;
pub mod query;
mod refusals;
mod route_table;
pub mod routes;
pub mod rules;
pub mod secret_tokens;
pub mod server;
#[cfg(test)]
mod server_tests;
pub mod telemetry;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod tokens;
mod trace;
