//! What every adapter of a port must do, whatever it is made of. Each function panics where one does not.

use std::{future::poll_fn, pin::Pin, task::Poll};

use async_trait::async_trait;

use crate::{
    ids::{OrderId, ProductId, UserId},
    mail::Mail,
    money::Money,
    payment::LedgerEntry,
};

mod accounts;
mod idempotency;
mod orders;
mod placement;

pub use accounts::account_store_contract;
pub use idempotency::idempotency_store_contract;
pub use orders::order_store_contract;
pub use placement::order_placement_contract;

/// What a contract needs beside the ports that it is about. The store may hold other things as well.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// A new buyer.
    async fn buyer(&self) -> UserId;

    /// A new seller.
    async fn seller(&self) -> UserId;

    /// A new published product of the seller, with opening stock.
    async fn product(&self, seller: UserId, price: Money, stock: i64) -> ProductId;

    /// Takes a product out of the shop.
    async fn archive(&self, product: ProductId);

    /// Pieces that can be bought now; panics unless the product's movements add up to them.
    async fn stock_of(&self, product: ProductId) -> i64;

    /// Mails in the outbox to this person, oldest first.
    async fn mails_to(&self, person: UserId) -> Vec<Mail>;

    /// Facts about the order's money, oldest first.
    async fn ledger_of(&self, order: OrderId) -> Vec<LedgerEntry>;
}

/// Runs futures side by side on whatever runtime polls this one.
async fn join_all<T>(futures: impl IntoIterator<Item = impl Future<Output = T> + Send>) -> Vec<T> {
    let mut running: Vec<Pin<Box<_>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, value) in running.iter_mut().zip(&mut done).filter(|(_, value)| value.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(context) {
                *value = Some(ready);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
