//! Paying back: refunds that people ask for, and those that the rules make.

use uuid::Uuid;

use super::{ASKED_AGAIN, PaymentError, Payments, RESEND_LIMIT};
use crate::{
    account::Actor,
    gateway::{GatewayError, RefundDraft, RefundReport},
    ids::{OrderId, PaymentId, RefundId},
    money::Money,
    orders::BookOf,
    payment::{OrderBook, Payment, Refund, RefundOrigin},
    settlement::{Draft, RefundRefusal, RefundRequest},
};

impl Payments {
    /// Refunds all or a part of a payment. Asked again under the same claim, or without one while the same refund is
    /// still on its way, takes that one up.
    ///
    /// # Errors
    /// See [`PaymentError`]. On [`PaymentError::Unavailable`] the refund is written down and will be sent.
    pub async fn refund(
        &self,
        actor: Actor,
        id: PaymentId,
        request: &RefundRequest,
        claim: Option<Uuid>,
    ) -> Result<Refund, PaymentError> {
        let book = self.desk.store.load(BookOf::Payment(id)).await?.ok_or(PaymentError::PaymentNotFound)?;
        authorize_refund(actor, &book)?;
        let begin = |draft: &mut Draft| {
            let book = draft.book();
            let same = |refund: &&Refund| {
                refund.payment_id == id
                    && refund.origin != RefundOrigin::Provider
                    && refund.is_live()
                    && !refund.acknowledged
                    && refund.restock == request.restock
                    && request.amount.is_none_or(|amount| amount == refund.amount)
                    && draft.now() - refund.created_at >= ASKED_AGAIN
            };
            let key = claim.map(|claim| refund_key(book.order.id, claim));
            let claimed: Vec<&Refund> = key
                .iter()
                .flat_map(|key| book.refunds.iter().filter(|refund| is_sent_by(refund, key)))
                .collect();
            let earlier = match &key {
                Some(_) => claimed.iter().copied().find(|refund| refund.is_live() || refund.acknowledged),
                None => book.refunds.iter().find(same),
            };
            if let Some(refund) = earlier {
                return Ok(refund.id);
            }
            // One that was refused is asked for anew: another refund under another key.
            let key =
                key.map(|key| if claimed.is_empty() { key } else { format!("{key}:{}", claimed.len()) });
            let total = book.order.total;
            let refund_id = draft.request_refund(id, request).map_err(|refusal| refused(total, refusal))?;
            let key = key.unwrap_or_else(|| refund_key(draft.book().order.id, Uuid::new_v4()));
            self.freeze_refund(draft, refund_id, key);
            Ok(refund_id)
        };
        let (book, refund_id) = self.desk.update(BookOf::Payment(id), None, begin).await?;
        let refund = book.refund(refund_id).ok_or(PaymentError::PaymentNotFound)?;
        if refund.acknowledged { Ok(refund.clone()) } else { self.send_refund(&book, refund_id).await }
    }

    /// Sends a refund that is written down, frozen just before its first call.
    ///
    /// # Errors
    /// See [`PaymentError`]. Where the provider refuses it for good, it speaks for nothing any more.
    pub async fn send_refund(&self, book: &OrderBook, id: RefundId) -> Result<Refund, PaymentError> {
        let order_id = book.order.id;
        let freeze = |draft: &mut Draft| {
            let unsent = draft.book().refund(id).is_some_and(|refund| refund.request.is_none());
            if unsent {
                self.freeze_refund(draft, id, refund_key(order_id, Uuid::new_v4()));
            }
            Ok::<_, PaymentError>(())
        };
        let (book, ()) = self.desk.update(BookOf::Order(order_id), None, freeze).await?;
        let refund = book.refund(id).ok_or(PaymentError::PaymentNotFound)?;
        let request = refund.request.as_ref().ok_or(PaymentError::InvalidState)?;
        if refund.acknowledged || !refund.is_live() {
            return Ok(refund.clone());
        }
        let payment = book.payment(refund.payment_id).ok_or(PaymentError::PaymentNotFound)?;
        let asked_at = self.desk.clock.now();
        let age = asked_at - request.frozen_at;
        let sent = if age < RESEND_LIMIT {
            match self.gateway.send_refund(request).await {
                // The answer to this very request is about this refund, whatever it repeats.
                Ok(report) => {
                    Ok(RefundReport { intent_id: payment.intent_id.clone(), refund_id: Some(id), ..report })
                }
                // The provider keeps a 500 under its key for a day and repeats it: only looking helps then.
                Err(error @ GatewayError::Unavailable { .. })
                    if age >= ASKED_AGAIN && !self.is_slow(asked_at) =>
                {
                    self.find_refund(payment, id).await.ok().flatten().ok_or(error)
                }
                Err(error) => Err(error),
            }
        } else {
            self.find_refund(payment, id).await?.ok_or(GatewayError::NotFound)
        };
        let is_refused = match &sent {
            Ok(_) | Err(GatewayError::Unavailable { .. }) => false,
            Err(error) => {
                // The provider's refunds say why, and that it listens to us at all: a wrong key of ours refuses nothing.
                let listed = self.check_refunds(payment).await;
                if !matches!(error, GatewayError::UnexpectedState { .. }) {
                    listed?;
                }
                true
            }
        };
        let conclude = |draft: &mut Draft| {
            match &sent {
                Ok(report) => draft.apply_refund(report),
                Err(_) if is_refused => draft.refuse_refund(id),
                Err(_) => {}
            }
            Ok::<_, PaymentError>(())
        };
        let (book, ()) = self.desk.update(BookOf::Order(order_id), None, conclude).await?;
        let refund = book.refund(id).ok_or(PaymentError::PaymentNotFound)?;
        if !refund.acknowledged {
            sent?;
        }
        Ok(refund.clone())
    }

    /// The refund of ours whose call was cut short, where the provider has it.
    async fn find_refund(
        &self,
        payment: &Payment,
        id: RefundId,
    ) -> Result<Option<RefundReport>, GatewayError> {
        let refunds = self.gateway.list_refunds(payment.intent_id.as_deref().unwrap_or_default()).await?;
        Ok(refunds.into_iter().find(|report| report.refund_id == Some(id)))
    }

    /// Asks how a payment's refunds stand, and applies it: what was only suspected before is known then.
    ///
    /// # Errors
    /// See [`PaymentError`].
    pub async fn check_refunds(&self, payment: &Payment) -> Result<(), PaymentError> {
        let Some(intent_id) = &payment.intent_id else { return Ok(()) };
        // What comes to be suspected while we ask may be younger than the answer.
        let before = self.desk.store.load(BookOf::Payment(payment.id)).await?;
        let suspected = |refund: &Refund| refund.payment_id == payment.id && refund.is_suspected();
        let suspected: Vec<RefundId> = before
            .iter()
            .flat_map(|book| book.refunds.iter().filter(|refund| suspected(refund)).map(|refund| refund.id))
            .collect();
        for report in self.gateway.list_refunds(intent_id).await? {
            let apply = |draft: &mut Draft| {
                draft.apply_refund(&report);
                Ok::<_, PaymentError>(())
            };
            self.desk.update(BookOf::Payment(payment.id), None, apply).await?;
        }
        self.change(payment.id, |draft| {
            for id in &suspected {
                draft.dismiss_refund(*id);
            }
            draft.mark_checked(payment.id);
        })
        .await?;
        Ok(())
    }

    /// The refunds of a payment, oldest first: for its buyer, who may refund it, and administrators.
    ///
    /// # Errors
    /// [`PaymentError::PaymentNotFound`] also for other people's.
    pub async fn refunds(
        &self,
        actor: Actor,
        id: PaymentId,
    ) -> Result<(OrderBook, Vec<Refund>), PaymentError> {
        let book = self.desk.store.load(BookOf::Payment(id)).await?.ok_or(PaymentError::PaymentNotFound)?;
        if !actor.owns(book.order.buyer_id) {
            authorize_refund(actor, &book)?;
        }
        let refunds = book.refunds.iter().filter(|refund| refund.payment_id == id).cloned().collect();
        Ok((book, refunds))
    }

    fn freeze_refund(&self, draft: &mut Draft, id: RefundId, idempotency_key: String) {
        let book = draft.book();
        let Some(refund) = book.refund(id) else { return };
        let Some(intent_id) = book.payment(refund.payment_id).and_then(|p| p.intent_id.clone()) else {
            return;
        };
        let request = self.gateway.freeze_refund(&RefundDraft {
            intent_id,
            amount: refund.amount,
            refund_id: id,
            order_id: book.order.id,
            idempotency_key,
            now: draft.now(),
        });
        draft.freeze_refund(id, request);
    }
}

/// Whether a refund was sent under this key, or under one that was made from it.
fn is_sent_by(refund: &Refund, key: &str) -> bool {
    refund.request.as_ref().is_some_and(|request| request.idempotency_key.starts_with(key))
}

fn refund_key(order_id: OrderId, attempt: Uuid) -> String {
    format!("{order_id}:{attempt}:refund")
}

fn refused(total: Money, refusal: RefundRefusal) -> PaymentError {
    match refusal {
        RefundRefusal::NotFound => PaymentError::PaymentNotFound,
        RefundRefusal::NotRefundable => PaymentError::InvalidState,
        RefundRefusal::Exceeds(left) => PaymentError::RefundExceeds(
            Money::new(left, total.currency()).unwrap_or(Money::zero(total.currency())),
        ),
        RefundRefusal::RestockOfPart => PaymentError::RestockOfPart,
    }
}

/// Administrators refund anything; sellers where all lines are theirs, and see nothing of others'.
fn authorize_refund(actor: Actor, book: &OrderBook) -> Result<(), PaymentError> {
    let lines = &book.order.lines;
    if actor.may_sell() && lines.iter().all(|line| actor.manages_goods_of(line.seller_id)) {
        Ok(())
    } else if actor.owns(book.order.buyer_id)
        || lines.iter().any(|line| actor.manages_goods_of(line.seller_id))
    {
        Err(PaymentError::Forbidden)
    } else {
        Err(PaymentError::PaymentNotFound)
    }
}
