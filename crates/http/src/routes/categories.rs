//! The category tree (contract §3).

use actix_web::{HttpRequest, delete, get, post, put, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use spicyjump_domain::{
    catalogue::{Catalogue, Category, CategoryDetails},
    ids::CategoryId,
};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Success, created, ok},
    body::Valid,
    current_user::Administrator,
    error::{ApiError, ErrorCode},
    failure::Failure,
    field::Field,
    path::PathId,
    rules::{any, nullable, optional, required, text, trimmed},
};

/// A category to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "name": "식품", "name_en": "Food" }))]
pub(crate) struct CreateCategoryBody {
    #[garde(custom(required(trimmed(1, 200))))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    name: Field<String>,
    #[garde(custom(nullable(text(0, 200))))]
    #[schema(value_type = Option<String>, max_length = 200)]
    name_en: Field<String>,
    /// The category above it.
    #[garde(custom(nullable(any())))]
    #[schema(value_type = Option<i64>, minimum = 1)]
    parent_id: Field<CategoryId>,
}

/// Changes of a category: any subset; null clears what can be empty.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "parent_id": null }))]
pub(crate) struct CategoryPatchBody {
    #[garde(custom(optional(trimmed(1, 200))))]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200)]
    name: Field<String>,
    #[garde(custom(nullable(text(0, 200))))]
    #[schema(value_type = Option<String>, max_length = 200)]
    name_en: Field<String>,
    /// The category above it: neither itself nor one below it.
    #[garde(custom(nullable(any())))]
    #[schema(value_type = Option<i64>, minimum = 1)]
    parent_id: Field<CategoryId>,
}

/// A node of the category tree.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CategoryView {
    id: i64,
    #[schema(example = "식품")]
    name: String,
    #[schema(required = true, example = "Food")]
    name_en: Option<String>,
    /// The category above it.
    #[schema(required = true)]
    parent_id: Option<i64>,
}

impl From<Category> for CategoryView {
    fn from(category: Category) -> Self {
        let Category { id, name, name_en, parent_id } = category;
        Self { id: id.get(), name, name_en, parent_id: parent_id.map(CategoryId::get) }
    }
}

/// `{"category": …}`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneCategory {
    category: CategoryView,
}

impl From<Category> for OneCategory {
    fn from(category: Category) -> Self {
        Self { category: category.into() }
    }
}

/// `{"categories": […]}`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AllCategories {
    categories: Vec<CategoryView>,
}

/// Read the whole category tree at once.
#[utoipa::path(
    tag = "catalogue",
    params(("If-None-Match" = Option<String>, Header, description = "A known `ETag`.")),
    responses(
        (
            status = 200, body = Success<AllCategories>, description = "All categories, by id.",
            headers(("ETag" = String, description = "Of the tree as it is now.")),
        ),
        (status = 304, description = "As known."),
    ),
)]
#[get("/v1/categories")]
pub(crate) async fn list_categories(
    request: HttpRequest,
    catalogue: Data<Catalogue>,
) -> Result<Answer, ApiError> {
    let categories = catalogue.store.categories().await?;
    let categories = categories.into_iter().map(Into::into).collect();
    Ok(ok(AllCategories { categories })?.revalidated(&request))
}

/// Read a category.
#[utoipa::path(
    tag = "catalogue",
    params(
        ("id" = i64, Path, minimum = 1),
        ("If-None-Match" = Option<String>, Header, description = "A known `ETag`."),
    ),
    responses(
        (
            status = 200, body = Success<OneCategory>, description = "The category.",
            headers(("ETag" = String, description = "Of the category as it is now.")),
        ),
        (status = 304, description = "As known."),
        (status = 404, body = Failure, description = "`category_not_found`"),
    ),
)]
#[get("/v1/categories/{id}")]
pub(crate) async fn get_category(
    request: HttpRequest,
    catalogue: Data<Catalogue>,
    id: PathId<CategoryId>,
) -> Result<Answer, ApiError> {
    Ok(ok(OneCategory::from(find(&catalogue, id.0).await?))?.revalidated(&request))
}

async fn find(catalogue: &Catalogue, id: CategoryId) -> Result<Category, ApiError> {
    catalogue.store.category(id).await?.ok_or_else(|| ErrorCode::CategoryNotFound.into())
}

/// Make a category.
#[utoipa::path(
    tag = "catalogue",
    security(("bearer" = [])),
    request_body = CreateCategoryBody,
    responses(
        (status = 201, body = Success<OneCategory>, description = "Made."),
        (status = 403, body = Failure, description = "`forbidden`: for administrators."),
    ),
)]
#[post("/v1/categories")]
pub(crate) async fn create_category(
    _: Administrator,
    catalogue: Data<Catalogue>,
    body: Valid<CreateCategoryBody>,
) -> Result<Answer, ApiError> {
    let CreateCategoryBody { name, name_en, parent_id } = body.into_inner();
    let details = CategoryDetails {
        name: name.required("name")?.trim().to_owned(),
        name_en: name_en.into_value(),
        parent_id: parent_id.into_value(),
    };
    created(OneCategory::from(catalogue.store.create_category(&details).await?))
}

/// Change a category: any subset of its fields.
#[utoipa::path(
    tag = "catalogue",
    security(("bearer" = [])),
    params(("id" = i64, Path, minimum = 1)),
    request_body = CategoryPatchBody,
    responses(
        (status = 200, body = Success<OneCategory>, description = "Changed."),
        (status = 403, body = Failure, description = "`forbidden`: for administrators."),
        (status = 404, body = Failure, description = "`category_not_found`"),
        (
            status = 422, body = Failure,
            description = "`validation_failed`, also for a `parent_id` that would close a circle.",
        ),
    ),
)]
#[put("/v1/categories/{id}")]
pub(crate) async fn change_category(
    _: Administrator,
    catalogue: Data<Catalogue>,
    id: PathId<CategoryId>,
    body: Valid<CategoryPatchBody>,
) -> Result<Answer, ApiError> {
    let CategoryPatchBody { name, name_en, parent_id } = body.into_inner();
    let present = find(&catalogue, id.0).await?;
    let details = CategoryDetails {
        name: name.into_value().map_or(present.name, |name| name.trim().to_owned()),
        name_en: name_en.into_change().unwrap_or(present.name_en),
        parent_id: parent_id.into_change().unwrap_or(present.parent_id),
    };
    ok(OneCategory::from(catalogue.store.save_category(id.0, &details).await?))
}

/// Remove a category that has neither products nor categories below it.
#[utoipa::path(
    tag = "catalogue",
    security(("bearer" = [])),
    params(("id" = i64, Path, minimum = 1)),
    responses(
        (status = 200, body = Success<OneCategory>, description = "Removed; this is how it was."),
        (status = 403, body = Failure, description = "`forbidden`: for administrators."),
        (status = 404, body = Failure, description = "`category_not_found`"),
        (status = 409, body = Failure, description = "`category_in_use`"),
    ),
)]
#[delete("/v1/categories/{id}")]
pub(crate) async fn remove_category(
    _: Administrator,
    catalogue: Data<Catalogue>,
    id: PathId<CategoryId>,
) -> Result<Answer, ApiError> {
    ok(OneCategory::from(catalogue.store.remove_category(id.0).await?))
}
