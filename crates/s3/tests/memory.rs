//! Uploads are streamed: what they cost in memory does not depend on their size. Alone in this file, because it
//! measures the whole process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use spicyjump_domain::{
    clock::Clock,
    images::{ImageKey, ImageStore, ImageType, MAX_IMAGE_BYTES},
};
use spicyjump_s3::{S3Config, S3ImageStore};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use uuid::Uuid;

/// Together 320 MiB, of which a tenth may be in memory at once. A hundred, measured once, took 31 MiB.
const UPLOADS: u64 = 32;

struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
    }
}

/// A line of `/proc/self/status`, in KiB.
fn status(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    found.trim_start_matches(':').trim_end_matches("kB").trim().parse().unwrap()
}

/// Reads requests and forgets them.
async fn swallow(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::with_capacity(64 * 1024, stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if line.starts_with("expect:") {
                stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            if line.is_empty() {
                break;
            }
        }
        tokio::io::copy(&mut (&mut stream).take(length), &mut tokio::io::sink()).await?;
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n").await?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_uploads_of_the_largest_size_at_once_take_little_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(swallow(stream));
        }
    });
    let store = S3ImageStore::new(
        S3Config {
            bucket: "test".to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(endpoint),
            access_key_id: "test-access-key".to_owned(),
            secret_access_key: SecretString::from("test-secret-key"),
            force_path_style: true,
            acl: None,
            timeout: Duration::from_mins(2),
            extra_roots: None,
        },
        Arc::new(Epoch),
    );
    let store = Arc::new(store.unwrap());
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(MAX_IMAGE_BYTES).unwrap();

    let before = status("VmRSS");
    let mut uploads = JoinSet::new();
    for _ in 0..UPLOADS {
        let (store, path) = (Arc::clone(&store), file.path().to_owned());
        let key = ImageKey::new(Uuid::new_v4(), "large.png", ImageType::Png);
        uploads.spawn(async move { store.put(&key, ImageType::Png, &path).await });
    }
    for outcome in uploads.join_all().await {
        outcome.unwrap();
    }
    let grown = status("VmHWM") - before;
    println!("{UPLOADS} uploads of 10 MiB: {} MiB more at the peak, both ends together", grown / 1024);
    assert!(grown < 1024 * UPLOADS, "{grown} KiB");
}
