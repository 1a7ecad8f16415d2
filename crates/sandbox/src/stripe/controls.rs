//! What a test can see and do beyond the API; the same over HTTP is in `sandbox_routes`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::cards::Decline;
use super::disputes::{self, DisputeStatus};
use super::error::ApiError;
use super::faults::Fault;
use super::intents::{Intent, Status};
use super::ledger::Ledger;
use super::refunds::{self, Refund, Wanted};
use super::requests::SeenRequest;
use super::webhooks::Delivery;
use super::{Shared, cards, challenge, confirm, webhooks};

/// A handle on a running stand-in. Objects come in Stripe's JSON; oldest first.
#[derive(Clone)]
pub struct StripeControls {
    shared: Arc<Shared>,
}

impl StripeControls {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn base_url(&self) -> String {
        self.shared.lock().base_url.clone()
    }

    pub(crate) fn save_for_the_last_time(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.changed.notify_one();
    }

    fn change<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let result = change(&mut self.shared.lock());
        self.shared.changed.notify_one();
        result
    }

    /// All intents.
    #[must_use]
    pub fn intents(&self) -> Vec<Value> {
        self.shared.lock().books.intents.values().map(Intent::view).collect()
    }

    /// All refunds.
    #[must_use]
    pub fn refunds(&self) -> Vec<Value> {
        self.shared.lock().books.refunds.values().map(Refund::view).collect()
    }

    /// All events, delivered or not.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.shared.lock().events.values().map(|event| event.envelope.clone()).collect()
    }

    /// API requests as they came in.
    #[must_use]
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.lock().requests.iter().cloned().collect()
    }

    /// Forgets the requests seen so far.
    pub fn clear_requests(&self) {
        self.shared.lock().requests.clear();
    }

    /// Adds a fault for coming requests; the first that matches a request strikes.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock().faults.add(fault);
    }

    /// Faults that wait for their requests.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.shared.lock().faults.waiting()
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Sends events here from now on; earlier events are not sent again.
    pub fn set_webhook_url(&self, url: Option<String>) {
        self.shared.lock().webhooks.set_url(url);
    }

    /// Keeps events back, retries included, until [`Self::release_webhooks`].
    pub fn hold_webhooks(&self) {
        self.shared.lock().webhooks.hold();
    }

    /// Ends the hold and delivers what was kept back.
    pub fn release_webhooks(&self) {
        self.shared.lock().webhooks.release();
    }

    /// Ids of events kept back, oldest first: with [`Self::deliver`], any order of delivery can be had.
    #[must_use]
    pub fn held_webhooks(&self) -> Vec<String> {
        self.shared.lock().webhooks.held()
    }

    /// Never delivers what is kept back; hands back the events' ids.
    #[must_use = "the ids, to deliver them late"]
    pub fn discard_held_webhooks(&self) -> Vec<String> {
        self.shared.lock().webhooks.discard()
    }

    /// Never delivers the next `times` events whose type starts with `type_prefix` (empty: any).
    pub fn drop_webhooks(&self, type_prefix: &str, times: u32) {
        self.shared.lock().webhooks.drop_next(type_prefix, times);
    }

    /// Every delivery attempt so far.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.lock().webhooks.deliveries()
    }

    /// How many events are neither accepted nor given up nor held.
    #[must_use]
    pub fn webhooks_under_way(&self) -> usize {
        self.shared.lock().webhooks.under_way()
    }

    /// Delivers an event now, once, again or for the first time, held or not; freshly signed.
    ///
    /// # Errors
    /// There is no such event or no webhook endpoint.
    pub async fn deliver(&self, event_id: &str) -> Result<Delivery, ApiError> {
        webhooks::deliver(&self.shared, event_id).await
    }

    /// Makes an event of any type about any object, such as someone else's intent; hands back its id.
    #[must_use = "the event's id"]
    pub fn emit(&self, event_type: &str, object: &Value) -> String {
        self.shared.lock().emit(event_type, object)
    }

    /// The buyer passes or fails 3-D Secure.
    ///
    /// # Errors
    /// The intent does not exist or does not wait for that.
    pub fn authenticate(&self, intent: &str, passed: bool) -> Result<Value, ApiError> {
        self.change(|ledger| {
            challenge::answer(ledger, intent, passed)?;
            Ok(ledger.intent(intent)?.view())
        })
    }

    /// A payment in `processing` ends.
    ///
    /// # Errors
    /// The intent does not exist or is not `processing`.
    pub fn finish_processing(&self, intent: &str, succeeded: bool) -> Result<Value, ApiError> {
        self.change(|ledger| {
            let found = ledger.intent(intent)?;
            let (Status::Processing, Some(charge), Some(method)) =
                (found.status, found.latest_charge.clone(), found.payment_method.clone())
            else {
                return Err(found.unexpected_state("This PaymentIntent is not processing."));
            };
            if succeeded {
                confirm::succeed(ledger, intent, &charge)?;
            } else {
                let method = cards::resolve(ledger, &method)?;
                confirm::refuse(ledger, intent, &charge, &method, Decline::InsufficientFunds)?;
            }
            Ok(ledger.intent(intent)?.view())
        })
    }

    /// A refund from Stripe's dashboard; all that is left where `amount` (minor units) is absent.
    ///
    /// # Errors
    /// As the API would refuse it.
    pub fn refund(&self, intent: &str, amount: Option<i64>) -> Result<Value, ApiError> {
        self.change(|ledger| {
            let charge = refunds::charge_of(ledger, intent)?;
            refunds::open(ledger, &charge, Wanted { amount, ..Wanted::default() })
        })
    }

    /// A refund ends: a pending one succeeds, or a pending or succeeded one fails and gives the money back to the shop.
    ///
    /// # Errors
    /// There is no such refund, or it has ended already.
    pub fn finish_refund(&self, refund: &str, succeeded: bool) -> Result<Value, ApiError> {
        self.change(|ledger| refunds::finish(ledger, refund, succeeded))
    }

    /// The buyer's bank opens a dispute over the whole charge.
    ///
    /// # Errors
    /// The intent has no successful charge, or is disputed already.
    pub fn dispute(&self, intent: &str, reason: &str) -> Result<Value, ApiError> {
        self.change(|ledger| disputes::open(ledger, intent, reason))
    }

    /// A dispute moves on; `Won` and `Lost` close it.
    ///
    /// # Errors
    /// There is no such dispute, or it is closed.
    pub fn advance_dispute(&self, dispute: &str, status: DisputeStatus) -> Result<Value, ApiError> {
        self.change(|ledger| disputes::advance(ledger, dispute, status))
    }
}
