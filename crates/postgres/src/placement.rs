//! Placing orders: those that wait at one moment share one statement.
//!
//! A batch reads what its products offer, lets the domain's rule decide order by order, and writes everything with one
//! statement, which the database refuses where stock was taken meanwhile; then the batch is decided anew, under locks. See
//! `docs/adr/0003-order-batches.md`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Binary, Bool, Integer, Jsonb, Nullable, SmallInt, Text, Timestamptz},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::try_join;
use spicyjump_domain::{
    failure::StoreFailure,
    idempotency::{Answer, Once, OnceConflict, OnceKey, Replayable},
    ids::{OrderId, ProductId, UserId},
    locale::Locale,
    mail::Recipient,
    money::{Currency, Money},
    order::{Order, OrderLine},
    placing::{Offer, OrderAnswer, OrderPlacement, OrderRequest, Placed, PlacedOrder, Refusal, allocate},
};

use crate::{
    batches::{Batches, Work},
    idempotency::Record,
    pool::{Database, failure, is_deadlock, violated},
    rows::unexpected,
    sql::{JsonText, Sql, sql},
};

/// Places orders in batches. Cheap to clone; ends with its last clone.
#[derive(Clone)]
pub struct PgPlacement {
    batches: Batches<Placing>,
}

impl PgPlacement {
    /// Starts to place orders in `database`. Needs a tokio runtime.
    #[must_use]
    pub fn start(database: &Database) -> Self {
        Self { batches: Batches::start(Placing { database: database.clone() }) }
    }
}

#[async_trait]
impl OrderPlacement for PgPlacement {
    async fn place(
        &self,
        request: OrderRequest,
        once: Option<(Once, OrderAnswer)>,
    ) -> Result<Decided, StoreFailure> {
        self.batches.ask(Job { request, once }).await
    }
}

struct Placing {
    database: Database,
}

struct Job {
    request: OrderRequest,
    once: Option<(Once, OrderAnswer)>,
}

/// What an order locks.
#[derive(PartialEq, Eq, Hash)]
enum Thing {
    Stock(ProductId),
    Key(OnceKey),
}

type Decided = Result<Replayable<Placed>, OnceConflict>;

#[async_trait]
impl Work for Placing {
    type Input = Job;
    type Output = Decided;
    type Key = OnceKey;
    type Thing = Thing;

    const NAME: &'static str = "place";
    const LANES: usize = 2;
    const WORTH_A_LANE: usize = 16;

    /// The second request with one key finds the first one's answer.
    fn key(job: &Job) -> Option<OnceKey> {
        job.once.as_ref().map(|(once, _)| once.key.clone())
    }

    fn things(job: &Job) -> Vec<Thing> {
        let key = Self::key(job).map(Thing::Key);
        job.request.cart.product_ids().map(Thing::Stock).chain(key).collect()
    }

    async fn run(&self, batch: &[Job]) -> Result<Vec<Decided>, StoreFailure> {
        place(&self.database, batch).await
    }
}

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

/// A key that a batch is about to write may just have been written by another instance: then it is known on the next try.
const TRIES: usize = 3;

async fn place(database: &Database, batch: &[Job]) -> Result<Vec<Decided>, StoreFailure> {
    let mut conn = database.get().await?;
    let placed = match place_in(&conn, batch, Commits::Each).await {
        Err(Stop::Database(error)) if is_overtaken(&error) => place_locked(&mut conn, batch).await,
        placed => placed,
    };
    drop(conn);
    database.products().changed(batch.iter().flat_map(|job| job.request.cart.product_ids()));
    placed.map_err(|stop| match stop {
        Stop::Database(error) => failure(error),
        Stop::Store(failure) => failure,
    })
}

/// Whether somebody else took of the stock, or wrote a key, between the batch's reading and its writing, or stood in its
/// way as it in theirs. In one instance batches that are at work have nothing in common: it was another instance, or a
/// seller. Nothing of the batch was written.
fn is_overtaken(error: &diesel::result::Error) -> bool {
    is_deadlock(error) || matches!(violated(error), Some("stock_never_negative" | "idempotency_keys_pkey"))
}

/// Whether the statements of a batch are transactions of their own, or of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Commits {
    Each,
    Together,
}

/// Once overtaken, it keeps the products to itself until it is done.
async fn place_locked(conn: &mut AsyncPgConnection, batch: &[Job]) -> Result<Vec<Decided>, Stop> {
    let mut tries = 1..TRIES;
    loop {
        let placed = conn.transaction(async |conn| {
            lock_stock(conn, batch).await?;
            place_in(conn, batch, Commits::Together).await
        });
        match placed.await {
            Err(Stop::Database(error)) if is_overtaken(&error) && tries.next().is_some() => {}
            placed => return placed,
        }
    }
}

/// Two round trips: all that is to be known; then all that is to be written, in one statement, which is committed or not.
async fn place_in(conn: &AsyncPgConnection, batch: &[Job], commits: Commits) -> Result<Vec<Decided>, Stop> {
    let (mut offers, mut known, (ids, buyers)) =
        try_join!(read_offers(conn, batch), known_keys(conn, batch), ids_and_buyers(conn, batch, commits))?;
    let mut writes = Writes::default();
    let mut decided = vec![];
    for (Job { request, once, .. }, id) in batch.iter().zip(ids) {
        if let Some((once, _)) = once
            && let Some(record) = known.remove(&once.key)
        {
            decided.push(record.answer(once).map(Replayable::Replayed));
            continue;
        }
        let buyer = buyers.get(&request.buyer_id).ok_or(diesel::result::Error::NotFound)?;
        let outcome = allocate(id, request, buyer, &mut offers);
        decided.push(Ok(Replayable::Fresh(writes.add(outcome, once.as_ref()))));
    }
    if !writes.is_empty() {
        let statement = writes.statement().map_err(|error| Stop::Store(unexpected(error)))?;
        statement.execute(&mut &*conn).await?;
    }
    Ok(decided)
}

/// What was kept under those keys of a batch that were used before.
async fn known_keys(conn: &AsyncPgConnection, batch: &[Job]) -> Result<HashMap<OnceKey, Record>, Stop> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        user_id: i64,
        #[diesel(sql_type = Text)]
        path: String,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(embed)]
        record: Record,
    }
    let keys = || batch.iter().filter_map(|job| job.once.as_ref()).map(|(once, _)| &once.key);
    if keys().next().is_none() {
        return Ok(HashMap::new());
    }
    let query = sql(include_str!("sql/known_keys.sql"))
        .bind::<Array<BigInt>, _>(keys().map(|key| key.user.get()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(keys().map(|key| key.path.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(keys().map(|key| key.key.as_str()).collect::<Vec<_>>());
    let rows: Vec<Row> = query.load(&mut &*conn).await?;
    let known = rows.into_iter().filter_map(|row| {
        let key = OnceKey { user: UserId::new(row.user_id)?, path: row.path, key: row.name };
        Some((key, row.record))
    });
    Ok(known.collect())
}

/// The products of a batch, ascending.
fn products(batch: &[Job]) -> Vec<i64> {
    let products: BTreeSet<ProductId> = batch.iter().flat_map(|job| job.request.cart.product_ids()).collect();
    products.into_iter().map(ProductId::get).collect()
}

/// Keeps the stock of a batch's products to the transaction, in the order that everybody keeps.
async fn lock_stock(conn: &mut AsyncPgConnection, batch: &[Job]) -> Result<(), Stop> {
    let text = "SELECT FROM stock WHERE product_id = ANY($1) ORDER BY product_id FOR UPDATE";
    sql(text).bind::<Array<BigInt>, _>(products(batch)).execute(conn).await?;
    Ok(())
}

/// What the products of a batch offer.
async fn read_offers(conn: &AsyncPgConnection, batch: &[Job]) -> Result<BTreeMap<ProductId, Offer>, Stop> {
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
    let text = "SELECT p.id, p.seller_id, p.name, p.price_minor, p.currency, p.status, s.available \
                FROM stock s JOIN products p ON p.id = s.product_id WHERE s.product_id = ANY($1)";
    let rows: Vec<Row> = sql(text).bind::<Array<BigInt>, _>(products(batch)).load(&mut &*conn).await?;
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
///
/// A sequence that moves on is something to commit. Nobody needs to wait until that is on disk: the commit of the orders
/// that bear the ids waits for it too.
async fn ids_and_buyers(
    conn: &AsyncPgConnection,
    batch: &[Job],
    commits: Commits,
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
    let buyers: Vec<i64> = batch.iter().map(|job| job.request.buyer_id.get()).collect();
    let text = "SELECT nextval('orders_id_seq') AS order_id, u.id AS user_id, u.email, u.name, u.locale \
                FROM unnest($1) WITH ORDINALITY AS wanted (user_id, place) JOIN users u ON u.id = wanted.user_id \
                WHERE (SELECT NOT $2 OR set_config('synchronous_commit', 'off', true) = 'off') \
                ORDER BY wanted.place";
    let rows: Vec<Row> = sql(text)
        .bind::<Array<BigInt>, _>(buyers)
        .bind::<Bool, _>(commits == Commits::Each)
        .load(&mut &*conn)
        .await?;
    if rows.len() != batch.len() {
        return Err(diesel::result::Error::NotFound.into()); // A buyer is gone: found out which, each alone.
    }
    let ids = rows.iter().filter_map(|row| OrderId::new(row.order_id)).collect();
    let buyers = rows.into_iter().filter_map(|row| {
        let locale = Locale::from_code(&row.locale).unwrap_or_default();
        Some((UserId::new(row.user_id)?, Recipient { email: row.email, name: row.name, locale }))
    });
    Ok((ids, buyers.collect()))
}

/// What a batch writes.
#[derive(Default)]
struct Writes<'a> {
    placed: Vec<PlacedOrder>,
    answers: Vec<Kept<'a>>,
}

/// An answer that is kept under its key.
struct Kept<'a> {
    once: &'a Once,
    status: u16,
    body: Vec<u8>,
}

impl<'a> Writes<'a> {
    fn add(
        &mut self,
        outcome: Result<PlacedOrder, Refusal>,
        once: Option<&'a (Once, OrderAnswer)>,
    ) -> Placed {
        let outcome = outcome.map(|placed| {
            let order = placed.order.clone();
            self.placed.push(placed);
            order
        });
        // An answer that is not kept leaves its key free.
        if let Some((once, answer)) = once
            && let Some(Answer { status, body }) = answer(&outcome)
        {
            self.answers.push(Kept { once, status, body });
        }
        outcome
    }

    fn is_empty(&self) -> bool {
        self.placed.is_empty() && self.answers.is_empty()
    }

    /// `sql/place_orders.sql` with the columns of all that is written.
    fn statement(&self) -> Result<Sql<'_>, serde_json::Error> {
        let orders: Vec<&Order> = self.placed.iter().map(|placed| &placed.order).collect();
        let addresses = orders.iter().map(|order| JsonText::of(&order.shipping_address));
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        let mails = self.placed.iter().filter_map(|placed| placed.mail.as_ref()).map(JsonText::of);
        let mails = mails.collect::<Result<Vec<_>, _>>()?;
        let statement = sql(include_str!("sql/place_orders.sql"))
            .bind::<Array<BigInt>, _>(column(&orders, |order| order.id.get()))
            .bind::<Array<Text>, _>(column(&orders, |order| order.number.as_str()))
            .bind::<Array<BigInt>, _>(column(&orders, |order| order.buyer_id.get()))
            .bind::<Array<Text>, _>(column(&orders, |order| order.status.code()))
            .bind::<Array<Text>, _>(column(&orders, |order| order.payment_status.code()))
            .bind::<Array<Text>, _>(column(&orders, |order| order.total.currency().code()))
            .bind::<Array<BigInt>, _>(column(&orders, |order| order.total.minor()))
            .bind::<Array<Jsonb>, _>(addresses)
            .bind::<Array<Nullable<Text>>, _>(column(&orders, |order| order.note.as_deref()))
            .bind::<Array<Nullable<Timestamptz>>, _>(column(&orders, |order| order.expires_at))
            .bind::<Array<Timestamptz>, _>(column(&orders, |order| order.created_at))
            .bind::<Array<Text>, _>(column(&orders, |order| {
                order.history.as_slice().first().map_or("", |step| &step.reason)
            }));
        let statement = bind_lines(statement, &orders).bind::<Array<Jsonb>, _>(mails);
        Ok(bind_taken(self.bind_keys(statement), &orders))
    }

    fn bind_keys<'s>(&'s self, statement: Sql<'s>) -> Sql<'s> {
        let mut kept: Vec<&Kept> = self.answers.iter().collect();
        // In one order, so that batches never wait for each other in a circle.
        kept.sort_unstable_by_key(|kept| &kept.once.key);
        statement
            .bind::<Array<BigInt>, _>(column(&kept, |kept| kept.once.key.user.get()))
            .bind::<Array<Text>, _>(column(&kept, |kept| kept.once.key.path.as_str()))
            .bind::<Array<Text>, _>(column(&kept, |kept| kept.once.key.key.as_str()))
            .bind::<Array<Binary>, _>(column(&kept, |kept| &kept.once.fingerprint[..]))
            // HTTP statuses fit.
            .bind::<Array<SmallInt>, _>(column(&kept, |kept| i16::try_from(kept.status).unwrap_or(i16::MAX)))
            .bind::<Array<Binary>, _>(column(&kept, |kept| &kept.body[..]))
    }
}

fn lines<'s>(orders: &[&'s Order]) -> Vec<(&'s Order, &'s OrderLine)> {
    orders.iter().flat_map(|order| order.lines.iter().map(|line| (*order, line))).collect()
}

/// The lines of these orders.
fn bind_lines<'s>(statement: Sql<'s>, orders: &[&'s Order]) -> Sql<'s> {
    let lines = lines(orders);
    statement
        .bind::<Array<BigInt>, _>(column(&lines, |(order, _)| order.id.get()))
        .bind::<Array<BigInt>, _>(column(&lines, |(_, line)| line.product_id.get()))
        .bind::<Array<BigInt>, _>(column(&lines, |(_, line)| line.seller_id.get()))
        .bind::<Array<Text>, _>(column(&lines, |(_, line)| line.name.as_str()))
        .bind::<Array<BigInt>, _>(column(&lines, |(_, line)| line.unit_price.minor()))
        // At most 9,999.
        .bind::<Array<Integer>, _>(column(&lines, |(_, line)| {
            i32::try_from(line.quantity).unwrap_or(i32::MAX)
        }))
        .bind::<Array<Timestamptz>, _>(column(&lines, |(order, _)| order.created_at))
}

/// What these orders take of each product, ascending, which is the order in which everybody locks them.
fn bind_taken<'s>(statement: Sql<'s>, orders: &[&Order]) -> Sql<'s> {
    let mut taken = BTreeMap::new();
    for (_, line) in lines(orders) {
        *taken.entry(line.product_id.get()).or_insert(0) += i64::from(line.quantity);
    }
    let (products, quantities): (Vec<i64>, Vec<i64>) = taken.into_iter().unzip();
    statement.bind::<Array<BigInt>, _>(products).bind::<Array<BigInt>, _>(quantities)
}

/// One column of all rows.
fn column<T: Copy, V>(rows: &[T], cell: impl Fn(T) -> V) -> Vec<V> {
    rows.iter().map(|row| cell(*row)).collect()
}
