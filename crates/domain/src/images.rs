//! Product images: which files are taken, under which key they are kept.

use std::path::Path;

use async_trait::async_trait;
use uuid::Uuid;

/// Largest file in bytes: 10 MiB (contract §6).
pub const MAX_IMAGE_BYTES: u64 = 10 * 1024 * 1024;

/// An image format that browsers show and that cannot carry script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageType {
    /// image/jpeg
    Jpeg,
    /// image/png
    Png,
    /// image/webp
    Webp,
    /// image/gif
    Gif,
}

impl ImageType {
    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
        }
    }

    /// The usual file name extension, without the point.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Gif => "gif",
        }
    }

    /// The format of a declared media type, parameters ignored.
    #[must_use]
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        [Self::Jpeg, Self::Png, Self::Webp, Self::Gif]
            .into_iter()
            .find(|kind| kind.media_type().eq_ignore_ascii_case(essence))
    }

    /// The format that a file's first 12 bytes show; `None` if it is none of ours.
    #[must_use]
    pub fn sniff(head: &[u8]) -> Option<Self> {
        match head {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            _ => None,
        }
    }
}

/// Where an image is kept: `products/{uuid}/{safe file name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageKey(String);

impl ImageKey {
    /// A key for an uploaded file. Of the name only ASCII letters, digits, `.`, `-` and `_` are kept, no leading
    /// point, no path, at most 100 characters; the extension is the format's own.
    #[must_use]
    pub fn new(id: Uuid, file_name: &str, kind: ImageType) -> Self {
        let base = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
        let mut safe = String::new();
        for c in stem.chars() {
            let c = if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
            if !(c == '-' && (safe.is_empty() || safe.ends_with('-'))) && safe.len() < 95 {
                safe.push(c);
            }
        }
        let safe = safe.trim_end_matches('-');
        let safe = if safe.is_empty() { "image" } else { safe };
        Self(format!("products/{id}/{safe}.{}", kind.extension()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A permission to upload one file directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresignedUpload {
    /// Where to PUT the bytes.
    pub upload_url: String,
    /// The headers that the PUT must carry, in any order: they are part of the signature.
    pub headers: Vec<(String, String)>,
}

/// Why the store did not take an image. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum ImageStoreError {
    /// Down, slow or refusing.
    #[error("the image store is unavailable: {0}")]
    Unavailable(String),
}

/// Keeps images.
#[async_trait]
pub trait ImageStore: Send + Sync {
    /// Signs a PUT of exactly `size` bytes of `kind` under `key`, valid for `expires_in_seconds`.
    async fn presign(
        &self,
        key: &ImageKey,
        kind: ImageType,
        size: u64,
        expires_in_seconds: u32,
    ) -> Result<PresignedUpload, ImageStoreError>;

    /// Streams the file at `path` under `key`, all of it or nothing.
    async fn put(&self, key: &ImageKey, kind: ImageType, path: &Path) -> Result<(), ImageStoreError>;

    /// Whether the store answers, for readiness reports.
    async fn check(&self) -> Result<(), ImageStoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_safe_whatever_the_name() {
        let id = Uuid::nil();
        let prefix = "products/00000000-0000-0000-0000-000000000000/";
        for (name, want) in [
            ("kimchi jar.PNG", "kimchi-jar.png"),
            ("../../etc/passwd", "passwd.png"),
            ("..\\..\\boot.ini", "boot.png"),
            ("", "image.png"),
            ("...", "image.png"),
            (".htaccess", "image.png"),
            ("김치.png", "image.png"),
            ("a\u{0}b\r\nc.png", "a-b-c.png"),
            ("x.svg.html", "x-svg.png"),
            ("C:\\Users\\kim\\jar.png", "jar.png"),
            ("uploads/", "image.png"),
            ("/", "image.png"),
            ("%2e%2e%2f%00.png", "2e-2e-2f-00.png"),
            ("a?acl=public#x&y.png", "a-acl-public-x-y.png"),
            ("<img src=x onerror=alert(1)>.png", "img-src-x-onerror-alert-1.png"),
            ("\"; filename=\"evil.html", "filename-evil.png"),
            ("jar\u{202E}gnp.exe", "jar-gnp.png"),
            ("🌶️🌶️", "image.png"),
            ("ｆｕｌｌ.png", "image.png"),
            ("---", "image.png"),
            ("  .. ", "image.png"),
            ("kimchi_2-b.png", "kimchi_2-b.png"),
        ] {
            assert_eq!(
                ImageKey::new(id, name, ImageType::Png).as_str(),
                format!("{prefix}{want}"),
                "{name:?}"
            );
        }
        for long in ["a".repeat(1000), "a-".repeat(500), format!("{}.png", "김".repeat(1000))] {
            let key = ImageKey::new(id, &long, ImageType::Webp);
            let name = key.as_str().strip_prefix(prefix).unwrap();
            assert_eq!(
                (name.len() <= 100, name.rsplit_once('.').map(|(_, end)| end)),
                (true, Some("webp")),
                "{name}"
            );
        }
    }

    #[test]
    fn tells_formats_by_content() {
        assert_eq!(ImageType::sniff(b"\xFF\xD8\xFF\xE0"), Some(ImageType::Jpeg));
        assert_eq!(ImageType::sniff(b"\x89PNG\r\n\x1a\n...."), Some(ImageType::Png));
        assert_eq!(ImageType::sniff(b"RIFF\0\0\0\0WEBPVP8 "), Some(ImageType::Webp));
        assert_eq!(ImageType::sniff(b"GIF89a"), Some(ImageType::Gif));
        for other in [
            &b"<svg xmlns="[..],
            b"<!DOCTYPE html>",
            b"",
            b"GIF8",
            b"GIF88a",
            b"RIFF\0\0\0\0WAVEfmt ",
            b"%PDF-1.7",
            b" <html>",
        ] {
            assert_eq!(ImageType::sniff(other), None);
        }
    }
}
