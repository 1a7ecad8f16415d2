//! Pages of a list: by number, or from a position on.

use serde::{Deserialize, Serialize};

use crate::money::Currency;

/// Where the last row of a page stood in the order of its list; the next page starts behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// The row's id: breaks every tie.
    #[serde(rename = "i")]
    pub id: i64,
    /// The row's price, in lists that are sorted by it.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub price: Option<(Currency, i64)>,
    /// The row's name, in lists that are sorted by it.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Position {
    /// The n-th, from 1; comes with a total.
    Page(u32),
    /// What follows the cursor; costs the same at any depth and comes without a total.
    After(Cursor),
}

/// How much of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest {
    /// Rows, 1 to 100.
    pub limit: u32,
    /// Which.
    pub position: Position,
}

/// Totals are counted exactly up to here and not beyond: a list must not scan everything to say how long it is
/// (docs/adr/0005-totals.md).
pub const MAX_TOTAL: i64 = 10_000;

/// The same for lists that are searched by words, where each row has to be looked at.
pub const MAX_SEARCH_TOTAL: i64 = 1_000;

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Rows in the whole list, at most [`MAX_TOTAL`]; only for pages by number.
    pub total: Option<i64>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}
