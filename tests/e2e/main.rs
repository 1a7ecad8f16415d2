//! The built server, from outside: over HTTP, with a real PostgreSQL and protocol-true stand-ins around it.

mod cancelling;
mod checkout;
mod fulfilment;
mod idempotency;
mod order_stream;
mod orders;
mod slice;
