//! The category tree.

use diesel::{
    QueryResult, QueryableByName,
    result::Error,
    sql_types::{BigInt, Bool, Jsonb, Nullable, Text},
};
use diesel_async::RunQueryDsl;
use serde::Deserialize;
use serde_json::Value;
use spicyjump_domain::{
    catalogue::{Category, CategoryDetails, CategoryError},
    failure::StoreFailure,
    ids::CategoryId,
};

use crate::{
    pool::{Database, failure, violated},
    rows::Document,
    sql::{Sql, sql},
};

#[derive(Deserialize)]
struct CategoryRow {
    id: CategoryId,
    name: String,
    name_en: Option<String>,
    parent_id: Option<CategoryId>,
}

fn category(doc: Value) -> QueryResult<Category> {
    let row = serde_json::from_value(doc).map_err(|error| Error::DeserializationError(Box::new(error)))?;
    let CategoryRow { id, name, name_en, parent_id } = row;
    Ok(Category { id, name, name_en, parent_id })
}

async fn load(database: &Database, query: Sql<'_>) -> Result<Vec<Category>, StoreFailure> {
    let mut conn = database.get().await?;
    let rows: Vec<Document> = query.load(&mut conn).await.map_err(failure)?;
    rows.into_iter().map(|row| category(row.doc)).collect::<QueryResult<_>>().map_err(failure)
}

pub(super) async fn all(database: &Database) -> Result<Vec<Category>, StoreFailure> {
    load(database, sql("SELECT to_jsonb(categories) AS doc FROM categories ORDER BY id")).await
}

pub(super) async fn find(database: &Database, id: CategoryId) -> Result<Option<Category>, StoreFailure> {
    let text = "SELECT to_jsonb(categories) AS doc FROM categories WHERE id = $1";
    let found = load(database, sql(text).bind::<BigInt, _>(id.get())).await?;
    Ok(found.into_iter().next())
}

pub(super) async fn create(
    database: &Database,
    details: &CategoryDetails,
) -> Result<Category, CategoryError> {
    let text = "INSERT INTO categories AS c (name, name_en, parent_id) VALUES ($1, $2, $3) \
                RETURNING to_jsonb(c) AS doc";
    let mut conn = database.get().await?;
    let row: Document = bind(sql(text), details).get_result(&mut conn).await.map_err(refused)?;
    category(row.doc).map_err(refused)
}

pub(super) async fn save(
    database: &Database,
    id: CategoryId,
    details: &CategoryDetails,
) -> Result<Category, CategoryError> {
    #[derive(QueryableByName)]
    struct Saved {
        #[diesel(sql_type = Bool)]
        known: bool,
        #[diesel(sql_type = Nullable<Jsonb>)]
        doc: Option<Value>,
    }
    let query = sql(include_str!("../sql/catalogue/save_category.sql")).bind::<BigInt, _>(id.get());
    let mut conn = database.get().await?;
    let saved: Saved = bind(query, details).get_result(&mut conn).await.map_err(refused)?;
    match saved {
        Saved { doc: Some(doc), .. } => category(doc).map_err(refused),
        Saved { known: true, .. } => Err(CategoryError::BadParent),
        Saved { known: false, .. } => Err(CategoryError::NotFound),
    }
}

pub(super) async fn remove(database: &Database, id: CategoryId) -> Result<Category, CategoryError> {
    let text = "DELETE FROM categories AS c WHERE id = $1 RETURNING to_jsonb(c) AS doc";
    let mut conn = database.get().await?;
    let removed: Vec<Document> =
        sql(text).bind::<BigInt, _>(id.get()).load(&mut conn).await.map_err(|error| {
            match violated(&error) {
                // Seen from the node that goes, the parent's constraint means that it has children.
                Some("products_category_id_fkey" | "categories_parent_id_fkey") => CategoryError::InUse,
                _ => failure(error).into(),
            }
        })?;
    let removed = removed.into_iter().next().ok_or(CategoryError::NotFound)?;
    category(removed.doc).map_err(refused)
}

fn bind<'a>(query: Sql<'a>, details: &'a CategoryDetails) -> Sql<'a> {
    query
        .bind::<Text, _>(&details.name)
        .bind::<Nullable<Text>, _>(details.name_en.as_deref())
        .bind::<Nullable<BigInt>, _>(details.parent_id.map(CategoryId::get))
}

fn refused(error: Error) -> CategoryError {
    match violated(&error) {
        Some("categories_parent_id_fkey") => CategoryError::BadParent,
        _ => failure(error).into(),
    }
}
