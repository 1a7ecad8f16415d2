//! Paying, and in `refunds` paying back: the calls to the provider around the rules of [`crate::settlement`].
//!
//! Every call follows one pattern: write down what is about to be asked, frozen; ask; apply the answer. No
//! transaction or connection is held in between, and a crash anywhere leaves something on the order's agenda.

mod refunds;

use std::sync::Arc;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    account::Actor,
    failure::StoreFailure,
    gateway::{Decline, GatewayError, IntentDraft, IntentReport, PaymentGateway},
    ids::{OrderId, PaymentId},
    money::{Currency, Money},
    order::OrderStatus,
    orders::{BookOf, OrderDesk, UpdateError},
    payment::{MAX_PAYMENT_MINOR, OrderBook, Payment, PaymentState},
    settlement::Draft,
};

/// Requests older than this are resolved by looking, never sent again: the provider forgets keys after 24 hours.
pub const RESEND_LIMIT: Duration = Duration::hours(23);

/// The provider's search is behind by up to an hour (Stripe's page "Search"): what it does not find then is not there.
/// Nobody was handed the secret of an intent that was never found, so no money can come by it.
pub const SEARCHABLE: Duration = Duration::hours(1);

/// Payments of one order that the provider may refuse to make an intent for. Each stays in its books; more tries than
/// these are no buyer's.
pub const MAX_REFUSED: usize = 50;

/// A refund that was asked for without an idempotency key, and again after this long, is one whose call failed: three
/// repetitions pause for two seconds at least. Two that are asked for within it are two. An intent that is still being
/// made after this long is one that nobody has seen.
pub const ASKED_AGAIN: Duration = Duration::seconds(2);

/// A provider that needed this long for a refusal does not tell either what became of the request.
const SLOW: Duration = Duration::seconds(10);

/// Where a payment's own page is.
pub trait CheckoutLinks: Send + Sync {
    /// The page that takes the payment.
    fn checkout_url(&self, payment: &Payment) -> String;
}

/// Why a payment or refund came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// No such order, or none of theirs to know about.
    #[error("the order does not exist")]
    OrderNotFound,
    /// No such payment, or none of theirs to know about.
    #[error("the payment does not exist")]
    PaymentNotFound,
    /// They see it but may not do this.
    #[error("not theirs to do")]
    Forbidden,
    /// The order is not waiting for money, or the payment not one to refund.
    #[error("the order is not in a state for this")]
    InvalidState,
    /// Below what the provider takes.
    #[error("the amount is too small")]
    AmountTooSmall,
    /// Above what the provider takes.
    #[error("the amount is too large")]
    AmountTooLarge,
    /// More than is left.
    #[error("the refund exceeds what is left of the payment")]
    RefundExceeds(Money),
    /// Restocking goes only with the refund that completes the payment.
    #[error("restocking goes only with the refund that completes the payment")]
    RestockOfPart,
    /// A refund of nothing, or in another currency's steps.
    #[error("the amount is not one to refund")]
    BadAmount,
    /// The card was refused; another try may follow.
    #[error("the card was declined")]
    Declined(Decline, Box<Payment>),
    /// The provider could not be reached; what was asked is on the order's agenda.
    #[error("the payment provider is unavailable")]
    Unavailable(Option<std::time::Duration>),
    /// The provider refuses us: our configuration or a defect.
    #[error("the payment provider refused the request: {0}")]
    Provider(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

impl From<GatewayError> for PaymentError {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::AmountTooSmall => Self::AmountTooSmall,
            GatewayError::AmountTooLarge => Self::AmountTooLarge,
            GatewayError::UnexpectedState { .. } => Self::InvalidState,
            GatewayError::Unavailable { retry_after } => Self::Unavailable(retry_after),
            GatewayError::NotFound => Self::Provider("resource_missing".into()),
            GatewayError::Rejected { code } => Self::Provider(code),
            // Only confirms are declined, and those are told apart before.
            GatewayError::Declined { .. } => Self::Provider("card_declined".into()),
        }
    }
}

impl From<UpdateError<Self>> for PaymentError {
    fn from(error: UpdateError<Self>) -> Self {
        match error {
            UpdateError::NotFound => Self::OrderNotFound,
            UpdateError::Refused(refusal) => refusal,
            UpdateError::KnownEvent => Self::InvalidState,
            UpdateError::Store(failure) => Self::Store(failure),
        }
    }
}

/// What asking for a payment came to.
#[derive(Clone, Debug)]
pub struct Started {
    /// The payment.
    pub payment: Payment,
    /// Whether it was made now, or is the one that was there.
    pub created: bool,
}

/// The use cases.
#[derive(Clone)]
pub struct Payments {
    /// How orders change.
    pub desk: OrderDesk,
    /// The provider.
    pub gateway: Arc<dyn PaymentGateway>,
    /// Where redirect methods come back to.
    pub links: Arc<dyn CheckoutLinks>,
    /// What the provider takes at least, in minor units.
    pub minimums: Minimums,
}

/// Smallest amounts that the provider takes, in minor units. It follows the settlement currency, so it is a setting
/// (stripe-rules.md, "Amounts").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minimums {
    /// In US cents.
    pub usd: i64,
    /// In won.
    pub krw: i64,
    /// In euro cents.
    pub eur: i64,
}

impl Minimums {
    /// The smallest amount in `currency`.
    #[must_use]
    pub const fn of(&self, currency: Currency) -> i64 {
        match currency {
            Currency::Usd => self.usd,
            Currency::Krw => self.krw,
            Currency::Eur => self.eur,
        }
    }
}

impl Payments {
    /// The payment, for its buyer or an administrator.
    ///
    /// # Errors
    /// [`PaymentError::PaymentNotFound`] also for other people's.
    pub async fn read(&self, actor: Actor, id: PaymentId) -> Result<Payment, PaymentError> {
        let book = self.desk.store.load(BookOf::Payment(id)).await?.ok_or(PaymentError::PaymentNotFound)?;
        let payment = book.payment(id).filter(|_| actor.owns(book.order.buyer_id));
        payment.cloned().ok_or(PaymentError::PaymentNotFound)
    }

    /// Asks for a payment of an order: makes its intent, or finds the one that is there, and confirms it with
    /// `payment_method` if there is one. `claim` is the id of the client's idempotency claim, from which the
    /// provider's key derives.
    ///
    /// # Errors
    /// See [`PaymentError`].
    pub async fn start(
        &self,
        actor: Actor,
        order_id: OrderId,
        payment_method: Option<&str>,
        claim: Option<Uuid>,
    ) -> Result<Started, PaymentError> {
        let book = self.desk.store.load(BookOf::Order(order_id)).await?.ok_or(PaymentError::OrderNotFound)?;
        if !actor.owns(book.order.buyer_id) {
            return Err(PaymentError::OrderNotFound);
        }
        if let Some(payment) = claim.and_then(|claim| paid_by(&book, claim)) {
            return Ok(Started { payment: payment.clone(), created: true });
        }
        let started = self.pay(order_id, payment_method, claim).await;
        let (Err(PaymentError::InvalidState), Some(claim)) = (&started, claim) else { return started };
        // It may have been paid by this very request's first try, between two looks at it.
        let book = self.desk.store.load(BookOf::Order(order_id)).await?.ok_or(PaymentError::OrderNotFound)?;
        match paid_by(&book, claim) {
            Some(payment) => Ok(Started { payment: payment.clone(), created: true }),
            None => started,
        }
    }

    async fn pay(
        &self,
        order_id: OrderId,
        payment_method: Option<&str>,
        claim: Option<Uuid>,
    ) -> Result<Started, PaymentError> {
        let (mut payment, mut created) = self.open(order_id).await?;
        if payment.state == PaymentState::Creating {
            // Also one whose first request was cut short; but not one whose first request is still on its way.
            created |= self.desk.clock.now() - payment.created_at >= ASKED_AGAIN;
            payment = self.create_intent(&payment).await?;
        }
        if let Some(payment_method) = payment_method {
            payment = self.confirm(&payment, payment_method, claim.unwrap_or_else(Uuid::new_v4)).await?;
        }
        Ok(Started { payment, created })
    }

    /// The order's open payment, written down now if there is none.
    async fn open(&self, order_id: OrderId) -> Result<(Payment, bool), PaymentError> {
        let open = |draft: &mut Draft| {
            if let Some(payment) = draft.book().open_payment() {
                return Ok((payment.id, false));
            }
            let order = &draft.book().order;
            let late = order.expires_at.is_some_and(|at| at <= draft.now());
            // Money of the wrong amount is there: a person has to look before more is asked for.
            let flagged = draft.book().payments.iter().any(|payment| payment.state == PaymentState::Mismatch);
            let is_refused = |payment: &&Payment| payment.intent_id.is_none() && !payment.state.is_open();
            let tired = draft.book().payments.iter().filter(is_refused).count() >= MAX_REFUSED;
            if order.status != OrderStatus::Pending || late || flagged || tired {
                return Err(PaymentError::InvalidState);
            }
            if order.total.minor() < self.minimums.of(order.total.currency()) {
                return Err(PaymentError::AmountTooSmall);
            }
            if order.total.minor() > MAX_PAYMENT_MINOR {
                return Err(PaymentError::AmountTooLarge);
            }
            let id = draft.fresh().payment;
            let request = self.gateway.freeze_intent(&IntentDraft {
                amount: order.total,
                order_id,
                order_number: order.number.clone(),
                idempotency_key: format!("{order_id}:{}:create", Uuid::new_v4()),
                now: draft.now(),
            });
            draft.add_payment(id, request);
            Ok((id, true))
        };
        let (book, (id, created)) = self.desk.update(BookOf::Order(order_id), None, open).await?;
        if book.order.status != OrderStatus::Pending {
            return Err(PaymentError::InvalidState);
        }
        let payment = book.payment(id).cloned().ok_or(PaymentError::PaymentNotFound)?;
        Ok((payment, created))
    }

    /// Sends the frozen creation, or, where it is too old for that or keeps failing, looks what became of it.
    ///
    /// # Errors
    /// See [`PaymentError`]. Where the provider refuses the amount, the payment is given up.
    pub async fn create_intent(&self, payment: &Payment) -> Result<Payment, PaymentError> {
        let Some(request) = &payment.create_request else { return Err(PaymentError::InvalidState) };
        let asked_at = self.desk.clock.now();
        let age = asked_at - request.frozen_at;
        let found = if age < RESEND_LIMIT {
            match self.gateway.send_intent(request).await {
                // The answer to this very request is about this payment, whatever metadata it repeats.
                Ok(report) => {
                    Some(IntentReport { order_id: Some(payment.order_id), order_number: None, ..report })
                }
                // Refused without effect: there is no intent. But a reused key means that there is one.
                Err(error) if is_refusal(&error) => {
                    self.give_up(payment).await?;
                    return Err(error.into());
                }
                // The provider keeps a 500 under its key for a day and repeats it: only looking helps then.
                Err(error @ GatewayError::Unavailable { .. })
                    if age >= ASKED_AGAIN && !self.is_slow(asked_at) =>
                {
                    match self.find_intent(payment).await {
                        Ok(Some(report)) => Some(report),
                        Ok(None) if age >= SEARCHABLE => None,
                        Err(PaymentError::Store(failure)) => return Err(failure.into()),
                        // What it says about its intents says nothing about this request.
                        Ok(None) | Err(_) => return Err(error.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        } else {
            self.find_intent(payment).await?
        };
        let Some(report) = found else { return self.give_up(payment).await };
        let payment = self.apply(payment.id, &report, false).await?;
        if payment.state == PaymentState::Succeeded {
            // It was paid before we knew of it, and may have been refunded: its events were nothing of ours. Where the
            // provider does not say, the next of them will.
            let _ = self.check_refunds(&payment).await;
        }
        Ok(payment)
    }

    fn is_slow(&self, asked_at: OffsetDateTime) -> bool {
        self.desk.clock.now() - asked_at >= SLOW
    }

    /// The intent whose creation was cut short, where the provider has one.
    async fn find_intent(&self, payment: &Payment) -> Result<Option<IntentReport>, PaymentError> {
        let found = self.gateway.find_intents(payment.order_id).await?.into_iter();
        let book = self.desk.store.load(BookOf::Payment(payment.id)).await?;
        let book = book.ok_or(PaymentError::PaymentNotFound)?;
        // Those of the order's other payments are not this one's.
        let unknown = found.filter(|report| book.payment_of_intent(&report.intent_id).is_none());
        Ok(unknown.max_by_key(|report| report.received_minor))
    }

    async fn give_up(&self, payment: &Payment) -> Result<Payment, PaymentError> {
        self.change(payment.id, |draft| draft.abandon(payment.id)).await
    }

    /// Confirms the intent from the server. Each attempt has its own key, each retry of it the same.
    async fn confirm(&self, payment: &Payment, method: &str, attempt: Uuid) -> Result<Payment, PaymentError> {
        let key = confirm_key(payment, attempt);
        let unresolved = payment.attempt.as_ref().filter(|request| request.idempotency_key != key);
        // The outcome of an earlier attempt is unknown: look before another is made (stripe-rules.md, "Idempotency").
        // So may be one that is known as under way: the event that says that it failed may come late.
        let payment = if unresolved.is_some() || payment.state == PaymentState::Processing {
            &self.check(payment).await?
        } else {
            payment
        };
        let intent_id = payment.intent_id.as_deref().ok_or(PaymentError::InvalidState)?;
        match payment.state {
            PaymentState::Succeeded | PaymentState::Processing => return Ok(payment.clone()),
            PaymentState::Canceled | PaymentState::Mismatch | PaymentState::Creating => {
                return Err(PaymentError::InvalidState);
            }
            _ => {}
        }
        let return_url = self.links.checkout_url(payment);
        let now = self.desk.clock.now();
        let frozen = self.gateway.freeze_confirm(intent_id, method, &return_url, &key, now);
        let begin = |draft: &mut Draft| {
            if draft.book().order.status != OrderStatus::Pending {
                return Err(PaymentError::InvalidState);
            }
            let earlier = draft.book().payment(payment.id).and_then(|payment| payment.attempt.clone());
            let request = earlier.filter(|r| r.idempotency_key == key).unwrap_or_else(|| frozen.clone());
            draft.set_attempt(payment.id, Some(request.clone()));
            Ok(request)
        };
        let (_, request) = self.desk.update(BookOf::Payment(payment.id), None, begin).await?;
        match self.gateway.send_intent(&request).await {
            Ok(report) => self.apply(payment.id, &report, true).await,
            Err(GatewayError::Declined { decline, intent }) => {
                let report = match intent {
                    Some(report) => *report,
                    None => self.gateway.retrieve_intent(intent_id).await?,
                };
                let report = IntentReport { last_error: Some(decline.clone()), ..report };
                let payment = self.apply(payment.id, &report, true).await?;
                Err(PaymentError::Declined(decline, Box::new(payment)))
            }
            Err(GatewayError::UnexpectedState { .. }) => {
                let payment = self.check(payment).await?;
                match payment.state {
                    PaymentState::Succeeded | PaymentState::Processing | PaymentState::RequiresAction => {
                        Ok(payment)
                    }
                    _ => Err(PaymentError::InvalidState),
                }
            }
            Err(error @ GatewayError::Rejected { .. }) => {
                self.change(payment.id, |draft| draft.set_attempt(payment.id, None)).await?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the provider how the intent stands, and applies it.
    ///
    /// # Errors
    /// See [`PaymentError`].
    pub async fn check(&self, payment: &Payment) -> Result<Payment, PaymentError> {
        let Some(intent_id) = &payment.intent_id else { return self.create_intent(payment).await };
        let report = self.gateway.retrieve_intent(intent_id).await?;
        self.apply(payment.id, &report, true).await
    }

    /// Cancels the intent at the provider; where it is in no state for that, applies how it stands.
    ///
    /// # Errors
    /// See [`PaymentError`].
    pub async fn cancel_intent(&self, payment: &Payment) -> Result<Payment, PaymentError> {
        let intent_id = payment.intent_id.as_deref().ok_or(PaymentError::InvalidState)?;
        match self.gateway.cancel_intent(intent_id).await {
            Ok(report) => self.apply(payment.id, &report, false).await,
            Err(GatewayError::UnexpectedState { .. }) => self.check(payment).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Applies how an intent stands, and sends back at once what must go back.
    async fn apply(
        &self,
        id: PaymentId,
        report: &IntentReport,
        settles_attempt: bool,
    ) -> Result<Payment, PaymentError> {
        self.change(id, |draft| {
            draft.apply_intent(report, false);
            draft.mark_checked(id);
            // The attempt that paid is remembered: its client may not have heard of it.
            let is_open = draft.book().payment(id).is_some_and(|payment| payment.state.is_open());
            if settles_attempt && is_open {
                draft.set_attempt(id, None);
            }
        })
        .await
    }

    async fn change(
        &self,
        id: PaymentId,
        with: impl Fn(&mut Draft) + Send + Sync,
    ) -> Result<Payment, PaymentError> {
        let change = |draft: &mut Draft| {
            with(draft);
            Ok::<_, PaymentError>(())
        };
        let (book, ()) = self.desk.update(BookOf::Payment(id), None, change).await?;
        book.payment(id).cloned().ok_or(PaymentError::PaymentNotFound)
    }
}

/// Whether the provider refused to make an intent, so that there is none.
fn is_refusal(error: &GatewayError) -> bool {
    match error {
        GatewayError::AmountTooSmall | GatewayError::AmountTooLarge => true,
        GatewayError::Rejected { code } => code != "idempotency_error",
        _ => false,
    }
}

fn confirm_key(payment: &Payment, attempt: Uuid) -> String {
    format!("{}:{}:{attempt}:confirm", payment.order_id, payment.id)
}

/// The payment that an attempt under this claim paid: its answer was lost in a crash.
fn paid_by(book: &OrderBook, claim: Uuid) -> Option<&Payment> {
    book.payments.iter().filter(|payment| payment.state == PaymentState::Succeeded).find(|payment| {
        payment.attempt.as_ref().is_some_and(|sent| sent.idempotency_key == confirm_key(payment, claim))
    })
}
