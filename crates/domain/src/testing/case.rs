//! One order's books, and what becomes of them: for tests of the rules.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use super::sample::{NOW, WINDOW, frozen, intent_of, provider_amount, report, request, usd};
use crate::{
    gateway::{
        ChargeReport, DisputePhase, DisputeReport, IntentReport, IntentStatus, ProviderAmount, RefundReport,
        RefundStatus,
    },
    ids::{OrderId, PaymentId, ProductId, RefundId, UserId},
    locale::Locale,
    mail::{MailContent, Recipient},
    order::{Order, OrderStatus, PaymentStatus},
    payment::{LedgerEntry, LedgerKind, OrderBook, Payment},
    placing::{Offer, allocate},
    settlement::{Draft, Fresh},
    upkeep::Policy,
};

pub(crate) const POLICY: Policy = Policy { payment_window: WINDOW, reconcile_after: Duration::minutes(5) };

/// An order of $25: two of product 1 by seller 11 at $10, one of product 2 by seller 12 at $5.
pub(crate) struct Case {
    pub(crate) book: OrderBook,
    pub(crate) now: OffsetDateTime,
    /// Whether the pieces of an expired order are still there.
    pub(crate) stock_is_there: bool,
    /// Pieces taken from stock by now.
    pub(crate) taken: i64,
    pub(crate) ledger: Vec<LedgerEntry>,
    pub(crate) mails: Vec<MailContent>,
    last_id: i64,
}

impl Case {
    /// Nothing was paid or tried yet.
    pub(crate) fn unpaid() -> Self {
        let id = |n| ProductId::new(n).unwrap();
        let offer = |seller, price| Offer {
            seller_id: UserId::new(seller).unwrap(),
            name: format!("by {seller}"),
            price: usd(price),
            published: true,
            available: 10,
        };
        let mut offers = BTreeMap::from([(id(1), offer(11, 1_000)), (id(2), offer(12, 500))]);
        let buyer = Recipient { email: "b@shop.example".into(), name: "B".into(), locale: Locale::En };
        let request = request(UserId::new(2).unwrap(), &[(id(1), 2), (id(2), 1)]);
        let placed = allocate(OrderId::new(7).unwrap(), &request, &buyer, &mut offers).unwrap();
        Self {
            book: OrderBook { order: placed.order, payments: vec![], refunds: vec![], disputes: vec![] },
            now: NOW,
            stock_is_there: true,
            taken: 3,
            ledger: vec![],
            mails: vec![],
            last_id: 100,
        }
    }

    /// An intent is open.
    pub(crate) fn open() -> Self {
        let mut case = Self::unpaid();
        case.add_payment();
        case.intent(IntentStatus::RequiresPaymentMethod);
        case
    }

    pub(crate) fn paid() -> Self {
        let mut case = Self::open();
        case.intent(IntentStatus::Succeeded);
        case
    }

    pub(crate) fn expired() -> Self {
        let mut case = Self::open();
        case.intent(IntentStatus::Canceled);
        case.now += WINDOW;
        case.change(|draft| draft.expire().unwrap());
        case
    }

    pub(crate) fn cancelled() -> Self {
        let mut case = Self::open();
        case.change(|draft| draft.cancel().unwrap());
        case
    }

    /// Decides, and takes over what was decided; revives only where the pieces are there.
    pub(crate) fn change<T>(&mut self, decide: impl Fn(&mut Draft) -> T) -> T {
        self.last_id += 1;
        let fresh = Fresh {
            payment: PaymentId::new(self.last_id).unwrap(),
            refund: RefundId::new(self.last_id).unwrap(),
        };
        for revive in [true, false] {
            let mut draft = Draft::new(self.book.clone(), self.now, fresh, revive);
            let value = decide(&mut draft);
            let Some(change) = draft.finish(&POLICY, None) else { return value };
            let moved: i64 = change.effects.stock.iter().map(|movement| movement.delta).sum();
            if moved < 0 && !self.stock_is_there {
                continue;
            }
            self.taken -= moved;
            self.ledger.extend(change.effects.ledger);
            self.mails.extend(change.effects.mails.into_iter().map(|mail| mail.content));
            self.book = change.book;
            return value;
        }
        panic!("takes stock that is not there");
    }

    pub(crate) fn add_payment(&mut self) {
        self.change(|draft| draft.add_payment(draft.fresh().payment, frozen("create")));
    }

    /// An event tells how the order's intent stands.
    pub(crate) fn intent(&mut self, status: IntentStatus) {
        let report = IntentReport { observed_at: self.now, ..self.report(status) };
        self.hear(&report);
    }

    pub(crate) fn report(&self, status: IntentStatus) -> IntentReport {
        report(&self.book.order, status)
    }

    pub(crate) fn hear(&mut self, report: &IntentReport) {
        self.change(|draft| draft.apply_intent(report, true));
    }

    /// How a refund of the order's intent stands; `ours` is its id in the metadata.
    pub(crate) fn refund(
        &self,
        id: &str,
        minor: i64,
        status: RefundStatus,
        ours: Option<RefundId>,
    ) -> RefundReport {
        RefundReport {
            provider_refund_id: id.into(),
            intent_id: Some(intent_of(&self.book.order)),
            amount: provider_amount(usd(minor)),
            status,
            refund_id: ours,
        }
    }

    pub(crate) fn hear_refund(&mut self, report: &RefundReport) {
        self.change(|draft| draft.apply_refund(report));
    }

    pub(crate) fn hear_charge(&mut self, refunded_minor: i64) {
        let report = ChargeReport {
            intent_id: Some(intent_of(&self.book.order)),
            refunded: provider_amount(usd(refunded_minor)),
            refunds: vec![],
        };
        self.change(|draft| draft.apply_charge(&report));
    }

    /// An event of the one dispute about all of the money.
    pub(crate) fn dispute(&mut self, phase: DisputePhase, status: &str) {
        let report = DisputeReport {
            dispute_id: "dp_1".into(),
            intent_id: Some(intent_of(&self.book.order)),
            amount: ProviderAmount { minor: self.order().total.minor(), currency: "usd".into() },
            phase,
            status: status.into(),
        };
        self.change(|draft| draft.apply_dispute(&report));
    }

    pub(crate) fn order(&self) -> &Order {
        &self.book.order
    }

    pub(crate) fn status(&self) -> (OrderStatus, PaymentStatus) {
        (self.order().status, self.order().payment_status)
    }

    pub(crate) fn payment(&self) -> &Payment {
        &self.book.payments[0]
    }

    /// The sum of the ledger's entries of this kind.
    pub(crate) fn booked(&self, kind: LedgerKind) -> i64 {
        self.ledger.iter().filter(|entry| entry.kind == kind).map(|entry| entry.amount.minor()).sum()
    }

    pub(crate) fn count_mails(&self, kind: &str) -> usize {
        self.mails.iter().filter(|mail| mail.kind() == kind).count()
    }
}
