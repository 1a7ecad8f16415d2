//! Every rule of the shop, without I/O: neither a runtime nor a database is needed to test it.
//!
//! Deliberately unknown here: HTTP, SQL, Stripe's wire format, S3, SMTP, configuration, the wall clock.
//! Start reading at [`order`] (the state machine), [`placing`] (stock) and [`settlement`] (what money means for an
//! order). Use cases hold ports as `Arc<dyn …>`; every write is one value handed to one port method.

pub mod account;
pub mod accounts;
pub mod audit;
pub mod caretaker;
pub mod catalogue;
pub mod clock;
pub mod failure;
pub mod fulfilment;
pub mod gateway;
pub mod idempotency;
pub mod ids;
pub mod images;
pub mod locale;
pub mod mail;
pub mod money;
pub mod order;
pub mod orders;
pub mod paging;
pub mod payment;
pub mod payments;
pub mod placing;
pub mod settlement;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod upkeep;
pub mod webhooks;
