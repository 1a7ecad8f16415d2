//! Statements written in SQL, prepared once per connection.
//!
//! `diesel::sql_query` is prepared anew on every call; this is the same thing, cached under its text.

use std::io::Write as _;

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    serialize::{self, IsNull, Output, ToSql},
    sql_types::{HasSqlType, Jsonb, Untyped},
};

/// A statement whose parameters `$1`, `$2`, … each stand in its text once and in order.
pub(crate) struct Sql<'a> {
    text: &'static str,
    binds: Vec<Box<dyn Bind + Send + Sync + 'a>>,
}

/// A statement without parameters yet.
pub(crate) fn sql<'a>(text: &'static str) -> Sql<'a> {
    Sql { text, binds: vec![] }
}

impl<'a> Sql<'a> {
    /// The next parameter.
    pub(crate) fn bind<ST, V>(mut self, value: V) -> Self
    where
        ST: Send + Sync + 'static,
        Pg: HasSqlType<ST>,
        V: ToSql<ST, Pg> + Send + Sync + 'a,
    {
        self.binds.push(Box::new(Typed::<ST, V>::new(value)));
        self
    }
}

pub(crate) trait Bind {
    fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()>;
}

/// A value with its SQL type.
pub(crate) struct Typed<ST, V> {
    value: V,
    sql_type: std::marker::PhantomData<ST>,
}

impl<ST, V> Typed<ST, V> {
    pub(crate) fn new(value: V) -> Self {
        Self { value, sql_type: std::marker::PhantomData }
    }
}

impl<ST, V> Bind for Typed<ST, V>
where
    Pg: HasSqlType<ST>,
    V: ToSql<ST, Pg>,
{
    fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<ST, V>(&self.value)
    }
}

impl QueryFragment<Pg> for Sql<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut rest = self.text;
        for (index, bind) in self.binds.iter().enumerate() {
            let placeholder = format!("${}", index + 1);
            let (before, after) = rest.split_once(&placeholder).ok_or_else(|| {
                diesel::result::Error::QueryBuilderError(
                    format!("{placeholder} is missing or out of order").into(),
                )
            })?;
            out.push_sql(before);
            bind.push(&mut out)?;
            rest = after;
        }
        out.push_sql(rest);
        Ok(())
    }
}

impl QueryId for Sql<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Sql<'_> {
    type SqlType = Untyped;
}

/// A document that is written as it will be sent, without a tree of values in between.
#[derive(Debug)]
pub(crate) struct JsonText(String);

impl JsonText {
    /// # Errors
    /// When it cannot be written as JSON: a defect.
    pub(crate) fn of(document: &impl serde::Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_string(document).map(Self)
    }
}

impl ToSql<Jsonb, Pg> for JsonText {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&[1])?; // The version of the format, the only one there is.
        out.write_all(self.0.as_bytes())?;
        Ok(IsNull::No)
    }
}
