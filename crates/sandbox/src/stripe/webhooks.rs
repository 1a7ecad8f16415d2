//! Delivery of events: signed, repeated until a 2xx, in no promised order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::error::ApiError;
use super::ids::now;
use super::{Shared, events};

/// One delivery attempt.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// `evt_…`.
    pub event_id: String,
    /// Such as `payment_intent.succeeded`.
    pub event_type: String,
    /// The receiver's HTTP status; absent where it could not be reached.
    pub status: Option<u16>,
}

impl Delivery {
    fn is_accepted(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// What becomes of new events.
#[derive(Debug)]
pub(crate) struct Webhooks {
    url: Option<String>,
    holding: bool,
    held: VecDeque<String>,
    drops: Vec<(String, u32)>,
    outgoing: mpsc::UnboundedSender<String>,
    /// Handed to the dispatcher, and neither accepted nor given up.
    under_way: usize,
    deliveries: Vec<Delivery>,
}

impl Webhooks {
    /// Nothing held; what is queued comes out at the receiver.
    pub(crate) fn new(url: Option<String>) -> (Self, mpsc::UnboundedReceiver<String>) {
        let (outgoing, incoming) = mpsc::unbounded_channel();
        let (held, drops, deliveries) = (VecDeque::new(), Vec::new(), Vec::new());
        (Self { url, holding: false, held, drops, outgoing, under_way: 0, deliveries }, incoming)
    }

    /// Where events go; nowhere if absent.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Sends later deliveries elsewhere.
    pub(crate) fn set_url(&mut self, url: Option<String>) {
        self.url = url;
    }

    /// Takes in a new event.
    pub(crate) fn queue(&mut self, id: &str, kind: &str) {
        if let Some((_, times)) =
            self.drops.iter_mut().find(|(prefix, times)| *times > 0 && kind.starts_with(prefix.as_str()))
        {
            *times -= 1;
        } else if self.url.is_some() {
            self.send(id.to_owned());
        }
    }

    fn send(&mut self, id: String) {
        if self.holding {
            self.held.push_back(id);
        } else if self.outgoing.send(id).is_ok() {
            self.under_way += 1;
        }
    }

    /// Keeps events back until [`Self::release`].
    pub(crate) fn hold(&mut self) {
        self.holding = true;
    }

    /// Ends the hold and sends what was kept back.
    pub(crate) fn release(&mut self) {
        self.holding = false;
        for id in std::mem::take(&mut self.held) {
            self.send(id);
        }
    }

    /// Forgets what is kept back, as if its delivery had failed for good.
    pub(crate) fn discard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.held).into()
    }

    /// What is kept back, oldest first.
    pub(crate) fn held(&self) -> Vec<String> {
        self.held.iter().cloned().collect()
    }

    /// Never delivers the next `times` events whose type starts with `prefix`.
    pub(crate) fn drop_next(&mut self, prefix: &str, times: u32) {
        self.drops.push((prefix.to_owned(), times));
    }

    /// Every attempt so far.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.clone()
    }

    /// Deliveries that are neither accepted nor given up; held ones don't count.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way
    }
}

/// The `Stripe-Signature` header for a payload: `t=…,v1=…`, HMAC-SHA256 over `{t}.{payload}`.
#[must_use]
pub fn signature_header(secret: &str, timestamp: i64, payload: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{timestamp}.{payload}").as_bytes());
    format!("t={timestamp},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// How many deliveries run at once.
const CONCURRENT: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// With the pauses above, about a minute. Stripe goes on for three days.
const ATTEMPTS: u32 = 16;

/// Delivers what is queued, for as long as the stand-in runs.
pub(crate) async fn dispatch(shared: Arc<Shared>, mut incoming: mpsc::UnboundedReceiver<String>) {
    let room = Arc::new(Semaphore::new(CONCURRENT));
    let mut running = JoinSet::new();
    while let Some(id) = incoming.recv().await {
        running.spawn(deliver_until_accepted(Arc::clone(&shared), Arc::clone(&room), id));
        while running.try_join_next().is_some() {}
    }
}

async fn deliver_until_accepted(shared: Arc<Shared>, room: Arc<Semaphore>, id: String) {
    let mut pause = FIRST_PAUSE;
    for _ in 0..ATTEMPTS {
        {
            let mut ledger = shared.lock();
            if ledger.webhooks.holding {
                ledger.webhooks.held.push_back(id);
                ledger.webhooks.under_way -= 1;
                return;
            }
        }
        let permit = room.acquire().await;
        let delivered = deliver(&shared, &id).await;
        drop(permit);
        if delivered.is_ok_and(|delivery| delivery.is_accepted()) {
            break;
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
    shared.lock().webhooks.under_way -= 1;
}

/// One attempt, signed now.
///
/// # Errors
/// There is no such event, or no receiver.
pub(crate) async fn deliver(shared: &Shared, id: &str) -> Result<Delivery, ApiError> {
    let (url, event) = {
        let ledger = shared.lock();
        let url =
            ledger.webhooks.url.clone().ok_or_else(|| ApiError::refused("There is no webhook endpoint."))?;
        (url, events::find(&ledger, id)?.clone())
    };
    let signature = signature_header(&shared.config.webhook_secret, now(), &event.payload);
    let request = shared.http.post(url).header("Stripe-Signature", signature);
    let request = request.header("Content-Type", "application/json; charset=utf-8").body(event.payload);
    let status = request.send().await.ok().map(|response| response.status().as_u16());
    let delivery = Delivery { event_id: id.to_owned(), event_type: event.kind, status };
    shared.lock().webhooks.deliveries.push(delivery.clone());
    Ok(delivery)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `printf '12345.{}' | openssl dgst -sha256 -hmac whsec_test`.
    #[test]
    fn signs_as_stripe_does() {
        let header = signature_header("whsec_test", 12345, "{}");
        assert_eq!(header, "t=12345,v1=f7d0d6f2476273381fa231a8ba13a821a0c87029e7b1bfae51e93d0240fb7c32");
    }
}
