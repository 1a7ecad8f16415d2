//! Orders that are due: unpaid ones expire, cancels and refunds reach Stripe, unheard-of payments are asked about.

use async_trait::async_trait;
use metrics::counter;
use spicyjump_domain::{
    caretaker::{Caretaker, LEASE},
    failure::StoreFailure,
    ids::OrderId,
};

use super::queue::Queue;
use crate::failure;

/// The orders' agendas.
pub(super) struct Caretaking(pub(super) Caretaker);

#[async_trait]
impl Queue for Caretaking {
    type Job = OrderId;

    const NAME: &str = "orders that are due";

    async fn take(&self, limit: u32) -> Result<Vec<OrderId>, StoreFailure> {
        let desk = &self.0.payments.desk;
        let now = desk.clock.now();
        desk.store.lease_due(now, now + LEASE, limit).await
    }

    async fn work(&self, id: OrderId) {
        let Err(error) = self.0.tend(id).await else {
            counter!("orders_tended_total", "outcome" => "done").increment(1);
            return;
        };
        counter!("orders_tended_total", "outcome" => "failed").increment(1);
        tracing::warn!(order = id.get(), "an order was put off: {error}");
        if let Err(failure) = self.0.put_off(id).await {
            tracing::warn!(order = id.get(), "an order stays leased: {}", failure::reason(&failure));
        }
    }
}
