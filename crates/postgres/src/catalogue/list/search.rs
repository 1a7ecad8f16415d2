//! Searching for parts of words.
//!
//! An inverted index answers as a whole and in no order: all hundred thousand kimchis, for a page of twenty. So it is
//! asked for one range of ids after the other, the newest first (`search_ranges` in the migrations), until there are
//! enough: a frequent word is found in the first range, a rare one costs a handful of look-ups. It looks up triples of
//! characters; that they stand in the word's order is checked in the row. docs/performance.md has the plans.
//!
//! What it costs is to compare lists: all products that have the word, and all of a category. Each list is a condition of
//! its own: where one has nothing for a while, PostgreSQL skips that part of the others. In one condition, it would look
//! into all the others for each entry of the shortest. Where a category is small, whatever the words are, it is cheaper to
//! read its products ([`Search::read`]).

use diesel::sql_types::{BigInt, Nullable, Text};
use spicyjump_domain::{
    catalogue::{ProductFilter, ProductSort},
    ids::{CategoryId, UserId},
    paging::{MAX_TOTAL, Position},
};

use super::sort::order;
use crate::composed::Composed;

/// What conditions and orders look at.
macro_rules! columns {
    () => {
        "p.id, p.seller_id, p.category_id, p.name, p.price_minor, p.currency, p.status, p.document"
    };
}

/// The expression that the index is on.
macro_rules! indexed {
    () => {
        "search_terms(p.document, search_facets(p.id, p.seller_id, p.category_id, p.currency, p.price_minor))"
    };
}

/// Hits up to which all of them are rather sorted than looked for in the list's order.
const FEW: i64 = 200;

/// Rows that are looked at in the list's order before all hits are sorted instead.
const WALK: i64 = 5_000;

/// The same, where that many should be enough: for a page far down the list.
const MAX_WALK: i64 = 20_000;

/// Triples of a search that are looked up at most; more would hardly leave fewer rows, and each has to be planned for.
const MAX_LOOK_UPS: usize = 12;

/// What is searched for.
pub(super) struct Search<'a> {
    /// ` AND …` for each list of the index that a product must be in.
    lists: Composed<'a>,
    /// ` AND …`: the words stand there.
    words: Composed<'a>,
}

impl<'a> Search<'a> {
    /// The search of a filter, if there are words in it.
    pub(super) fn of(filter: &'a ProductFilter) -> Option<Self> {
        let text = filter.text.as_deref().unwrap_or_default();
        text.split_whitespace().next()?;
        let mut lists = Composed::default();
        if let Some(seller) = filter.seller_id.map(UserId::get) {
            lists = lists.text(concat!(" AND ", indexed!(), " @> (search_facets(0, "));
            lists = lists.value::<BigInt, _>(seller).text(", 0, '', 0))[3:3]");
        }
        if let Some(category) = filter.category_id.map(CategoryId::get) {
            lists = lists.text(concat!(" AND ", indexed!(), " @> (search_facets(0, 0, "));
            lists = lists.value::<BigInt, _>(category).text(", '', 0))[4:4]");
        }
        // The first of each word before the second of any: words that seldom meet are told apart by the first two lists.
        let nth_of_each =
            |nth| text.split_whitespace().filter_map(move |word| Some((word, looked_up(word).nth(nth)?)));
        for (word, place) in (0..MAX_LOOK_UPS).flat_map(nth_of_each).take(MAX_LOOK_UPS) {
            lists = lists.text(concat!(" AND ", indexed!(), " @> (search_terms(lower("));
            lists = lists
                .value::<Text, _>(word)
                .text("), '{}'))[")
                .number(place)
                .text(":")
                .number(place)
                .text("]");
        }
        if let Some(currency) = filter.currency
            && (filter.min_price_minor, filter.max_price_minor) != (None, None)
        {
            lists = lists
                .text(concat!(" AND ", indexed!(), " && search_prices("))
                .value::<Text, _>(currency.code())
                .text(", ")
                .value::<Nullable<BigInt>, _>(filter.min_price_minor)
                .text(", ")
                .value::<Nullable<BigInt>, _>(filter.max_price_minor)
                .text(")");
        }
        let mut words = Composed::default();
        for word in text.split_whitespace() {
            words = words.text(" AND strpos(p.document, lower(").value::<Text, _>(word).text(")) > 0");
        }
        Some(Self { lists, words })
    }

    /// All ids, for conditions that few rows meet: each of these is read, and nothing looked up. Behind a fence
    /// (`OFFSET 0`): the planner would expect to meet a page of hits soon in an index of all products in the list's
    /// order, where there may be none.
    pub(super) fn read(&self, conditions: &Composed<'a>) -> Composed<'a> {
        Composed::new(concat!("SELECT p.id FROM (SELECT ", columns!(), " FROM products p WHERE true"))
            .then(conditions)
            .text(" OFFSET 0) AS p WHERE true")
            .then(&self.words)
    }

    /// The newest `most` ids, all of them where there are fewer.
    pub(super) fn newest(&self, conditions: &Composed<'a>, position: &Position, most: i64) -> Composed<'a> {
        let from = match position {
            Position::Page(_) => Composed::new("(SELECT max(id) FROM products)"),
            Position::After(cursor) => Composed::default().value::<BigInt, _>(cursor.id),
        };
        Composed::new("SELECT hit.id FROM search_ranges(")
            .then(&from)
            .text(") AS ranges (facet) CROSS JOIN LATERAL (SELECT p.id FROM (")
            .then(&self.of_range())
            .text(") AS p WHERE true")
            .then(&self.words)
            .then(conditions)
            .text(order(ProductSort::Newest, None))
            .text(") AS hit LIMIT ")
            .value::<BigInt, _>(most)
    }

    /// At least the first `most` ids, in another order. Few hits are all found and sorted. Of many, the list in its order soon
    /// meets enough; where it does not, because they all stand at its end, they are sorted after all.
    pub(super) fn sorted(&self, conditions: &Composed<'a>, order: &'static str, most: i64) -> Composed<'a> {
        let found = self.newest(conditions, &Position::Page(1), FEW + 1);
        let list = Composed::new(concat!("SELECT ", columns!(), " FROM products p WHERE true"))
            .then(conditions)
            .text(order)
            .text(" LIMIT (SELECT walk FROM few)");
        Composed::new("WITH found AS MATERIALIZED (")
            .then(&found)
            .text("), few AS (SELECT yes, CASE WHEN yes THEN 0 WHEN needed <= ")
            .number(MAX_WALK)
            .text(" THEN greatest(needed, ")
            .number(WALK)
            .text(") ELSE ")
            .number(WALK)
            .text(" END AS walk FROM (SELECT count(*) <= ")
            .number(FEW)
            // Twice as many rows as it should take, where hits are as dense as the newest.
            .text(" AS yes, ((SELECT max(id) FROM products) - min(id)) / ")
            .number(FEW)
            .text(" * ")
            .number(2 * most.min(MAX_TOTAL))
            .text(" AS needed FROM found) AS hits), met AS MATERIALIZED (SELECT p.* FROM (")
            .then(&list)
            .text(") AS p WHERE true")
            .then(&self.words)
            .text(order)
            .text(" LIMIT ")
            .value::<BigInt, _>(most)
            .text("), enough AS (SELECT count(*) = ")
            .value::<BigInt, _>(most)
            .text(concat!(
                " AS yes FROM met) SELECT p.id FROM (SELECT ",
                columns!(),
                " FROM found JOIN products p ON p.id = found.id WHERE (SELECT yes FROM few) \
                 UNION ALL SELECT * FROM met WHERE (SELECT yes FROM enough) \
                 UNION ALL SELECT p.* FROM search_ranges((SELECT max(id) FROM products)) AS ranges (facet), LATERAL ("
            ))
            .then(&self.of_range())
            .text(") AS p WHERE NOT (SELECT yes FROM few) AND NOT (SELECT yes FROM enough)")
            .then(&self.words)
            .then(conditions)
            .text(") AS p")
            .text(order)
    }

    /// The rows of a range that are in all lists. Behind a fence (`OFFSET 0`): the planner cannot know how many rows they
    /// are, and would rather compute the terms of a hundred thousand rows that another index finds. Never of all ranges at
    /// once: where PostgreSQL has not the memory to remember each hit (`work_mem`), it computes the terms of whole pages.
    fn of_range(&self) -> Composed<'a> {
        Composed::new(concat!(
            "SELECT ",
            columns!(),
            " FROM products p WHERE ",
            indexed!(),
            " @> ARRAY[ranges.facet]"
        ))
        .then(&self.lists)
        .text(" OFFSET 0")
    }
}

/// Where in `search_terms` those stand by which a word is looked up: its triples, first those that do not overlap; of a
/// shorter word the pair or the character that it is.
fn looked_up(word: &str) -> impl Iterator<Item = i64> {
    let last = word.chars().count().saturating_sub(2).max(1);
    (1..=3).flat_map(move |first| (first..=last).step_by(3)).filter_map(|place| i64::try_from(place).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_looked_up_by_its_triples() {
        for (word, places) in [
            ("김", vec![1]),
            ("김치", vec![1]),
            ("imc", vec![1]),
            ("imch", vec![1, 2]),
            ("kimchi", vec![1, 4, 2, 3]),
            ("handmade", vec![1, 4, 2, 5, 3, 6]),
            ("traditional", vec![1, 4, 7, 2, 5, 8, 3, 6, 9]),
        ] {
            assert_eq!(looked_up(word).collect::<Vec<_>>(), places, "{word}");
        }
    }
}
