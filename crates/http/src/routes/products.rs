//! Listing, reading, offering and changing products (contract §3).

use actix_web::{HttpRequest, delete, get, post, put, web::Data};
use spicyjump_domain::{
    catalogue::{Catalogue, CatalogueError, ProductSort},
    idempotency::Replayable,
    ids::ProductId,
};

use self::{
    bodies::{CreateProductBody, ProductPatchBody, StockBody},
    filters::{ProductParams, SellerProductParams, fits},
    views::{ManyProducts, OneProduct, answer},
};
use crate::{
    answer::{Answer, Success, created, ok},
    body::Valid,
    context::RequestContext,
    current_user::{CurrentUser, MaybeUser, Seller},
    error::{ApiError, ErrorCode},
    failure::Failure,
    once::IdempotencyKey,
    paging::{Listing, PageParams, Pagination},
    path::PathId,
    problem::Problem,
};

mod bodies;
mod filters;
mod views;

pub(super) use views::CurrencyCode;

/// List what is for sale.
#[utoipa::path(
    tag = "catalogue",
    params(PageParams, ProductParams, ("If-None-Match" = Option<String>, Header, description = "A known `ETag`.")),
    responses(
        (
            status = 200, body = Success<ManyProducts>, description = "A page of published products.",
            headers(("ETag" = String, description = "Of this page as it is now.")),
        ),
        (status = 304, description = "As known."),
    ),
)]
#[get("/v1/products")]
pub(crate) async fn list_products(
    request: HttpRequest,
    catalogue: Data<Catalogue>,
    listing: Listing<ProductParams>,
) -> Result<Answer, ApiError> {
    let Listing { page, filter } = listing;
    let sort = filter.sort();
    if !fits(&page.position, sort) {
        return Err(ApiError::field("cursor", Problem::Cursor));
    }
    let products = catalogue.store.products(&filter.into_filter()?, sort, &page).await?;
    let pagination = Pagination::new(&page, &products);
    Ok(ok(ManyProducts::new(&products.items, pagination))?.revalidated(&request))
}

/// Read a product: a published one, whatever the token; or any of your own.
#[utoipa::path(
    tag = "catalogue",
    security((), ("bearer" = [])),
    params(
        ("id" = i64, Path, minimum = 1),
        ("If-None-Match" = Option<String>, Header, description = "A known `ETag`."),
    ),
    responses(
        (
            status = 200, body = Success<OneProduct>, description = "The product.",
            headers(("ETag" = String, description = "Of the product as it is now.")),
        ),
        (status = 304, description = "As known."),
        (
            status = 401, body = Failure,
            description = "`invalid_token` or `token_expired`, where no published product is found: it may be your own.",
        ),
        (status = 404, body = Failure, description = "`product_not_found`: also one that is not published."),
    ),
)]
#[get("/v1/products/{id}")]
pub(crate) async fn get_product(
    request: HttpRequest,
    user: MaybeUser,
    catalogue: Data<Catalogue>,
    id: PathId<ProductId>,
) -> Result<Answer, ApiError> {
    let product = catalogue.read(user.actor(), id.0).await.map_err(|error| match error {
        CatalogueError::NotFound => user.not_found(ErrorCode::ProductNotFound),
        other => other.into(),
    })?;
    Ok(answer(&product)?.revalidated(&request))
}

/// Offer a product.
#[utoipa::path(
    tag = "catalogue",
    security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable ASCII characters.")),
    request_body = CreateProductBody,
    responses(
        (status = 201, body = Success<OneProduct>, description = "Made, under your name."),
        (status = 403, body = Failure, description = "`forbidden`: for sellers and administrators."),
        (status = 409, body = Failure, description = "`idempotency_in_progress`"),
        (status = 422, body = Failure, description = "`validation_failed`, `idempotency_key_reused`"),
    ),
)]
#[post("/v1/products")]
pub(crate) async fn create_product(
    seller: Seller,
    catalogue: Data<Catalogue>,
    key: IdempotencyKey,
    context: RequestContext,
    body: Valid<CreateProductBody>,
) -> Result<Answer, ApiError> {
    let once = key.once(seller.id, body.raw());
    let (details, stock_quantity) = body.into_inner().into_details()?;
    let to_record = |product: &_| {
        let answer = created(OneProduct::from(product));
        answer.unwrap_or_else(|error| Answer::failure(&error, &context)).to_record()
    };
    let once = once.as_ref().map(|once| (once, &to_record as _));
    match catalogue.create(*seller, details, stock_quantity, once).await?? {
        Replayable::Fresh(product) => created(OneProduct::from(&product)),
        Replayable::Replayed(record) => Ok(Answer::replayed(record)),
    }
}

/// Change a product: any subset of its fields.
#[utoipa::path(
    tag = "catalogue",
    security(("bearer" = [])),
    params(("id" = i64, Path, minimum = 1)),
    request_body = ProductPatchBody,
    responses(
        (status = 200, body = Success<OneProduct>, description = "Changed."),
        (status = 403, body = Failure, description = "`forbidden`: someone else's."),
        (status = 404, body = Failure, description = "`product_not_found`"),
        (status = 409, body = Failure, description = "`version_conflict`: the `version` is not the present one, or others changed it again and again."),
    ),
)]
#[put("/v1/products/{id}")]
pub(crate) async fn change_product(
    user: CurrentUser,
    catalogue: Data<Catalogue>,
    id: PathId<ProductId>,
    body: Valid<ProductPatchBody>,
) -> Result<Answer, ApiError> {
    let patch = body.into_inner().into_patch();
    answer(&catalogue.change(*user, id.0, &patch).await?)
}

/// Take a product out of the shop. It is archived: old orders keep it.
#[utoipa::path(
    tag = "catalogue",
    security(("bearer" = [])),
    params(("id" = i64, Path, minimum = 1)),
    responses(
        (status = 200, body = Success<OneProduct>, description = "Archived."),
        (status = 403, body = Failure, description = "`forbidden`: someone else's."),
        (status = 404, body = Failure, description = "`product_not_found`"),
        (status = 409, body = Failure, description = "`version_conflict`: others changed it again and again."),
    ),
)]
#[delete("/v1/products/{id}")]
pub(crate) async fn archive_product(
    user: CurrentUser,
    catalogue: Data<Catalogue>,
    id: PathId<ProductId>,
) -> Result<Answer, ApiError> {
    answer(&catalogue.archive(*user, id.0).await?)
}

/// Add pieces to a product's stock or take them away; recorded with the reason.
#[utoipa::path(
    tag = "catalogue",
    security(("bearer" = [])),
    params(("id" = i64, Path, minimum = 1)),
    request_body = StockBody,
    responses(
        (status = 200, body = Success<OneProduct>, description = "The product with its stock after the change."),
        (status = 403, body = Failure, description = "`forbidden`: someone else's."),
        (status = 404, body = Failure, description = "`product_not_found`"),
        (
            status = 409, body = Failure,
            description = "`out_of_stock`: fewer pieces are there than are to be taken away; \
                           `details: {items: [{product_id, requested, available}]}`.",
        ),
    ),
)]
#[post("/v1/products/{id}/stock")]
pub(crate) async fn change_stock(
    user: CurrentUser,
    catalogue: Data<Catalogue>,
    id: PathId<ProductId>,
    body: Valid<StockBody>,
) -> Result<Answer, ApiError> {
    let StockBody { delta, reason } = body.into_inner();
    let (delta, reason) = (delta.required("delta")?, reason.required("reason")?);
    match catalogue.change_stock(*user, id.0, delta, reason.trim()).await {
        Ok(product) => answer(&product),
        Err(CatalogueError::OutOfStock(available)) => {
            let requested = delta.unsigned_abs();
            let item =
                serde_json::json!({ "product_id": id.0, "requested": requested, "available": available });
            let details = serde_json::json!({ "items": [item] });
            Err(ApiError::new(ErrorCode::OutOfStock).with_details(&details))
        }
        Err(other) => Err(other.into()),
    }
}

/// List your own products, of every status. Newest first.
#[utoipa::path(
    tag = "catalogue",
    security(("bearer" = [])),
    params(
        PageParams, SellerProductParams,
        ("If-None-Match" = Option<String>, Header, description = "A known `ETag`."),
    ),
    responses(
        (
            status = 200, body = Success<ManyProducts>, description = "A page of your products.",
            headers(("ETag" = String, description = "Of this page as it is now.")),
        ),
        (status = 304, description = "As known."),
        (status = 403, body = Failure, description = "`forbidden`: for sellers and administrators."),
    ),
)]
#[get("/v1/seller/products")]
pub(crate) async fn list_seller_products(
    request: HttpRequest,
    seller: Seller,
    catalogue: Data<Catalogue>,
    listing: Listing<SellerProductParams>,
) -> Result<Answer, ApiError> {
    let Listing { page, filter } = listing;
    let sort = ProductSort::Newest;
    if !fits(&page.position, sort) {
        return Err(ApiError::field("cursor", Problem::Cursor));
    }
    let products = catalogue.store.products(&filter.into_filter(seller.id), sort, &page).await?;
    let pagination = Pagination::new(&page, &products);
    Ok(ok(ManyProducts::new(&products.items, pagination))?.revalidated(&request))
}
