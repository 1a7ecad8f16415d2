//! The built server, from outside: over HTTP, with a real PostgreSQL and protocol-true stand-ins around it.

mod accounts;
mod cancelling;
mod catalogue;
mod checkout;
mod commands;
mod crashes;
mod disputes;
mod edge;
mod expiry;
mod fulfilment;
mod idempotency;
mod late_money;
mod limits;
mod mails;
mod openapi;
mod order_stream;
mod orders;
mod payments;
mod provider_faults;
mod races;
mod refunds;
mod seeding;
mod slice;
mod traces;
mod webhooks;
