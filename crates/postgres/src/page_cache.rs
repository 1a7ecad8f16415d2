//! Which products are on a page of a list, and how long the list is, in memory for as long as the contract allows lists
//! to be behind.
//!
//! The products themselves come from the product cache, so that their stock is as fresh as anywhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use moka::sync::Cache;
use spicyjump_domain::{
    catalogue::{ProductFilter, ProductSort},
    paging::PageRequest,
};

use crate::{catalogue::Listed, product_cache::FRESH};

/// Memory for pages, in bytes, roughly.
const MAX_WEIGHT: u64 = 2 * 1024 * 1024;

/// Lists whose lengths are in memory.
const MAX_TOTALS: u64 = 1_000;

/// What a page without products and words takes.
const EMPTY_WEIGHT: usize = 400;

/// Which page of which list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    pub(crate) filter: ProductFilter,
    pub(crate) sort: ProductSort,
    pub(crate) page: PageRequest,
}

/// Sales change what is in stock, and do not say so here.
fn can_be_kept(filter: &ProductFilter) -> bool {
    filter.in_stock.is_none()
}

#[derive(Clone)]
struct Kept {
    listed: Arc<Listed>,
    reading: Reading,
}

/// A read that has begun: when, and after how many changes.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    at: Instant,
    change: u64,
}

/// The pages of one database.
pub(crate) struct PageCache {
    pages: Cache<PageKey, Kept>,
    totals: Cache<ProductFilter, (i64, Reading)>,
    changes: AtomicU64,
}

impl PageCache {
    pub(crate) fn new() -> Self {
        let weigh = |key: &PageKey, kept: &Kept| {
            let text = key.filter.text.as_ref().map_or(0, String::len);
            u32::try_from(EMPTY_WEIGHT + text + 8 * kept.listed.ids.len()).unwrap_or(u32::MAX)
        };
        let pages = Cache::builder().max_capacity(MAX_WEIGHT).weigher(weigh).time_to_live(FRESH).build();
        let totals = Cache::builder().max_capacity(MAX_TOTALS).time_to_live(FRESH).build();
        Self { pages, totals, changes: AtomicU64::new(0) }
    }

    /// The page, if it is known what is on it.
    pub(crate) fn get(&self, key: &PageKey) -> Option<Arc<Listed>> {
        let Kept { listed, reading } = self.pages.get(key).filter(|_| can_be_kept(&key.filter))?;
        self.holds(reading).then_some(listed)
    }

    /// How long the list is, if that is known, and since when.
    pub(crate) fn total(&self, filter: &ProductFilter) -> Option<(i64, Reading)> {
        self.totals.get(filter).filter(|(_, reading)| self.holds(*reading))
    }

    fn holds(&self, reading: Reading) -> bool {
        reading.at.elapsed() < FRESH && reading.change == self.changes.load(Ordering::Acquire)
    }

    /// To be taken before a page is read from the database.
    pub(crate) fn before_read(&self) -> Reading {
        Reading { at: Instant::now(), change: self.changes.load(Ordering::Acquire) }
    }

    /// Keeps a page that was read; it counts for nothing once a product was changed since the read began.
    pub(crate) fn keep(&self, key: PageKey, listed: &Arc<Listed>, reading: Reading) {
        if can_be_kept(&key.filter) {
            self.pages.insert(key, Kept { listed: Arc::clone(listed), reading });
        }
    }

    /// The same for the length of a list, where it was counted.
    pub(crate) fn keep_total(&self, filter: &ProductFilter, total: Option<i64>, reading: Reading) {
        if let Some(total) = total.filter(|_| can_be_kept(filter)) {
            self.totals.insert(filter.clone(), (total, reading));
        }
    }

    /// To be called once a change of what sellers say about any product is committed, or may have been.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use spicyjump_domain::paging::Position;

    use super::*;

    fn key(in_stock: Option<bool>) -> PageKey {
        PageKey {
            filter: ProductFilter { in_stock, ..ProductFilter::default() },
            sort: ProductSort::Newest,
            page: PageRequest { limit: 20, position: Position::Page(1) },
        }
    }

    fn listed() -> Arc<Listed> {
        Arc::new(Listed { ids: vec![], more: false, total: Some(0) })
    }

    #[test]
    fn a_page_holds_until_a_product_changes() {
        let cache = PageCache::new();
        cache.keep(key(None), &listed(), cache.before_read());
        assert!(cache.get(&key(None)).is_some());
        cache.changed();
        assert!(cache.get(&key(None)).is_none());
    }

    #[test]
    fn so_does_the_length_of_a_list_that_sales_do_not_change() {
        let cache = PageCache::new();
        for (in_stock, kept) in [(None, Some(7)), (Some(true), None)] {
            let filter = ProductFilter { in_stock, ..ProductFilter::default() };
            cache.keep_total(&filter, Some(7), cache.before_read());
            assert_eq!(cache.total(&filter).map(|(total, _)| total), kept);
            cache.changed();
            assert!(cache.total(&filter).is_none());
        }
    }

    #[test]
    fn what_was_read_before_a_change_is_not_served_after_it() {
        let cache = PageCache::new();
        let reading = cache.before_read();
        cache.changed();
        cache.keep(key(None), &listed(), reading);
        assert!(cache.get(&key(None)).is_none());
    }

    #[test]
    fn nothing_is_served_for_longer_than_lists_may_be_behind() {
        let cache = PageCache::new();
        let Reading { at, change } = cache.before_read();
        cache.keep(key(None), &listed(), Reading { at: at.checked_sub(FRESH).unwrap(), change });
        assert!(cache.get(&key(None)).is_none());
    }

    #[test]
    fn lists_of_what_is_in_stock_are_asked_for_each_time() {
        let cache = PageCache::new();
        cache.keep(key(Some(true)), &listed(), cache.before_read());
        assert!(cache.get(&key(Some(true))).is_none());
    }
}
