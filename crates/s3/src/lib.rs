//! Keeps product images in S3 or a store that speaks its protocol: the adapter behind the
//! [`ImageStore`](spicyjump_domain::images::ImageStore) port.
//!
//! Deliberately unknown here: who may upload what, how keys are made, where the images are read from (a CDN).
//! Start reading at [`S3ImageStore`].
//!
//! # Presigned uploads
//!
//! The signature covers the key, `Content-Type`, `Content-Length`, `Cache-Control` and, where one is set, the
//! ACL: another file than the announced one is refused with 403. A browser must send what
//! [`PresignedUpload::headers`](spicyjump_domain::images::PresignedUpload::headers) lists; `Content-Length` is
//! not in there, because a browser sends it by itself and lets no script set it. The bucket's CORS rules must
//! allow `PUT` with the headers `Content-Type`, `Cache-Control` (and `x-amz-acl`) from the shop's origins.
//!
//! # All or nothing
//!
//! A direct upload is one `PutObject`, which S3 makes visible only when its last byte has arrived and its checksum
//! agrees. There are no multipart uploads, hence no parts to be left behind. The file is read in small pieces
//! while it is sent: memory does not depend on its size.

mod config;
mod failure;
mod roots;
mod store;

pub use config::{S3Config, S3ConfigError};
pub use store::S3ImageStore;
