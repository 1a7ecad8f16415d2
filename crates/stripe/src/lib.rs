//! The payment provider behind [`spicyjump_domain::gateway`]: Stripe's API and its webhooks.
//!
//! What a request says is left to async-stripe's typed requests, generated from Stripe's own description of its
//! API. How it travels is ours, because the rules of money are in it: the request is frozen before it is first
//! sent, every retry repeats it byte for byte under the same key, and of the answer only what we need is read, so
//! that a field Stripe adds or leaves out never turns a captured payment into an error.
//!
//! Deliberately unknown here: what a report means for an order, HTTP towards our own clients, storage, the
//! environment.
//!
//! Start reading at [`StripeGateway`] for calls and at [`StripeWebhooks`] for deliveries; the rules of repetition
//! are in `retry.rs`, the table of errors in `errors.rs`.

mod config;
mod errors;
mod events;
mod gateway;
mod objects;
mod pacer;
mod requests;
mod retry;
mod signature;
mod transport;
mod webhooks;

pub use self::{
    config::{StripeConfig, StripeSetupError},
    gateway::StripeGateway,
    webhooks::StripeWebhooks,
};
