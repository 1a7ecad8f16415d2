//! Orders that are due: unpaid ones expire, cancels and refunds reach Stripe, unheard-of payments are asked about.

use async_trait::async_trait;
use metrics::{counter, describe_counter};
use spicyjump_domain::{
    caretaker::{Attended, Caretaker, TakenStep},
    failure::StoreFailure,
    ids::OrderId,
    upkeep::Step,
};

use super::queue::Queue;

const STEPS: &str = "spicyjump_order_steps_total";
const ATTENDED: &str = "spicyjump_orders_attended_total";

/// The orders' agendas.
pub(super) struct Caretaking(Caretaker);

impl Caretaking {
    pub(super) fn new(caretaker: Caretaker) -> Self {
        describe_counter!(
            STEPS,
            "Steps that the background work took for orders, by step and whether it changed anything."
        );
        describe_counter!(ATTENDED, "Orders that were due, by what attending to them came to.");
        Self(caretaker)
    }
}

#[async_trait]
impl Queue for Caretaking {
    type Job = OrderId;

    const NAME: &str = "orders that are due";

    async fn take(&self, limit: u32) -> Result<Vec<OrderId>, StoreFailure> {
        self.0.due(limit).await
    }

    async fn work(&self, id: OrderId) {
        let Attended { steps, outcome } = self.0.attend(id).await;
        for TakenStep { step, changed } in steps {
            let changed = if changed { "yes" } else { "no" };
            counter!(STEPS, "step" => name(step), "changed" => changed).increment(1);
        }
        let label = if outcome.is_ok() { "done" } else { "put_off" };
        counter!(ATTENDED, "outcome" => label).increment(1);
        if let Err(error) = outcome {
            tracing::warn!(order = id.get(), "an order was put off: {error}");
        }
    }
}

fn name(step: Step) -> &'static str {
    match step {
        Step::SendRefund(_) => "send_refund",
        Step::Settle => "settle",
        Step::FinishCreation(_) => "finish_creation",
        Step::CancelIntent(_) => "cancel_intent",
        Step::CloseIntent(_) => "close_intent",
        Step::Expire => "expire",
        Step::CheckIntent(_) => "check_intent",
        Step::CheckRefunds(_) => "check_refunds",
    }
}
