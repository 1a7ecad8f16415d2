//! The audit: each rule is one query over the whole of the books, all of them over one snapshot.
//!
//! The rules are the files of `sql/audit`; each selects the subject and the detail of what breaks it.

use async_trait::async_trait;
use diesel::{
    QueryResult, QueryableByName,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use spicyjump_domain::{
    audit::{Audit, Discrepancy},
    failure::StoreFailure,
};

use crate::{
    composed::Composed,
    pool::{Database, failure},
    sql::sql,
};

/// Discrepancies of one rule that are named; the others are counted.
const NAMED: i64 = 1_000;

macro_rules! rules {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("sql/audit/", $name, ".sql")))),+]
    };
}

/// Every rule and its query.
const RULES: [(&str, &str); 15] = rules![
    "stock_balance",
    "stock_opening",
    "stock_sold_out",
    "order_stock",
    "order_total",
    "order_status",
    "order_settlement",
    "order_money",
    "order_history",
    "order_keys",
    "order_agenda",
    "payment_owner",
    "payment_refunds",
    "ledger",
    "currency",
];

/// Checks the books.
#[derive(Clone)]
pub struct PgAudit {
    database: Database,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Text)]
    detail: String,
    #[diesel(sql_type = BigInt)]
    found: i64,
}

impl PgAudit {
    /// The books in `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl Audit for PgAudit {
    async fn run(&self) -> Result<Vec<Discrepancy>, StoreFailure> {
        let mut conn = self.database.get().await?;
        let mut snapshot = conn.build_transaction().repeatable_read().read_only();
        snapshot.run(async |conn| check(conn).await).await.map_err(failure)
    }
}

async fn check(conn: &mut AsyncPgConnection) -> QueryResult<Vec<Discrepancy>> {
    // These last as long as the transaction. The rules join whole tables whose keys are in order on disk: merging them
    // is twice as fast as hashing millions of groups, and joins need room to stay in memory.
    for setting in [
        "SET LOCAL statement_timeout = 0",
        "SET LOCAL work_mem = '128MB'",
        "SET LOCAL enable_seqscan = on",
        "SET LOCAL plan_cache_mode = force_custom_plan",
        "SET LOCAL enable_hashagg = off",
    ] {
        sql(setting).execute(conn).await?;
    }
    let mut discrepancies = vec![];
    for (rule, text) in RULES {
        // Materialized: planned for all of its rows, not for the first few.
        let query = Composed::new("WITH broken AS MATERIALIZED (")
            .text(text)
            .text(") SELECT subject, detail, (SELECT count(*) FROM broken) AS found FROM broken LIMIT ")
            .value::<BigInt, _>(NAMED);
        let rows: Vec<Row> = query.load(conn).await?;
        let more = rows.as_slice().first().map_or(0, |row| row.found.saturating_sub(NAMED));
        let named = rows.into_iter().map(|Row { subject, detail, .. }| Discrepancy { rule, subject, detail });
        discrepancies.extend(named);
        if more > 0 {
            let detail = "of the same rule, not named one by one".into();
            discrepancies.push(Discrepancy { rule, subject: format!("{more} more"), detail });
        }
    }
    Ok(discrepancies)
}
