//! Orders after they were placed: every change is guarded by the version that it was decided on.
//!
//! Books that are asked for at one moment are read by one statement, and changes are written by one.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use diesel::{
    QueryResult, QueryableByName,
    result::Error,
    sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::try_join;
use serde::Serialize;
use spicyjump_domain::{
    failure::StoreFailure,
    ids::{OrderId, PaymentId, RefundId, UserId},
    mail::Mail,
    order::{Order, OrderStatus, PaymentStatus},
    orders::{BookOf, OrderFilter, OrderNews, OrderStore, SaveOrderError},
    paging::{Cursor, Page, PageRequest},
    payment::{EventRecord, OrderBook, OrderChange},
    settlement::Fresh,
};
use time::OffsetDateTime;

use crate::{
    batches::{Batches, Work},
    order_list::listed,
    pool::{Database, failure, violated},
    rows::{
        DisputeRow, HistoryRow, LedgerRow, LineRow, MovementRow, OrderRow, PaymentRow, RefundRow, book_of,
        order_of, unexpected,
    },
    sql::{JsonText, Sql, sql},
};

/// Keeps orders. Its tasks end with its last clone.
#[derive(Clone)]
pub struct PgOrders {
    database: Database,
    opening: Batches<Opening>,
    saving: Batches<Saving>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// A row that is one text.
#[derive(QueryableByName)]
struct Words {
    #[diesel(sql_type = Text)]
    doc: String,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

impl PgOrders {
    /// Orders in `database`. Needs a tokio runtime.
    #[must_use]
    pub fn new(database: Database) -> Self {
        let opening = Batches::start(Opening { database: database.clone() });
        let saving = Batches::start(Saving { database: database.clone() });
        Self { database, opening, saving }
    }

    /// Payments that brought another amount or currency than was asked for, ever.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub async fn mismatches(&self) -> Result<u64, StoreFailure> {
        let query = sql("SELECT count(*) AS count FROM payments WHERE state = 'mismatch'");
        let mut conn = self.database.get().await?;
        let row: Count = query.get_result(&mut conn).await.map_err(failure)?;
        Ok(row.count.unsigned_abs())
    }

    async fn order_ids(&self, query: Sql<'_>) -> Result<Vec<OrderId>, StoreFailure> {
        let mut conn = self.database.get().await?;
        let rows: Vec<Id> = query.load(&mut conn).await.map_err(failure)?;
        Ok(rows.into_iter().filter_map(|row| OrderId::new(row.id)).collect())
    }
}

/// Whose books, owned.
enum Wanted {
    Order(OrderId),
    Payment(PaymentId),
    Intent(String),
}

impl From<BookOf<'_>> for Wanted {
    fn from(which: BookOf<'_>) -> Self {
        match which {
            BookOf::Order(id) => Self::Order(id),
            BookOf::Payment(id) => Self::Payment(id),
            BookOf::Intent(id) => Self::Intent(id.to_owned()),
        }
    }
}

impl Wanted {
    /// As `sql/load_books.sql` takes it.
    fn parts(&self) -> (Option<i64>, Option<i64>, Option<&str>) {
        match self {
            Self::Order(id) => (Some(id.get()), None, None),
            Self::Payment(id) => (None, Some(id.get()), None),
            Self::Intent(id) => (None, None, Some(id)),
        }
    }
}

struct Opening {
    database: Database,
}

#[async_trait]
impl Work for Opening {
    type Input = Wanted;
    type Output = Option<(OrderBook, Fresh)>;
    type Key = ();
    type Thing = ();

    const NAME: &'static str = "open";
    /// It waits for no lock.
    const LANES: usize = 1;
    const WORTH_A_LANE: usize = 1;

    fn key(_: &Wanted) -> Option<()> {
        None
    }

    fn things(_: &Wanted) -> Vec<()> {
        vec![]
    }

    async fn run(&self, batch: &[Wanted]) -> Result<Vec<Self::Output>, StoreFailure> {
        let conn = self.database.get().await?;
        // They travel together.
        let (books, fresh) = try_join!(load(&conn, batch), fresh_ids(&conn, batch.len())).map_err(failure)?;
        drop(conn);
        let books = books.into_iter().map(|doc| doc.as_deref().map(book_of).transpose());
        books.zip(fresh).map(|(book, fresh)| Ok(book?.map(|book| (book, fresh)))).collect()
    }
}

struct Saving {
    database: Database,
}

#[async_trait]
impl Work for Saving {
    type Input = OrderChange;
    type Output = Result<(), SaveOrderError>;
    type Key = OrderId;
    type Thing = OrderId;

    const NAME: &'static str = "save";
    const LANES: usize = 2;
    const WORTH_A_LANE: usize = 16;

    /// Of two changes that were decided on one version, the second is to find it gone.
    fn key(change: &OrderChange) -> Option<OrderId> {
        Some(change.book.order.id)
    }

    fn things(change: &OrderChange) -> Vec<OrderId> {
        vec![change.book.order.id]
    }

    async fn run(&self, batch: &[OrderChange]) -> Result<Vec<Self::Output>, StoreFailure> {
        let doc = Changes::document(batch).map_err(unexpected)?;
        let mut conn = self.database.get().await?;
        let query = sql(include_str!("sql/save_orders.sql")).bind::<Jsonb, _>(doc);
        let saved: QueryResult<Vec<Id>> = query.load(&mut conn).await;
        drop(conn);
        let moved = batch.iter().flat_map(|change| &change.effects.stock);
        self.database.products().changed(moved.map(|movement| movement.product_id));
        match saved {
            Ok(saved) => {
                let saved: HashSet<i64> = saved.into_iter().map(|row| row.id).collect();
                let is_saved = |change: &OrderChange| saved.contains(&change.book.order.id.get());
                let outcome = |change| if is_saved(change) { Ok(()) } else { Err(SaveOrderError::Stale) };
                Ok(batch.iter().map(outcome).collect())
            }
            Err(error) => match (batch, violated(&error)) {
                ([_], Some("stock_never_negative")) => Ok(vec![Err(SaveOrderError::OutOfStock)]),
                ([_], Some("provider_events_pkey")) => Ok(vec![Err(SaveOrderError::KnownEvent)]),
                // Another order took the intent in at the same moment: look again.
                ([_], Some("payments_intent_key" | "refunds_provider_key")) => {
                    Ok(vec![Err(SaveOrderError::Stale)])
                }
                // With others in its batch, whose fault it is shows when each is saved alone.
                _ => Err(failure(error)),
            },
        }
    }
}

/// The books in the order in which they are asked for; `None` where there is no such order.
async fn load(conn: &AsyncPgConnection, wanted: &[Wanted]) -> QueryResult<Vec<Option<String>>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        place: i64,
        #[diesel(sql_type = Text)]
        doc: String,
    }
    let (mut orders, mut payments, mut intents) = (vec![], vec![], vec![]);
    for (order, payment, intent) in wanted.iter().map(Wanted::parts) {
        orders.push(order);
        payments.push(payment);
        intents.push(intent);
    }
    let query = sql(include_str!("sql/load_books.sql"))
        .bind::<Array<Nullable<BigInt>>, _>(orders)
        .bind::<Array<Nullable<BigInt>>, _>(payments)
        .bind::<Array<Nullable<Text>>, _>(intents);
    let rows: Vec<Row> = query.load(&mut &*conn).await?;
    let mut books: HashMap<i64, String> = rows.into_iter().map(|row| (row.place, row.doc)).collect();
    Ok((1..).zip(wanted).map(|(place, _)| books.remove(&place)).collect())
}

async fn fresh_ids(conn: &AsyncPgConnection, count: usize) -> QueryResult<Vec<Fresh>> {
    #[derive(QueryableByName)]
    struct Ids {
        #[diesel(sql_type = BigInt)]
        payment: i64,
        #[diesel(sql_type = BigInt)]
        refund: i64,
    }
    let text = "SELECT nextval('payments_id_seq') AS payment, nextval('refunds_id_seq') AS refund \
                FROM generate_series(1, $1)";
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let ids: Vec<Ids> = sql(text).bind::<BigInt, _>(count).load(&mut &*conn).await?;
    let fresh = ids.into_iter().map(|ids| {
        let (payment, refund) = PaymentId::new(ids.payment).zip(RefundId::new(ids.refund))?;
        Some(Fresh { payment, refund })
    });
    fresh.collect::<Option<_>>().ok_or(Error::NotFound) // Sequences start at 1.
}

/// Changes as the document that `sql/save_orders.sql` takes.
#[derive(Default, Serialize)]
struct Changes<'a> {
    orders: Vec<ChangedOrder>,
    lines: Vec<LineRow>,
    payments: Vec<PaymentRow>,
    refunds: Vec<OfOrder<RefundRow>>,
    disputes: Vec<OfOrder<DisputeRow>>,
    history: Vec<HistoryRow>,
    stock: Vec<MovementRow>,
    ledger: Vec<LedgerRow>,
    mails: Vec<OrderMail<'a>>,
    events: Vec<OfOrder<EventRow<'a>>>,
}

#[derive(Serialize)]
struct ChangedOrder {
    decided_on: i64,
    #[serde(flatten)]
    row: OrderRow,
}

#[derive(Serialize)]
struct OfOrder<T> {
    of_order: OrderId,
    #[serde(flatten)]
    row: T,
}

#[derive(Serialize)]
struct OrderMail<'a> {
    of_order: OrderId,
    mail: &'a Mail,
}

#[derive(Serialize)]
struct EventRow<'a> {
    id: &'a str,
    kind: &'a str,
    payload: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
}

impl<'a> From<&'a EventRecord> for EventRow<'a> {
    fn from(event: &'a EventRecord) -> Self {
        let EventRecord { id, kind, payload, received_at, intent_id: _ } = event;
        Self { id, kind, payload, received_at: *received_at }
    }
}

impl<'a> Changes<'a> {
    fn document(batch: &'a [OrderChange]) -> Result<JsonText, serde_json::Error> {
        let mut all = Self::default();
        for change in batch {
            all.add(change);
        }
        JsonText::of(&all)
    }

    fn add(&mut self, change: &'a OrderChange) {
        let (order, effects) = (&change.book.order, &change.effects);
        let of_order = order.id;
        let mut row = OrderRow::from(order);
        row.due_at = change.due_at;
        self.orders.push(ChangedOrder { decided_on: change.decided_on, row });
        self.lines.extend(order.lines.iter().map(|line| LineRow::new(of_order, line)));
        self.payments.extend(change.book.payments.iter().map(PaymentRow::from));
        let refunds = change.book.refunds.iter().map(RefundRow::from);
        self.refunds.extend(refunds.map(|row| OfOrder { of_order, row }));
        let disputes = change.book.disputes.iter().map(DisputeRow::from);
        self.disputes.extend(disputes.map(|row| OfOrder { of_order, row }));
        self.history.extend(effects.history.iter().map(|entry| HistoryRow::new(of_order, entry)));
        self.stock.extend(effects.stock.iter().map(|movement| MovementRow::new(order, movement)));
        self.ledger.extend(effects.ledger.iter().map(|entry| LedgerRow::new(of_order, entry)));
        self.mails.extend(effects.mails.iter().map(|mail| OrderMail { of_order, mail }));
        self.events.extend(change.event.iter().map(|event| OfOrder { of_order, row: event.into() }));
    }
}

#[async_trait]
impl OrderStore for PgOrders {
    async fn load(&self, which: BookOf<'_>) -> Result<Option<OrderBook>, StoreFailure> {
        let conn = self.database.get().await?;
        let books = load(&conn, &[which.into()]).await.map_err(failure)?;
        drop(conn);
        books.into_iter().next().flatten().as_deref().map(book_of).transpose()
    }

    async fn open(&self, which: BookOf<'_>) -> Result<Option<(OrderBook, Fresh)>, StoreFailure> {
        self.opening.ask(which.into()).await
    }

    async fn save(&self, change: &OrderChange) -> Result<(), SaveOrderError> {
        self.saving.ask(change.clone()).await?
    }

    async fn fresh_ids(&self) -> Result<Fresh, StoreFailure> {
        let conn = self.database.get().await?;
        let ids = fresh_ids(&conn, 1).await.map_err(failure)?;
        ids.into_iter().next().ok_or_else(|| unexpected(Error::NotFound))
    }

    async fn record_event(&self, event: &EventRecord) -> Result<bool, StoreFailure> {
        let text = "INSERT INTO provider_events (id, kind, payload, received_at, foreign_intent_id) \
                    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
        let query = sql(text)
            .bind::<Text, _>(&event.id)
            .bind::<Text, _>(&event.kind)
            .bind::<Text, _>(&event.payload)
            .bind::<Timestamptz, _>(event.received_at)
            .bind::<Nullable<Text>, _>(event.intent_id.as_deref());
        let mut conn = self.database.get().await?;
        Ok(query.execute(&mut conn).await.map_err(failure)? == 1)
    }

    async fn event_payload(&self, id: &str) -> Result<Option<String>, StoreFailure> {
        let query = sql("SELECT payload AS doc FROM provider_events WHERE id = $1").bind::<Text, _>(id);
        let mut conn = self.database.get().await?;
        let rows: Vec<Words> = query.load(&mut conn).await.map_err(failure)?;
        Ok(rows.into_iter().next().map(|row| row.doc))
    }

    async fn foreign_events(&self, intent_id: &str) -> Result<Vec<String>, StoreFailure> {
        let text =
            "SELECT id AS doc FROM provider_events WHERE foreign_intent_id = $1 ORDER BY received_at, id";
        let mut conn = self.database.get().await?;
        let rows: Vec<Words> = sql(text).bind::<Text, _>(intent_id).load(&mut conn).await.map_err(failure)?;
        Ok(rows.into_iter().map(|row| row.doc).collect())
    }

    async fn lease_due(
        &self,
        now: OffsetDateTime,
        until: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreFailure> {
        let text = "WITH due AS ( \
                        SELECT id FROM orders WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED \
                    ) \
                    UPDATE orders o SET due_at = $3 FROM due WHERE o.id = due.id RETURNING o.id";
        let query = sql(text)
            .bind::<Timestamptz, _>(now)
            .bind::<BigInt, _>(i64::from(limit))
            .bind::<Timestamptz, _>(until);
        self.order_ids(query).await
    }

    async fn postpone(&self, id: OrderId, version: i64, until: OffsetDateTime) -> Result<(), StoreFailure> {
        let query =
            sql("UPDATE orders SET due_at = $1 WHERE id = $2 AND version = $3 AND due_at IS NOT NULL")
                .bind::<Timestamptz, _>(until)
                .bind::<BigInt, _>(id.get())
                .bind::<BigInt, _>(version);
        let mut conn = self.database.get().await?;
        query.execute(&mut conn).await.map(drop).map_err(failure)
    }

    async fn with_open_payments(
        &self,
        before: OffsetDateTime,
        after: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreFailure> {
        let text = "SELECT order_id AS id FROM payments \
                    WHERE state NOT IN ('succeeded', 'canceled', 'mismatch') AND checked_at < $1 AND order_id > $2 \
                    ORDER BY order_id LIMIT $3";
        let query = sql(text)
            .bind::<Timestamptz, _>(before)
            .bind::<BigInt, _>(after.map_or(0, OrderId::get))
            .bind::<BigInt, _>(i64::from(limit));
        self.order_ids(query).await
    }

    async fn list(&self, filter: &OrderFilter, page: &PageRequest) -> Result<Page<Order>, StoreFailure> {
        let conn = self.database.get().await?;
        let (mut ids, total) = listed(&conn, filter, page).await.map_err(failure)?;
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let more = ids.len() > limit;
        ids.truncate(limit);
        let next = ids.last().filter(|_| more).map(|id| Cursor { id: *id, price: None, name: None });
        let query = sql(include_str!("sql/orders.sql"))
            .bind::<Array<BigInt>, _>(ids)
            .bind::<Nullable<BigInt>, _>(filter.seller_id.map(UserId::get))
            .bind::<Nullable<Text>, _>(filter.status.map(OrderStatus::code));
        let rows: Vec<Words> = query.load(&mut &*conn).await.map_err(failure)?;
        drop(conn);
        let items = rows.iter().map(|row| order_of(&row.doc)).collect::<Result<Vec<_>, _>>()?;
        Ok(Page { items, total, next })
    }

    async fn news(&self, after: &[(OrderId, i64)]) -> Result<Vec<OrderNews>, StoreFailure> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            order_id: i64,
            #[diesel(sql_type = BigInt)]
            version: i64,
            #[diesel(sql_type = Text)]
            to_status: String,
            #[diesel(sql_type = Text)]
            payment_status: String,
            #[diesel(sql_type = Timestamptz)]
            at: OffsetDateTime,
        }
        let (ids, versions): (Vec<i64>, Vec<i64>) =
            after.iter().map(|(id, version)| (id.get(), *version)).unzip();
        let text = "SELECT h.order_id, h.version, h.to_status, h.payment_status, h.at \
                    FROM unnest($1, $2) AS seen (order_id, version) \
                    JOIN order_history h ON h.order_id = seen.order_id AND h.version > seen.version \
                    ORDER BY h.order_id, h.version";
        let query = sql(text).bind::<Array<BigInt>, _>(ids).bind::<Array<BigInt>, _>(versions);
        let mut conn = self.database.get().await?;
        let rows: Vec<Row> = query.load(&mut conn).await.map_err(failure)?;
        let news = rows.into_iter().filter_map(|row| {
            Some(OrderNews {
                order_id: OrderId::new(row.order_id)?,
                version: row.version,
                status: OrderStatus::from_code(&row.to_status)?,
                payment_status: PaymentStatus::from_code(&row.payment_status)?,
                at: row.at,
            })
        });
        Ok(news.collect())
    }

    async fn sweep_events(&self, before: OffsetDateTime) -> Result<u64, StoreFailure> {
        let text = "WITH old AS (SELECT id FROM provider_events WHERE received_at < $1 LIMIT 1000), \
                    gone AS (DELETE FROM provider_events e USING old WHERE e.id = old.id RETURNING e.id) \
                    SELECT count(*) AS id FROM gone";
        let mut conn = self.database.get().await?;
        let gone: Id =
            sql(text).bind::<Timestamptz, _>(before).get_result(&mut conn).await.map_err(failure)?;
        Ok(gone.id.unsigned_abs())
    }
}
