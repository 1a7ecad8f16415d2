//! The store's tests against servers: the sandbox's, which checks signatures, and moto.
#![expect(clippy::unwrap_used, reason = "tests")]

mod direct_upload;
mod peer;
mod peers;
mod store;
mod support;
mod trust;
