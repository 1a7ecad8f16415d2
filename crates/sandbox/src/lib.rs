//! Local servers for development and tests, which speak the real protocols: `PostgreSQL` (the real one, private), Stripe,
//! S3 and SMTP.
//!
//! The adapters talk to them as they talk to the real thing, so nothing here knows the rest of the workspace, and no
//! production path knows this crate. Every server is started with a configuration value, listens on the address it is
//! given, and can be told to fail.
//!
//! Start reading at [`postgres::Cluster`].

pub mod postgres;
pub mod s3;
pub mod smtp;
pub mod stripe;
pub mod tls;
