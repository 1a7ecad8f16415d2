//! Every rule of the shop, without I/O: neither a runtime nor a database is needed to test it.
//!
//! Deliberately unknown here: HTTP, SQL, Stripe's wire format, S3, SMTP, configuration, the wall clock.
//! Start reading at [`order`] (the state machine) and [`settlement`] (what money means for an order).

pub mod clock;
pub mod failure;
pub mod gateway;
pub mod ids;
pub mod images;
pub mod locale;
pub mod mail;
pub mod money;
