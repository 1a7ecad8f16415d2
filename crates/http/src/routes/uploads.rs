//! Images on their way into the store (contract §6): by a signed address, or through this server.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{
    HttpRequest, post,
    web::{Data, Payload},
};
use garde::Validate;
use serde::{Deserialize, Serialize};
use spicyjump_domain::images::{ImageKey, ImageStore, ImageType, MAX_IMAGE_BYTES};
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    answer::{Answer, Success, created, ok},
    body::Valid,
    cdn_base::CdnBase,
    current_user::Seller,
    error::{ApiError, ErrorCode},
    failure::Failure,
    field::Field,
    rules::{integer, required, text},
};

mod spool;

/// How long a signed address can be used.
const PRESIGNED_SECONDS: u32 = 3600;

/// Uploads that are on this machine's disk at once: with the largest files, 1.25 GiB. More are refused.
const MAX_SPOOLED: usize = 128;

/// Uploads that are received at once. The others wait in their sockets: one that is received holds some hundred KiB.
const MAX_RECEIVING: usize = 48;

/// Uploads that are sent to the store at once. The others wait on the disk.
const MAX_SENDING: usize = 32;

/// Takes images and knows where they will be read: one per process.
pub struct ImageUploads {
    store: Arc<dyn ImageStore>,
    cdn: CdnBase,
    spooled: Semaphore,
    receiving: Semaphore,
    sending: Semaphore,
}

impl ImageUploads {
    /// Into this store, whose images are read below `cdn`.
    #[must_use]
    pub fn new(store: Arc<dyn ImageStore>, cdn: CdnBase) -> Self {
        let [spooled, receiving, sending] = [MAX_SPOOLED, MAX_RECEIVING, MAX_SENDING].map(Semaphore::new);
        Self { store, cdn, spooled, receiving, sending }
    }
}

/// A file that is to be uploaded.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "file_name": "kimchi.jpg", "file_type": "image/jpeg", "file_size": 345_678 }))]
#[expect(clippy::struct_field_names, reason = "the contract's names")]
pub(crate) struct PresignBody {
    #[garde(custom(required(text(1, 1000))))]
    #[schema(value_type = String, min_length = 1, max_length = 1000)]
    file_name: Field<String>,
    #[garde(custom(required(text(1, 255))))]
    #[schema(value_type = MediaType)]
    file_type: Field<String>,
    /// In bytes: at most 10 MiB.
    #[garde(custom(required(integer(1, i64::MAX))))]
    #[schema(value_type = i64, minimum = 1, maximum = 10_485_760)]
    file_size: Field<i64>,
}

/// The type of an image.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says in the API's description what texts there are")]
enum MediaType {
    #[schema(rename = "image/jpeg")]
    Jpeg,
    #[schema(rename = "image/png")]
    Png,
    #[schema(rename = "image/webp")]
    Webp,
    #[schema(rename = "image/gif")]
    Gif,
}

/// How to upload a file directly, and where it will be read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PresignedView {
    #[schema(format = "uri")]
    upload_url: String,
    /// For a product's `images`, once uploaded.
    #[schema(format = "uri")]
    file_url: String,
    #[schema(example = "PUT")]
    method: &'static str,
    /// To be sent exactly so: they are signed, like the length.
    headers: BTreeMap<String, String>,
    /// In seconds.
    #[schema(example = 3600)]
    expires_in: u32,
}

/// A form with a file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says in the API's description what the form holds")]
pub(crate) struct UploadForm {
    /// JPEG, PNG, WebP or GIF, at most 10 MiB; its `Content-Type` must say which.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    file: Vec<u8>,
}

/// Where an uploaded file is read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UploadedView {
    /// For a product's `images`.
    #[schema(format = "uri")]
    file_url: String,
}

/// Get a signed address to upload an image to, past this server.
#[utoipa::path(
    tag = "images",
    security(("bearer" = [])),
    request_body = PresignBody,
    responses(
        (status = 200, body = Success<PresignedView>, description = "PUT the bytes there within the hour."),
        (status = 403, body = Failure, description = "`forbidden`: for sellers and administrators."),
        (status = 413, body = Failure, description = "`file_too_large`: more than 10 MiB; `payload_too_large`: the body, more than 1 MiB."),
        (status = 415, body = Failure, description = "`unsupported_media_type`: no JPEG, PNG, WebP or GIF, or the body is no JSON."),
        (status = 503, body = Failure, description = "`storage_unavailable`, `overloaded`, `timeout`"),
    ),
)]
#[post("/v1/upload/presigned-url")]
pub(crate) async fn presign(
    _: Seller,
    uploads: Data<ImageUploads>,
    body: Valid<PresignBody>,
) -> Result<Answer, ApiError> {
    let PresignBody { file_name, file_type, file_size } = body.into_inner();
    let kind = ImageType::from_media_type(&file_type.required("file_type")?);
    let kind = kind.ok_or(ErrorCode::UnsupportedMediaType)?;
    let size = file_size.required("file_size")?.unsigned_abs();
    if size > MAX_IMAGE_BYTES {
        return Err(ErrorCode::FileTooLarge.into());
    }
    let key = ImageKey::new(Uuid::new_v4(), &file_name.required("file_name")?, kind);
    let presigned = uploads.store.presign(&key, kind, size, PRESIGNED_SECONDS).await?;
    ok(PresignedView {
        upload_url: presigned.upload_url,
        file_url: uploads.cdn.url_of(&key),
        method: "PUT",
        headers: presigned.headers.into_iter().collect(),
        expires_in: PRESIGNED_SECONDS,
    })
}

/// Upload an image through this server.
#[utoipa::path(
    tag = "images",
    security(("bearer" = [])),
    request_body(
        content = UploadForm, content_type = "multipart/form-data",
        encoding(("file" = (content_type = "image/jpeg, image/png, image/webp, image/gif"))),
    ),
    responses(
        (status = 201, body = Success<UploadedView>, description = "Stored."),
        (status = 400, body = Failure, description = "`malformed_json`: the form is broken."),
        (status = 403, body = Failure, description = "`forbidden`: for sellers and administrators."),
        (status = 413, body = Failure, description = "`file_too_large`: more than 10 MiB."),
        (
            status = 415, body = Failure,
            description = "`unsupported_media_type`: no form, or the file is not the JPEG, PNG, WebP or GIF that its \
                           `Content-Type` says.",
        ),
        (status = 422, body = Failure, description = "`validation_failed`: there is no field `file`."),
        (status = 503, body = Failure, description = "`storage_unavailable`, `overloaded`, `timeout`"),
    ),
)]
#[post("/v1/upload")]
pub(crate) async fn upload(
    _: Seller,
    request: HttpRequest,
    uploads: Data<ImageUploads>,
    payload: Payload,
) -> Result<Answer, ApiError> {
    let _place = uploads.spooled.try_acquire().map_err(|_| ErrorCode::Overloaded)?;
    let turn = uploads.receiving.acquire().await.map_err(|_| ErrorCode::Overloaded)?;
    let image = spool::receive(request.headers(), payload).await?;
    drop(turn);
    let key = ImageKey::new(Uuid::new_v4(), &image.file_name, image.kind);
    let _turn = uploads.sending.acquire().await.map_err(|_| ErrorCode::Overloaded)?;
    uploads.store.put(&key, image.kind, image.path()).await?;
    created(UploadedView { file_url: uploads.cdn.url_of(&key) })
}
