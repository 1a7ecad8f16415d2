//! Placing orders: those that wait at one moment share one transaction.
//!
//! There is no timer: whoever arrives while a batch is being written joins the next one, so that a lone order waits
//! for nothing. A batch locks its products once, ascending, lets the domain's rule decide order by order, and writes
//! everything with one statement. See `docs/adr/0003-order-batches.md`.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Binary, Jsonb, Nullable, SmallInt, Text},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use spicyjump_domain::{
    failure::StoreFailure,
    idempotency::{Answer, Once, OnceConflict, OnceKey, Replayable},
    ids::{OrderId, ProductId, UserId},
    locale::Locale,
    mail::{Mail, Recipient},
    money::{Currency, Money},
    placing::{Offer, OrderAnswer, OrderPlacement, OrderRequest, Placed, PlacedOrder, Refusal, allocate},
};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::{
    pool::{Database, failure},
    rows::{HistoryRow, LineRow, MovementRow, OrderRow, unexpected},
    sql::{JsonText, sql},
};

/// Orders in one transaction at most.
const MAX_BATCH: usize = 64;

/// Orders that may wait; beyond, the shop is busy and says so.
const MAX_WAITING: usize = 2_048;

/// Batches written at once: one waits for the disk while the other decides.
const LANES: usize = 2;

type Outcome = Result<Result<Replayable<Placed>, OnceConflict>, StoreFailure>;

struct Job {
    request: OrderRequest,
    once: Option<(Once, OrderAnswer)>,
    reply: oneshot::Sender<Outcome>,
}

/// Places orders in batches. Cheap to clone; ends with its last clone.
#[derive(Clone)]
pub struct PgPlacement {
    queue: mpsc::Sender<Job>,
}

impl PgPlacement {
    /// Starts to place orders in `database`. Needs a tokio runtime.
    #[must_use]
    pub fn start(database: &Database) -> Self {
        let (queue, jobs) = mpsc::channel(MAX_WAITING);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..LANES {
            tokio::spawn(lane(database.clone(), Arc::clone(&jobs)));
        }
        Self { queue }
    }
}

#[async_trait]
impl OrderPlacement for PgPlacement {
    async fn place(&self, request: OrderRequest, once: Option<(Once, OrderAnswer)>) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        self.queue.try_send(Job { request, once, reply }).map_err(|_| StoreFailure::Overloaded)?;
        outcome.await.map_err(unexpected)?
    }
}

async fn lane(database: Database, jobs: Arc<Mutex<mpsc::Receiver<Job>>>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    loop {
        if jobs.lock().await.recv_many(&mut batch, MAX_BATCH).await == 0 {
            return;
        }
        // Whoever went away before anything was done for them has been told that there is no order.
        batch.retain(|job| !job.reply.is_closed());
        metrics::histogram!("spicyjump_order_batch_size")
            .record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        // Requests with one key go one after the other: the second finds the first one's answer.
        while !batch.is_empty() {
            let mut keys = std::collections::BTreeSet::new();
            let key = |job: &Job| job.once.as_ref().map(|(once, _)| once.key.clone());
            let (now, later) = batch.drain(..).partition(|job| key(job).is_none_or(|key| keys.insert(key)));
            // A task of its own: a panic costs its batch, not the lane.
            if let Err(error) = tokio::spawn(run(database.clone(), now)).await {
                tracing::error!(error = error.to_string(), "a batch of orders was lost");
            }
            batch = later;
        }
    }
}

/// Places a batch, or, where one of it makes the whole fail, each of it alone.
async fn run(database: Database, batch: Vec<Job>) {
    match place(&database, &batch).await {
        Ok(outcomes) => {
            for (job, outcome) in batch.into_iter().zip(outcomes) {
                let _ = job.reply.send(Ok(outcome)); // Whoever went away has an order all the same.
            }
        }
        // The database said no before anything was committed: one bad order must not hurt its neighbours.
        Err(StoreFailure::Unexpected(error)) if batch.len() > 1 => {
            tracing::warn!(
                error = error.to_string(),
                size = batch.len(),
                "a batch of orders failed, placing each alone"
            );
            for job in batch {
                let alone = std::slice::from_ref(&job);
                let outcome = place(&database, alone).await;
                let outcome = outcome.and_then(|mut outcomes| outcomes.pop().ok_or_else(nothing_decided));
                let _ = job.reply.send(outcome);
            }
        }
        Err(failure) => {
            // Whether it was committed may be unknown: nothing is tried again by itself.
            let failure = Arc::new(failure);
            for job in batch {
                let _ = job.reply.send(Err(again(&failure)));
            }
        }
    }
}

/// A defect: every order of a batch is decided.
fn nothing_decided() -> StoreFailure {
    StoreFailure::Unexpected("an order was not decided".into())
}

/// The same failure for one more caller.
fn again(failure: &Arc<StoreFailure>) -> StoreFailure {
    let source = || Box::new(Shared(Arc::clone(failure)));
    match **failure {
        StoreFailure::Overloaded => StoreFailure::Overloaded,
        StoreFailure::Unavailable(_) => StoreFailure::Unavailable(source()),
        StoreFailure::Unexpected(_) => StoreFailure::Unexpected(source()),
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Shared(Arc<StoreFailure>);

type Decided = Result<Replayable<Placed>, OnceConflict>;

/// A failure inside the transaction, on its way out through diesel's rollback.
enum Stop {
    Database(diesel::result::Error),
    Store(StoreFailure),
}

impl From<diesel::result::Error> for Stop {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

async fn place(database: &Database, batch: &[Job]) -> Result<Vec<Decided>, StoreFailure> {
    let mut conn = database.get().await?;
    let placed = conn.transaction(async |conn| place_in(conn, batch).await).await;
    database.products().changed(batch.iter().flat_map(|job| job.request.cart.product_ids()));
    placed.map_err(|stop| match stop {
        Stop::Database(error) => failure(error),
        Stop::Store(failure) => failure,
    })
}

async fn place_in(conn: &mut AsyncPgConnection, batch: &[Job]) -> Result<Vec<Decided>, Stop> {
    let mut decided: Vec<Option<Decided>> = claim(conn, batch).await?;
    let open: Vec<usize> = (0..batch.len()).filter(|index| decided[*index].is_none()).collect();
    if !open.is_empty() {
        let requests: Vec<&OrderRequest> = open.iter().map(|index| &batch[*index].request).collect();
        let mut offers = lock_offers(conn, &requests).await?;
        let (ids, buyers) = ids_and_buyers(conn, &requests).await?;
        let mut writes = Writes::default();
        for (index, id) in open.into_iter().zip(ids) {
            let Job { request, once, .. } = &batch[index];
            let buyer = buyers.get(&request.buyer_id).ok_or(diesel::result::Error::NotFound)?;
            let outcome = allocate(id, request, buyer, &mut offers);
            decided[index] = Some(Ok(Replayable::Fresh(writes.add(outcome, once.as_ref()))));
        }
        if !writes.is_empty() {
            let doc = writes.document().map_err(|error| Stop::Store(unexpected(error)))?;
            sql(include_str!("sql/place_orders.sql")).bind::<Jsonb, _>(doc).execute(conn).await?;
        }
    }
    Ok(decided.into_iter().flatten().collect())
}

/// Claims the keys of a batch in one order, so that batches never wait for each other in a circle. What was claimed
/// before is decided already.
async fn claim(conn: &mut AsyncPgConnection, batch: &[Job]) -> Result<Vec<Option<Decided>>, Stop> {
    #[derive(QueryableByName)]
    struct Key {
        #[diesel(sql_type = BigInt)]
        user_id: i64,
        #[diesel(sql_type = Text)]
        path: String,
        #[diesel(sql_type = Text)]
        text: String,
    }
    let keys: Vec<KeyRow<'_>> =
        batch.iter().filter_map(|job| job.once.as_ref()).map(|(once, _)| KeyRow::from(once)).collect();
    if keys.is_empty() {
        return Ok(batch.iter().map(|_| None).collect());
    }
    let keys = JsonText::of(&keys).map_err(|error| Stop::Store(unexpected(error)))?;
    let claimed: Vec<Key> = sql(include_str!("sql/claim_keys.sql")).bind::<Jsonb, _>(keys).load(conn).await?;
    let ours = |key: &OnceKey| {
        claimed.iter().any(|row| (row.user_id, &row.path, &row.text) == (key.user.get(), &key.path, &key.key))
    };
    let mut decided = vec![];
    for job in batch {
        decided.push(match &job.once {
            Some((once, _)) if !ours(&once.key) => Some(earlier(conn, once).await?),
            _ => None,
        });
    }
    Ok(decided)
}

/// What became of a key that was claimed before.
async fn earlier(conn: &mut AsyncPgConnection, once: &Once) -> Result<Decided, Stop> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Binary)]
        fingerprint: Vec<u8>,
        #[diesel(sql_type = Nullable<SmallInt>)]
        status: Option<i16>,
        #[diesel(sql_type = Nullable<Binary>)]
        body: Option<Vec<u8>>,
    }
    let text = "SELECT fingerprint, status, body FROM idempotency_keys WHERE user_id = $1 AND path = $2 AND key = $3";
    let row: Row = sql(text)
        .bind::<BigInt, _>(once.key.user.get())
        .bind::<Text, _>(&once.key.path)
        .bind::<Text, _>(&once.key.key)
        .get_result(conn)
        .await?;
    Ok(match (row.status.and_then(|status| u16::try_from(status).ok()), row.body) {
        _ if row.fingerprint != once.fingerprint => Err(OnceConflict::Reused),
        (Some(status), Some(body)) => Ok(Replayable::Replayed(Answer { status, body })),
        _ => Err(OnceConflict::InProgress),
    })
}

/// Locks the stock of every wanted product, ascending, and reads what is offered.
async fn lock_offers(
    conn: &mut AsyncPgConnection,
    requests: &[&OrderRequest],
) -> Result<BTreeMap<ProductId, Offer>, Stop> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = BigInt)]
        seller_id: i64,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = BigInt)]
        price_minor: i64,
        #[diesel(sql_type = Text)]
        currency: String,
        #[diesel(sql_type = Text)]
        status: String,
        #[diesel(sql_type = BigInt)]
        available: i64,
    }
    let products: std::collections::BTreeSet<i64> =
        requests.iter().flat_map(|request| request.cart.product_ids()).map(ProductId::get).collect();
    let text = "SELECT p.id, p.seller_id, p.name, p.price_minor, p.currency, p.status, s.available \
                FROM stock s JOIN products p ON p.id = s.product_id \
                WHERE s.product_id = ANY($1) ORDER BY s.product_id FOR UPDATE OF s";
    let rows: Vec<Row> =
        sql(text).bind::<Array<BigInt>, _>(products.into_iter().collect::<Vec<_>>()).load(conn).await?;
    let offers = rows.into_iter().filter_map(|row| {
        let offer = Offer {
            seller_id: UserId::new(row.seller_id)?,
            name: row.name,
            price: Money::new(row.price_minor, Currency::from_code(&row.currency)?).ok()?,
            published: row.status == "published",
            available: row.available,
        };
        Some((ProductId::new(row.id)?, offer))
    });
    Ok(offers.collect())
}

/// An unused id for each request, and who the buyers are.
async fn ids_and_buyers(
    conn: &mut AsyncPgConnection,
    requests: &[&OrderRequest],
) -> Result<(Vec<OrderId>, BTreeMap<UserId, Recipient>), Stop> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        order_id: i64,
        #[diesel(sql_type = BigInt)]
        user_id: i64,
        #[diesel(sql_type = Text)]
        email: String,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        locale: String,
    }
    let buyers: Vec<i64> = requests.iter().map(|request| request.buyer_id.get()).collect();
    let text = "SELECT nextval(pg_get_serial_sequence('orders', 'id')) AS order_id, u.id AS user_id, u.email, u.name, u.locale \
                FROM unnest($1) WITH ORDINALITY AS wanted (user_id, place) JOIN users u ON u.id = wanted.user_id \
                ORDER BY wanted.place";
    let rows: Vec<Row> = sql(text).bind::<Array<BigInt>, _>(buyers).load(conn).await?;
    if rows.len() != requests.len() {
        return Err(diesel::result::Error::NotFound.into()); // A buyer is gone: found out which, each alone.
    }
    let ids = rows.iter().filter_map(|row| OrderId::new(row.order_id)).collect();
    let buyers = rows.into_iter().filter_map(|row| {
        let locale = Locale::from_code(&row.locale).unwrap_or_default();
        Some((UserId::new(row.user_id)?, Recipient { email: row.email, name: row.name, locale }))
    });
    Ok((ids, buyers.collect()))
}

/// What a batch writes, as the document that `sql/place_orders.sql` takes.
#[derive(Default)]
struct Writes {
    placed: Vec<PlacedOrder>,
    answers: Vec<AnswerRow>,
}

impl Writes {
    fn add(&mut self, outcome: Result<PlacedOrder, Refusal>, once: Option<&(Once, OrderAnswer)>) -> Placed {
        let outcome = outcome.map(|placed| {
            let order = placed.order.clone();
            self.placed.push(placed);
            order
        });
        if let Some((Once { key, .. }, answer)) = once {
            // An answer that is not kept leaves its key free.
            let (status, body) =
                answer(&outcome).map(|answer| (answer.status, hex::encode(answer.body))).unzip();
            let (path, key_text) = (key.path.clone(), key.key.clone());
            self.answers.push(AnswerRow { user_id: key.user, path, key: key_text, status, body });
        }
        outcome
    }

    fn is_empty(&self) -> bool {
        self.placed.is_empty() && self.answers.is_empty()
    }

    fn document(&self) -> Result<JsonText, serde_json::Error> {
        let orders = || self.placed.iter().map(|placed| &placed.order);
        JsonText::of(&Document {
            orders: orders().map(OrderRow::awaiting_payment).collect(),
            lines: orders()
                .flat_map(|order| order.lines.iter().map(|line| LineRow::new(order.id, line)))
                .collect(),
            history: orders()
                .flat_map(|order| order.history.iter().map(|entry| HistoryRow::new(order.id, entry)))
                .collect(),
            stock: orders()
                .flat_map(|order| order.lines.iter().map(|line| MovementRow::sold(order, line)))
                .collect(),
            mails: self.placed.iter().filter_map(|placed| placed.mail.as_ref()).collect(),
            answers: &self.answers,
        })
    }
}

/// The parts of `sql/place_orders.sql`, each a table.
#[derive(Serialize)]
struct Document<'a> {
    orders: Vec<OrderRow>,
    lines: Vec<LineRow>,
    history: Vec<HistoryRow>,
    stock: Vec<MovementRow>,
    mails: Vec<&'a Mail>,
    answers: &'a [AnswerRow],
}

/// A row of `sql/claim_keys.sql`.
#[derive(Serialize)]
struct KeyRow<'a> {
    user_id: UserId,
    path: &'a str,
    key: &'a str,
    /// In hexadecimal digits.
    fingerprint: String,
}

impl<'a> From<&'a Once> for KeyRow<'a> {
    fn from(Once { key, fingerprint }: &'a Once) -> Self {
        Self { user_id: key.user, path: &key.path, key: &key.key, fingerprint: hex::encode(fingerprint) }
    }
}

#[derive(Serialize)]
struct AnswerRow {
    user_id: UserId,
    path: String,
    key: String,
    status: Option<u16>,
    /// In hexadecimal digits.
    body: Option<String>,
}
