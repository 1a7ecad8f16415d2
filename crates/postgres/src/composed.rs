//! Statements put together from pieces.
//!
//! Never kept prepared: their number has no bound, and a plan made for the values at hand is what they need.

use std::sync::Arc;

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{HasSqlType, Untyped},
};

use crate::sql::{Bind, Typed};

/// A piece of SQL with its parameters, in the order in which they stand.
#[derive(Clone, Default)]
pub(crate) struct Composed<'a> {
    pieces: Vec<Piece<'a>>,
}

#[derive(Clone)]
enum Piece<'a> {
    Text(&'static str),
    Word(&'static str),
    Number(i64),
    Value(Arc<dyn Bind + Send + Sync + 'a>),
}

impl<'a> Composed<'a> {
    /// Starts with a text.
    pub(crate) fn new(text: &'static str) -> Self {
        Self::default().text(text)
    }

    /// Adds a text.
    pub(crate) fn text(mut self, text: &'static str) -> Self {
        self.pieces.push(Piece::Text(text));
        self
    }

    /// Adds a text of ours between quotes.
    pub(crate) fn word(mut self, word: &'static str) -> Self {
        self.pieces.push(Piece::Word(word));
        self
    }

    /// Adds a number, written out: a statement without parameters is planned for just what it says.
    pub(crate) fn number(mut self, number: i64) -> Self {
        self.pieces.push(Piece::Number(number));
        self
    }

    /// Adds a parameter.
    pub(crate) fn value<ST, V>(mut self, value: V) -> Self
    where
        ST: Send + Sync + 'static,
        Pg: HasSqlType<ST>,
        V: ToSql<ST, Pg> + Send + Sync + 'a,
    {
        self.pieces.push(Piece::Value(Arc::new(Typed::<ST, V>::new(value))));
        self
    }

    /// Whether it has parameters, so that a plan that is kept would not know them.
    pub(crate) fn has_parameters(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Value(_)))
    }

    /// Adds another piece.
    pub(crate) fn then(mut self, other: &Self) -> Self {
        self.pieces.extend(other.pieces.iter().cloned());
        self
    }
}

impl QueryFragment<Pg> for Composed<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_sql(text),
                Piece::Word(word) => out.push_sql(&format!("'{word}'")),
                Piece::Number(number) => out.push_sql(&number.to_string()),
                Piece::Value(value) => value.push(&mut out)?,
            }
        }
        Ok(())
    }
}

impl QueryId for Composed<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Composed<'_> {
    type SqlType = Untyped;
}
