//! Proving the books: stock, orders, payments and the ledger say the same, each from its own records.

use async_trait::async_trait;
use serde::Serialize;

use crate::failure::StoreFailure;

/// A place where the books do not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Discrepancy {
    /// The rule's stable name.
    pub rule: &'static str,
    /// What it is about: `product 17`, `order ORD-20261120-0001`, …
    pub subject: String,
    /// What differs, in words for an operator.
    pub detail: String,
}

/// Checks the books as they stand at one moment, while the shop goes on.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Every discrepancy; none means that the books are right. Where a rule is broken in very many places, the last
    /// entry of that rule says how many more there are.
    async fn run(&self) -> Result<Vec<Discrepancy>, StoreFailure>;
}
