//! Server-Sent Events of one order: first how it stands, then each change, by whichever instance it was made.
//!
//! One task per process asks the database about all watched orders at once, and about none when nobody watches: the
//! history that every write adds to is the message queue, and its version the id of the event.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{self, HeaderName},
    web::Data,
};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use spicyjump_domain::{
    ids::OrderId,
    order::{HistoryEntry, Order},
    orders::{OrderNews, OrderStore, Orders},
};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use crate::{
    current_user::CurrentUser,
    edge::Edge,
    error::{ApiError, ErrorCode},
    failure::Failure,
    path::PathId,
    time::Timestamp,
};

/// How often the database is asked for news.
const POLL: Duration = Duration::from_millis(300);

/// How often a silent stream shows that it is alive (contract §4).
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Streams of one process at most.
const MAX_STREAMS: usize = 10_000;

/// Changes that a slow reader may lag behind before its stream ends; it comes back with `Last-Event-ID`.
const MAX_LAG: usize = 64;

struct Watch {
    order_id: OrderId,
    version: i64,
    news: mpsc::Sender<OrderNews>,
}

/// An event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says in the API's description what an event has")]
pub(crate) struct OrderEvent {
    #[schema(pattern = "^status$")]
    event: String,
    /// For `Last-Event-ID`.
    #[schema(pattern = "^[0-9]+$")]
    id: String,
    /// JSON: `{order_id, status, payment_status, at}`.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Everyone who watches an order in this process.
#[derive(Clone, Default)]
pub struct Watchers {
    inner: Arc<Mutex<Inner>>,
    wake: Arc<tokio::sync::Notify>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    watches: HashMap<u64, Watch>,
}

impl Watchers {
    /// Starts to ask `store` for news while anyone watches. Needs a tokio runtime.
    #[must_use]
    pub fn start(store: Arc<dyn OrderStore>) -> Self {
        let watchers = Self::default();
        tokio::spawn(watchers.clone().poll(store));
        watchers
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches an order from `version` on; `None` where too many watch already.
    fn watch(&self, order_id: OrderId, version: i64) -> Option<(Watching, mpsc::Receiver<OrderNews>)> {
        let (news, receiver) = mpsc::channel(MAX_LAG);
        let mut inner = self.lock();
        if inner.watches.len() >= MAX_STREAMS {
            return None;
        }
        let key = inner.next;
        inner.next += 1;
        inner.watches.insert(key, Watch { order_id, version, news });
        self.wake.notify_one();
        Some((Watching { watchers: self.clone(), key }, receiver))
    }

    async fn poll(self, store: Arc<dyn OrderStore>) {
        loop {
            let mut seen: HashMap<OrderId, i64> = HashMap::new();
            for watch in self.lock().watches.values() {
                let version = seen.entry(watch.order_id).or_insert(watch.version);
                *version = watch.version.min(*version);
            }
            if seen.is_empty() {
                self.wake.notified().await;
                continue;
            }
            match store.news(&seen.into_iter().collect::<Vec<_>>()).await {
                Ok(news) => self.tell(&news),
                Err(failure) => tracing::debug!(error = failure.to_string(), "no news of orders"),
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn tell(&self, news: &[OrderNews]) {
        let mut inner = self.lock();
        inner.watches.retain(|_, watch| {
            news.iter().filter(|one| one.order_id == watch.order_id).all(|one| {
                if one.version <= watch.version {
                    return true;
                }
                watch.version = one.version;
                watch.news.try_send(one.clone()).is_ok()
            })
        });
    }
}

/// Ends the watch when the stream is dropped.
struct Watching {
    watchers: Watchers,
    key: u64,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.watchers.lock().watches.remove(&self.key);
    }
}

/// What a stream is made from.
struct Reader {
    first: Option<Bytes>,
    news: mpsc::Receiver<OrderNews>,
    edge: Data<Edge>,
    _watching: Watching,
}

#[derive(Serialize)]
struct StatusEvent {
    order_id: i64,
    status: &'static str,
    payment_status: &'static str,
    at: Timestamp,
}

fn event(news: &OrderNews) -> Bytes {
    let data = StatusEvent {
        order_id: news.order_id.get(),
        status: news.status.code(),
        payment_status: news.payment_status.code(),
        at: Timestamp(news.at),
    };
    let data = serde_json::to_string(&data).unwrap_or_default();
    format!("event: status\nid: {}\ndata: {data}\n\n", news.version).into()
}

/// What a reader gets at once: what it missed since `last`, or how the order stands.
fn opening(order: &Order, last: Option<i64>) -> Vec<OrderNews> {
    let news = |entry: &HistoryEntry| OrderNews {
        order_id: order.id,
        version: entry.version,
        status: entry.to,
        payment_status: entry.payment_status,
        at: entry.at,
    };
    let missed = order.history.iter().filter(|entry| last.is_some_and(|last| entry.version > last));
    let missed: Vec<_> = missed.map(news).collect();
    if missed.is_empty() { order.history.last().map(news).into_iter().collect() } else { missed }
}

/// Watch an order: Server-Sent Events, first the present state, then each change.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(
        ("id" = i64, Path, minimum = 1),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was seen: what was missed comes first. Anything else is as none."),
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = OrderEvent, description = "A stream of such events, and a comment every 15 s."),
        (status = 404, body = Failure, description = "`order_not_found`."),
    ),
)]
#[get("/v1/orders/{id}/events")]
pub(crate) async fn order_events(
    request: HttpRequest,
    user: CurrentUser,
    orders: Data<Orders>,
    watchers: Data<Watchers>,
    edge: Data<Edge>,
    id: PathId<OrderId>,
) -> Result<HttpResponse, ApiError> {
    let order = orders.read(*user, id.0).await?;
    let last = request.headers().get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let opening = opening(&order, last);
    let version = opening.last().map_or(order.version, |news| news.version);
    let (watching, news) = watchers.watch(order.id, version).ok_or(ErrorCode::Overloaded)?;
    let first: Vec<u8> = opening.iter().flat_map(|news| event(news).to_vec()).collect();

    let reader = Reader { first: Some(first.into()), news, edge, _watching: watching };
    let stream = stream::unfold(reader, |mut reader| async move {
        if let Some(first) = reader.first.take() {
            return Some((Ok::<_, std::convert::Infallible>(first), reader));
        }
        let chunk = tokio::select! {
            () = reader.edge.stopped() => return None,
            news = reader.news.recv() => event(&news?),
            () = tokio::time::sleep(HEARTBEAT) => Bytes::from_static(b": alive\n\n"),
        };
        Some((Ok(chunk), reader))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream; charset=UTF-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Neither this server nor a proxy may gather events to compress or buffer them.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header((HeaderName::from_static("x-accel-buffering"), "no"))
        .streaming(stream))
}
