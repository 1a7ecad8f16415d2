//! Orders after they were placed: every change is one statement, guarded by the version that it was decided on.

use async_trait::async_trait;
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;
use serde::Deserialize;
use serde_json::{Value, json};
use spicyjump_domain::{
    failure::StoreFailure,
    ids::{OrderId, PaymentId, RefundId, UserId},
    order::{Order, OrderStatus, PaymentStatus},
    orders::{BookOf, OrderFilter, OrderNews, OrderStore, SaveOrderError},
    paging::{Cursor, MAX_TOTAL, Page, PageRequest, Position},
    payment::{EventRecord, OrderBook, OrderChange},
    settlement::Fresh,
};
use time::OffsetDateTime;

use crate::{
    pool::{Database, failure, violated},
    rows::{
        DisputeRow, Document, HistoryRow, LedgerRow, LineRow, MovementRow, OrderRow, PaymentRow, RefundRow,
        book_of, order_of, unexpected,
    },
    sql::{Sql, sql},
};

/// Keeps orders.
#[derive(Clone)]
pub struct PgOrders {
    database: Database,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

impl PgOrders {
    /// Orders in `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
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

    async fn document(&self, query: Sql<'_>) -> Result<Value, StoreFailure> {
        let mut conn = self.database.get().await?;
        let row: Document = query.get_result(&mut conn).await.map_err(failure)?;
        Ok(row.doc)
    }

    async fn order_ids(&self, query: Sql<'_>) -> Result<Vec<OrderId>, StoreFailure> {
        let mut conn = self.database.get().await?;
        let rows: Vec<Id> = query.load(&mut conn).await.map_err(failure)?;
        Ok(rows.into_iter().filter_map(|row| OrderId::new(row.id)).collect())
    }
}

/// A change as the document that `sql/save_order.sql` takes.
fn document(change: &OrderChange) -> Result<Value, serde_json::Error> {
    let (order, effects) = (&change.book.order, &change.effects);
    let mut row = OrderRow::from(order);
    row.due_at = change.due_at;
    let event = |event: &EventRecord| {
        Ok(json!({
            "id": event.id, "kind": event.kind, "payload": event.payload,
            "received_at": event.received_at.format(&time::format_description::well_known::Rfc3339)
                .map_err(serde::ser::Error::custom)?,
        }))
    };
    Ok(json!({
        "decided_on": change.decided_on,
        "order": row,
        "lines": order.lines.iter().map(|line| LineRow::new(order.id, line)).collect::<Vec<_>>(),
        "payments": change.book.payments.iter().map(PaymentRow::from).collect::<Vec<_>>(),
        "refunds": change.book.refunds.iter().map(RefundRow::from).collect::<Vec<_>>(),
        "disputes": change.book.disputes.iter().map(DisputeRow::from).collect::<Vec<_>>(),
        "history": effects.history.iter().map(|entry| HistoryRow::new(order.id, entry)).collect::<Vec<_>>(),
        "stock": effects.stock.iter().map(|movement| MovementRow::new(order, movement)).collect::<Vec<_>>(),
        "ledger": effects.ledger.iter().map(|entry| LedgerRow::new(order.id, entry)).collect::<Vec<_>>(),
        "mails": effects.mails,
        "events": change.event.iter().map(event).collect::<Result<Vec<_>, serde_json::Error>>()?,
    }))
}

#[async_trait]
impl OrderStore for PgOrders {
    async fn load(&self, which: BookOf<'_>) -> Result<Option<OrderBook>, StoreFailure> {
        let (by, order, payment, intent) = match which {
            BookOf::Order(id) => ("order", id.get(), 0, ""),
            BookOf::Payment(id) => ("payment", 0, id.get(), ""),
            BookOf::Intent(id) => ("intent", 0, 0, id),
        };
        let query = sql(include_str!("sql/load_book.sql"))
            .bind::<Text, _>(by)
            .bind::<BigInt, _>(order)
            .bind::<BigInt, _>(payment)
            .bind::<Text, _>(intent);
        let mut conn = self.database.get().await?;
        let rows: Vec<Document> = query.load(&mut conn).await.map_err(failure)?;
        drop(conn);
        rows.into_iter().next().map(|row| book_of(row.doc)).transpose()
    }

    async fn save(&self, change: &OrderChange) -> Result<(), SaveOrderError> {
        let doc = document(change).map_err(unexpected)?;
        let mut conn = self.database.get().await?;
        let saved = sql(include_str!("sql/save_order.sql")).bind::<Jsonb, _>(doc).get_result(&mut conn).await;
        self.database.products().changed(change.effects.stock.iter().map(|movement| movement.product_id));
        match saved {
            Ok(Document { doc }) if doc["saved"] == Value::Bool(true) => Ok(()),
            Ok(_) => Err(SaveOrderError::Stale),
            Err(error) => Err(match violated(&error) {
                Some("stock_never_negative") => SaveOrderError::OutOfStock,
                Some("provider_events_pkey") => SaveOrderError::KnownEvent,
                // Another order took the intent in at the same moment: look again.
                Some("payments_intent_key" | "refunds_provider_key") => SaveOrderError::Stale,
                _ => SaveOrderError::Store(failure(error)),
            }),
        }
    }

    async fn fresh_ids(&self) -> Result<Fresh, StoreFailure> {
        #[derive(Deserialize)]
        struct Ids {
            payment: PaymentId,
            refund: RefundId,
        }
        let text = "SELECT jsonb_build_object('payment', nextval(pg_get_serial_sequence('payments', 'id')), \
                    'refund', nextval(pg_get_serial_sequence('refunds', 'id'))) AS doc";
        let Ids { payment, refund } =
            serde_json::from_value(self.document(sql(text)).await?).map_err(unexpected)?;
        Ok(Fresh { payment, refund })
    }

    async fn record_event(&self, event: &EventRecord) -> Result<bool, StoreFailure> {
        let text = "INSERT INTO provider_events (id, kind, payload, received_at) VALUES ($1, $2, $3, $4) \
                    ON CONFLICT (id) DO NOTHING";
        let query = sql(text)
            .bind::<Text, _>(&event.id)
            .bind::<Text, _>(&event.kind)
            .bind::<Text, _>(&event.payload)
            .bind::<Timestamptz, _>(event.received_at);
        let mut conn = self.database.get().await?;
        Ok(query.execute(&mut conn).await.map_err(failure)? == 1)
    }

    async fn event_payload(&self, id: &str) -> Result<Option<String>, StoreFailure> {
        let query =
            sql("SELECT to_jsonb(payload) AS doc FROM provider_events WHERE id = $1").bind::<Text, _>(id);
        let mut conn = self.database.get().await?;
        let rows: Vec<Document> = query.load(&mut conn).await.map_err(failure)?;
        Ok(rows.into_iter().next().and_then(|row| row.doc.as_str().map(str::to_owned)))
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
        #[derive(Deserialize)]
        struct Listed {
            total: Option<i64>,
            orders: Vec<Value>,
        }
        let (offset, after, counts) = match &page.position {
            Position::Page(number) => (i64::from(number - 1) * i64::from(page.limit), None, true),
            Position::After(cursor) => (0, Some(cursor.id), false),
        };
        // One row more than asked tells whether there is a next page.
        let query = sql(include_str!("sql/list_orders.sql"))
            .bind::<Nullable<BigInt>, _>(filter.buyer_id.map(UserId::get))
            .bind::<Nullable<BigInt>, _>(filter.seller_id.map(UserId::get))
            .bind::<Nullable<Text>, _>(filter.status.map(OrderStatus::code))
            .bind::<Nullable<BigInt>, _>(after)
            .bind::<BigInt, _>(offset)
            .bind::<BigInt, _>(i64::from(page.limit) + 1)
            .bind::<Bool, _>(counts)
            .bind::<BigInt, _>(MAX_TOTAL);
        let mut listed: Listed = serde_json::from_value(self.document(query).await?).map_err(unexpected)?;
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let more = listed.orders.len() > limit;
        listed.orders.truncate(limit);
        let items = listed.orders.into_iter().map(order_of).collect::<Result<Vec<_>, _>>()?;
        let next =
            items.last().filter(|_| more).map(|order| Cursor { id: order.id.get(), price: None, name: None });
        Ok(Page { items, total: listed.total, next })
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
