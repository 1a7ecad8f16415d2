//! An image from a form into a temporary file, checked on the way: neither the form nor the file is ever whole in
//! memory, and nothing is kept of one that is refused.

use std::{
    io, mem,
    path::Path,
    task::{Poll, ready},
};

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{
    error::PayloadError,
    http::header::{self, HeaderMap},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::poll_fn};
use spicyjump_domain::images::{ImageType, MAX_IMAGE_BYTES};
use tempfile::{NamedTempFile, TempPath};
use tokio::{fs::File, io::AsyncWriteExt};

use crate::{
    error::{ApiError, ErrorCode},
    problem::Problem,
};

/// The largest form in bytes: one file, and as much again of anything else as a JSON body may have.
const MAX_FORM_BYTES: u64 = MAX_IMAGE_BYTES + 1024 * 1024;

/// How much of a form is looked at and written at once, in bytes.
const PIECE_BYTES: usize = 16 * 1024;

/// As many of a file's first bytes as tell its format.
const HEAD_BYTES: usize = 12;

/// An image on this machine's disk, gone with this value.
#[derive(Debug)]
pub(super) struct SpooledImage {
    /// As the client calls it.
    pub(super) file_name: String,
    /// By its content.
    pub(super) kind: ImageType,
    file: TemporaryPath,
}

impl SpooledImage {
    pub(super) fn path(&self) -> &Path {
        self.file.0.as_deref().unwrap_or(Path::new(""))
    }
}

/// Removes its file off the async threads.
#[derive(Debug)]
struct TemporaryPath(Option<TempPath>);

impl Drop for TemporaryPath {
    fn drop(&mut self) {
        let path = self.0.take();
        tokio::task::spawn_blocking(move || drop(path));
    }
}

/// The first field `file` of a form.
///
/// # Errors
/// When there is none, when it is no image of a kind that its `Content-Type` names, when it is too large: then the
/// rest is not read; or when the form is broken or the disk fails.
pub(super) async fn receive(
    headers: &HeaderMap,
    payload: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
) -> Result<SpooledImage, ApiError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > MAX_FORM_BYTES) {
        return Err(ErrorCode::FileTooLarge.into());
    }
    let mut form = Multipart::new(headers, bounded(payload));
    let mut image = None;
    // To the end of the form, so that the connection can go on.
    while let Some(field) = form.next().await {
        let field = field.map_err(|error| refusal(&error))?;
        if image.is_none() && field.name() == Some("file") {
            image = Some(spool(field).await?);
        }
    }
    image.ok_or_else(|| ApiError::field("file", Problem::Required))
}

/// Breaks off after [`MAX_FORM_BYTES`], and hands on small pieces, one at a time: whoever takes a form apart gathers all
/// that is ready, and a connection can have much ready at once.
fn bounded(
    payload: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    let mut payload = Box::pin(payload);
    let (mut left, mut chunk, mut pause) = (MAX_FORM_BYTES, Bytes::new(), false);
    poll_fn(move |context| {
        if mem::take(&mut pause) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if chunk.is_empty() {
            chunk = match ready!(payload.as_mut().poll_next(context)) {
                Some(Ok(chunk)) => chunk,
                end => return Poll::Ready(end),
            };
            match left.checked_sub(chunk.len() as u64) {
                Some(fewer) => left = fewer,
                None => return Poll::Ready(Some(Err(PayloadError::Overflow))),
            }
        }
        pause = true;
        Poll::Ready(Some(Ok(chunk.split_to(PIECE_BYTES.min(chunk.len())))))
    })
}

async fn spool(mut field: Field) -> Result<SpooledImage, ApiError> {
    let wrong_type = || ApiError::new(ErrorCode::UnsupportedMediaType);
    let declared = field.content_type().map(ToString::to_string).unwrap_or_default();
    let kind = ImageType::from_media_type(&declared).ok_or_else(wrong_type)?;
    let name = field.content_disposition().and_then(|disposition| disposition.get_filename());
    let file_name = name.unwrap_or_default().to_owned();

    let (mut file, path) = temporary_file().await.map_err(disk_failed)?;
    let (mut size, mut head) = (0, Vec::with_capacity(HEAD_BYTES));
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|error| refusal(&error))?;
        head.extend(chunk.iter().take(HEAD_BYTES - head.len()));
        if head.len() == HEAD_BYTES && ImageType::sniff(&head) != Some(kind) {
            return Err(wrong_type());
        }
        size += chunk.len() as u64;
        if size > MAX_IMAGE_BYTES {
            return Err(ErrorCode::FileTooLarge.into());
        }
        file.write_all(&chunk).await.map_err(disk_failed)?;
    }
    file.flush().await.map_err(disk_failed)?;
    if ImageType::sniff(&head) != Some(kind) {
        return Err(wrong_type());
    }
    Ok(SpooledImage { file_name, kind, file: path })
}

async fn temporary_file() -> io::Result<(File, TemporaryPath)> {
    let made = tokio::task::spawn_blocking(NamedTempFile::new).await.map_err(io::Error::other)??;
    let (file, path) = made.into_parts();
    Ok((File::from_std(file), TemporaryPath(Some(path))))
}

fn disk_failed(error: io::Error) -> ApiError {
    ApiError::new(ErrorCode::StorageUnavailable).because(error)
}

fn refusal(error: &MultipartError) -> ApiError {
    let code = match error {
        MultipartError::ContentTypeMissing
        | MultipartError::ContentTypeParse
        | MultipartError::ContentTypeIncompatible => ErrorCode::UnsupportedMediaType,
        MultipartError::Payload(PayloadError::Overflow) => ErrorCode::FileTooLarge,
        _ => ErrorCode::MalformedJson,
    };
    code.into()
}
