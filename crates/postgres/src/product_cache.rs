//! Products in memory: what this process changes is seen at once, what others change within a second.
//!
//! An entry is served for [`FRESH`] after it was known to be true. A task asks about all entries that were read lately,
//! thousands at once, so that products in demand stay in memory and cost the database next to nothing; the others run out by
//! themselves. See `docs/adr/0007-polling-not-notify.md`.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::{
    QueryResult, QueryableByName,
    sql_types::{Array, BigInt, Nullable},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::try_join;
use moka::sync::Cache;
use spicyjump_domain::{catalogue::Product, failure::StoreFailure, ids::ProductId};

use crate::{
    pool::{Database, failure},
    sql::sql,
};

/// How long an entry is served after it was known to be true; the contract's second, less what a reader may take.
pub(crate) const FRESH: Duration = Duration::from_millis(900);

/// How often entries in demand are asked about.
const RENEW_EVERY: Duration = Duration::from_millis(500);

/// How often an entry is asked about after it was last read: for ten seconds. To ask costs a small part of what it costs to
/// read it anew; and where a busy server let go of what nobody read for a moment, it had the more to read.
const ROUNDS: u8 = 20;

/// Entries asked about in one query.
const CHUNK: usize = 5_000;

/// Memory for products, in bytes, roughly.
const MAX_WEIGHT: u64 = 24 * 1024 * 1024;

/// Counters of changes; products share them by their id.
const STRIPES: usize = 1024;

struct Entry {
    product: Arc<Product>,
    /// When it was last known to be true, in milliseconds since the cache was made.
    true_at: AtomicU64,
    /// How often it will be asked about, if nobody reads it.
    rounds: AtomicU8,
}

/// The cache of one database.
pub(crate) struct ProductCache {
    entries: Cache<i64, Arc<Entry>>,
    changes: Vec<AtomicU64>,
    started: Instant,
}

impl ProductCache {
    pub(crate) fn new() -> Self {
        let weigh = |_: &i64, entry: &Arc<Entry>| {
            let details = &entry.product.details;
            let texts = [&details.name_en, &details.description, &details.description_en];
            let texts: usize = texts.into_iter().flatten().map(String::len).sum();
            let images: usize = details.images.iter().map(|url| url.len() + 24).sum();
            u32::try_from(500 + details.name.len() + texts + images).unwrap_or(u32::MAX)
        };
        Self {
            entries: Cache::builder().max_capacity(MAX_WEIGHT).weigher(weigh).build(),
            changes: (0..STRIPES).map(|_| AtomicU64::new(0)).collect(),
            started: Instant::now(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn stripe(&self, id: i64) -> &AtomicU64 {
        let index = usize::try_from(id.unsigned_abs() % STRIPES as u64).unwrap_or_default();
        &self.changes[index]
    }

    /// The product, if it is known how it stands.
    pub(crate) fn get(&self, id: ProductId) -> Option<Arc<Product>> {
        let entry = self.entries.get(&id.get())?;
        let age = self.now().saturating_sub(AtomicU64::load(&entry.true_at, Ordering::Relaxed));
        if u128::from(age) > FRESH.as_millis() {
            return None;
        }
        // Mostly read, so that processors need not hand it to each other.
        if AtomicU8::load(&entry.rounds, Ordering::Relaxed) != ROUNDS {
            entry.rounds.store(ROUNDS, Ordering::Relaxed);
        }
        Some(Arc::clone(&entry.product))
    }

    /// To be taken before a product is read from the database: says whether it changed while it was read.
    pub(crate) fn before_read(&self, id: ProductId) -> Reading {
        let change = AtomicU64::load(self.stripe(id.get()), Ordering::Acquire);
        Reading { change, at: self.now() }
    }

    /// Keeps a product that was read, unless this process changed it meanwhile.
    pub(crate) fn keep(&self, product: &Arc<Product>, reading: &Reading) {
        let id = product.id.get();
        let unchanged = || AtomicU64::load(self.stripe(id), Ordering::Acquire) == reading.change;
        if !unchanged() {
            return;
        }
        let entry = Entry {
            product: Arc::clone(product),
            true_at: AtomicU64::new(reading.at),
            rounds: AtomicU8::new(ROUNDS),
        };
        self.entries.insert(id, Arc::new(entry));
        // A change between the look and the insert has found nothing to forget.
        if !unchanged() {
            self.entries.invalidate(&id);
        }
    }

    /// To be called once a change of these products is committed, or may have been.
    pub(crate) fn changed(&self, ids: impl IntoIterator<Item = ProductId>) {
        for id in ids {
            self.stripe(id.get()).fetch_add(1, Ordering::AcqRel);
            self.entries.invalidate(&id.get());
        }
    }

    /// The entries to ask about, once less from now on.
    fn in_demand(&self) -> Vec<(i64, Arc<Entry>)> {
        let less = |rounds: u8| rounds.checked_sub(1);
        let demanded =
            |entry: &Entry| entry.rounds.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        self.entries.iter().filter(|(_, entry)| demanded(entry)).map(|(id, entry)| (*id, entry)).collect()
    }
}

/// A read that has begun.
pub(crate) struct Reading {
    change: u64,
    at: u64,
}

/// Keeps entries in demand true until the database is no longer used.
pub(crate) async fn renew(database: impl Fn() -> Option<Database> + Send) {
    let mut every = tokio::time::interval(RENEW_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let Some(database) = database() else { return };
        for chunk in database.products().in_demand().chunks(CHUNK) {
            if let Err(failure) = renew_chunk(&database, chunk).await {
                tracing::debug!(error = failure.to_string(), "products in memory could not be renewed");
                break;
            }
        }
    }
}

async fn renew_chunk(database: &Database, entries: &[(i64, Arc<Entry>)]) -> Result<(), StoreFailure> {
    let ids: Vec<i64> = entries.iter().map(|(id, _)| *id).collect();
    let conn = database.get().await?;
    let (cache, at) = (database.products(), database.products().now());
    // Each by an index in its own order: half as long as to look up one with the other.
    let versions = numbers(
        &conn,
        "SELECT array_agg(id) AS ids, array_agg(version) AS numbers FROM products WHERE id = ANY($1)",
        &ids,
    );
    let stock = "SELECT array_agg(product_id) AS ids, array_agg(available) AS numbers FROM stock WHERE product_id = ANY($1)";
    let (versions, stock) = try_join!(versions, numbers(&conn, stock, &ids)).map_err(failure)?;
    drop(conn);
    for (id, entry) in entries {
        let known = &entry.product;
        if (versions.get(id), stock.get(id)) == (Some(&known.version), Some(&known.stock_quantity)) {
            entry.true_at.fetch_max(at, Ordering::Relaxed);
        } else {
            cache.entries.invalidate(id);
        }
    }
    Ok(())
}

/// A number of each of these products.
async fn numbers(
    conn: &AsyncPgConnection,
    text: &'static str,
    ids: &[i64],
) -> QueryResult<HashMap<i64, i64>> {
    #[derive(QueryableByName)]
    struct Columns {
        #[diesel(sql_type = Nullable<Array<BigInt>>)]
        ids: Option<Vec<i64>>,
        #[diesel(sql_type = Nullable<Array<BigInt>>)]
        numbers: Option<Vec<i64>>,
    }
    let Columns { ids, numbers } = sql(text).bind::<Array<BigInt>, _>(ids).get_result(&mut &*conn).await?;
    Ok(ids.unwrap_or_default().into_iter().zip(numbers.unwrap_or_default()).collect())
}

#[cfg(test)]
mod tests {
    use spicyjump_domain::{
        catalogue::{ProductDetails, ProductStatus},
        ids::UserId,
        money::{Currency, Money},
    };
    use time::OffsetDateTime;

    use super::*;

    fn product(stock_quantity: i64) -> Arc<Product> {
        let at = OffsetDateTime::UNIX_EPOCH;
        Arc::new(Product {
            id: ProductId::new(1).unwrap(),
            seller_id: UserId::new(1).unwrap(),
            details: ProductDetails {
                category_id: None,
                name: "Kimchi".into(),
                name_en: None,
                description: None,
                description_en: None,
                price: Money::new(100, Currency::Usd).unwrap(),
                status: ProductStatus::Published,
                images: vec![],
            },
            stock_quantity,
            version: 1,
            created_at: at,
            updated_at: at,
        })
    }

    #[test]
    fn a_change_is_forgotten_at_once() {
        let (cache, one) = (ProductCache::new(), product(5));
        cache.keep(&one, &cache.before_read(one.id));
        assert_eq!(cache.get(one.id), Some(Arc::clone(&one)));
        cache.changed([one.id]);
        assert_eq!(cache.get(one.id), None);
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let (cache, old) = (ProductCache::new(), product(5));
        let reading = cache.before_read(old.id);
        cache.changed([old.id]);
        cache.keep(&old, &reading);
        assert_eq!(cache.get(old.id), None);
    }

    #[test]
    fn what_nobody_reads_is_asked_about_for_a_while_and_again_once_somebody_does() {
        let (cache, one) = (ProductCache::new(), product(5));
        cache.keep(&one, &cache.before_read(one.id));
        for round in 0..ROUNDS {
            assert_eq!(cache.in_demand().len(), 1, "round {round}");
        }
        assert!(cache.in_demand().is_empty());
        assert!(cache.get(one.id).is_some());
        assert_eq!(cache.in_demand().len(), 1);
    }

    #[test]
    fn nothing_is_served_that_was_not_known_to_be_true_lately() {
        let (cache, one) = (ProductCache::new(), product(5));
        cache.keep(&one, &cache.before_read(one.id));
        let late =
            Arc::new(Entry { product: one, true_at: AtomicU64::new(0), rounds: AtomicU8::new(ROUNDS) });
        let aged = ProductCache { started: Instant::now().checked_sub(FRESH * 2).unwrap(), ..cache };
        aged.entries.insert(1, late);
        assert_eq!(aged.get(ProductId::new(1).unwrap()), None);
    }
}
