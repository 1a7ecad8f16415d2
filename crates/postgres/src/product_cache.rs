//! Products in memory: what this process changes is seen at once, what others change within a second.
//!
//! An entry is served for [`FRESH`] after it was known to be true. A task asks about all entries that were read since
//! it last asked, in one query, so that products in demand stay in memory and cost the database next to nothing; the
//! others run out by themselves. See `docs/adr/0007-polling-not-notify.md`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt},
};
use diesel_async::RunQueryDsl;
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
    /// Whether it was read since entries were last asked about.
    wanted: AtomicBool,
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
        entry.wanted.store(true, Ordering::Relaxed);
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
            wanted: AtomicBool::new(true),
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

    fn take_wanted(&self) -> Vec<(i64, Arc<Entry>)> {
        let wanted = self.entries.iter().filter(|(_, entry)| entry.wanted.swap(false, Ordering::Relaxed));
        wanted.map(|(id, entry)| (*id, entry)).collect()
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
        for chunk in database.products().take_wanted().chunks(CHUNK) {
            if let Err(failure) = renew_chunk(&database, chunk).await {
                tracing::debug!(error = failure.to_string(), "products in memory could not be renewed");
                break;
            }
        }
    }
}

async fn renew_chunk(database: &Database, entries: &[(i64, Arc<Entry>)]) -> Result<(), StoreFailure> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = BigInt)]
        version: i64,
        #[diesel(sql_type = BigInt)]
        available: i64,
    }
    let (cache, at) = (database.products(), database.products().now());
    let text = "SELECT p.id, p.version, s.available FROM products p JOIN stock s ON s.product_id = p.id \
                WHERE p.id = ANY($1)";
    let ids: Vec<i64> = entries.iter().map(|(id, _)| *id).collect();
    let mut conn = database.get().await?;
    let rows: Vec<Row> = sql(text).bind::<Array<BigInt>, _>(ids).load(&mut conn).await.map_err(failure)?;
    drop(conn);
    let rows: std::collections::HashMap<i64, Row> = rows.into_iter().map(|row| (row.id, row)).collect();
    for (id, entry) in entries {
        let known = &entry.product;
        let holds = rows
            .get(id)
            .is_some_and(|row| (row.version, row.available) == (known.version, known.stock_quantity));
        if holds {
            entry.true_at.fetch_max(at, Ordering::Relaxed);
        } else {
            cache.entries.invalidate(id);
        }
    }
    Ok(())
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
    fn nothing_is_served_that_was_not_known_to_be_true_lately() {
        let (cache, one) = (ProductCache::new(), product(5));
        cache.keep(&one, &cache.before_read(one.id));
        let late =
            Arc::new(Entry { product: one, true_at: AtomicU64::new(0), wanted: AtomicBool::new(true) });
        let aged = ProductCache { started: Instant::now().checked_sub(FRESH * 2).unwrap(), ..cache };
        aged.entries.insert(1, late);
        assert_eq!(aged.get(ProductId::new(1).unwrap()), None);
    }
}
