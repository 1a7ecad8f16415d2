//! The store ports of the domain over PostgreSQL, through diesel-async.
//!
//! Business writes are single statements or short transactions; what is read and written as one value travels as one
//! JSON document. Knows nothing of HTTP or of the payment provider. Start reading at [`placement`] (how orders
//! share a transaction) and `orders` (how every later change is written).

mod accounts;
mod audit;
mod batches;
mod catalogue;
mod composed;
mod idempotency;
mod migrate;
mod order_list;
mod orders;
mod outbox;
mod page_cache;
pub mod placement;
mod pool;
mod presence;
mod product_cache;
mod rows;
mod seed;
mod sql;
mod tls;

pub use accounts::PgAccounts;
pub use audit::PgAudit;
pub use catalogue::PgCatalogue;
pub use idempotency::PgIdempotency;
pub use orders::PgOrders;
pub use outbox::PgOutbox;
pub use placement::PgPlacement;
pub use pool::{Database, DatabaseConfigError, PoolConfig, PoolStatus};
pub use presence::Presence;
