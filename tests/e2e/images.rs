//! Images on their way to S3 and back (contract §6).

use bytes::Bytes;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use spicyjump_sandbox::s3::Fault;
use spicyjump_tests::{Answer, Options, Shop, User};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

const BOUNDARY: &str = "a-boundary";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand the rest of the picture";
const MIB: usize = 1024 * 1024;

/// A form with one file.
fn form(file_name: &str, file_type: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
         Content-Type: {file_type}\r\n\r\n"
    );
    [head.as_bytes(), content, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat()
}

async fn upload(seller: &User, file_name: &str, file_type: &str, content: &[u8]) -> Answer {
    let call = seller.request(Method::POST, "/v1/upload");
    let call = call.header("Content-Type", &format!("multipart/form-data; boundary={BOUNDARY}"));
    call.bytes(form(file_name, file_type, content)).send().await
}

async fn presign(seller: &User, file_size: usize) -> Value {
    let wanted = json!({ "file_name": "jar.png", "file_type": "image/png", "file_size": file_size });
    seller.post("/v1/upload/presigned-url", &wanted).await.data(200)
}

fn text<'a>(data: &'a Value, name: &str) -> &'a str {
    data[name].as_str().unwrap_or_else(|| panic!("no {name}: {data}"))
}

#[tokio::test]
async fn an_uploaded_image_is_read_below_the_cdn_for_ever() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let base = format!("{}/products/", shop.stand_ins.s3.cdn_base_url());
    for (name, kind, content, stored) in [
        ("kimchi jar.PNG", "image/png", PNG, "kimchi-jar.png"),
        ("../../../etc/passwd", "image/jpeg", b"\xFF\xD8\xFF\xE0 and the rest", "passwd.jpg"),
        ("김치.webp", "image/webp", b"RIFF\x10\0\0\0WEBPVP8 and the rest", "image.webp"),
        ("%2e%2e%2fx.svg.html", "image/gif", b"GIF89a and the rest", "2e-2e-2fx-svg.gif"),
        ("", "image/png", PNG, "image.png"),
    ] {
        let url = upload(&seller, name, kind, content).await.data(201);
        let url = text(&url, "file_url").to_owned();
        let key = url.strip_prefix(&base).unwrap_or_else(|| panic!("{url} is not below {base}"));
        let (folder, file) = key.split_once('/').unwrap();
        assert_eq!((folder.len(), file), (36, stored), "{name}");
        let read = reqwest::get(&url).await.unwrap();
        assert_eq!(read.headers()["content-type"], kind);
        assert_eq!(read.headers()["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(read.bytes().await.unwrap(), content);
        let product = json!({ "name": "김치", "price": 1, "images": [url] });
        assert_eq!(seller.post("/v1/products", &product).await.data(201)["product"]["images"], json!([url]));
    }
}

#[tokio::test]
async fn what_is_no_image_is_refused() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
    for (kind, content) in [
        ("image/svg+xml", &svg[..]),
        ("image/png", svg),
        ("text/html", b"<!doctype html><script>alert(1)</script>"),
        ("image/jpeg", b"<!doctype html><script>alert(1)</script>"),
        ("image/jpeg", PNG),
        ("image/png", b"\x89PN"),
        ("image/png", b""),
    ] {
        upload(&seller, "a.png", kind, content).await.refused(415, "unsupported_media_type");
    }
    let large = [PNG, &vec![7; 10 * MIB]].concat();
    upload(&seller, "a.png", "image/png", &large).await.refused(413, "file_too_large");
    for (file_type, file_size, status, code) in [
        ("image/svg+xml", 100, 415, "unsupported_media_type"),
        ("text/html", 100, 415, "unsupported_media_type"),
        ("image/png", 10 * MIB + 1, 413, "file_too_large"),
        ("image/png", 0, 422, "validation_failed"),
    ] {
        let wanted = json!({ "file_name": "a.png", "file_type": file_type, "file_size": file_size });
        seller.post("/v1/upload/presigned-url", &wanted).await.refused(status, code);
    }
    shop.buyer().await.post("/v1/upload/presigned-url", &json!({})).await.refused(403, "forbidden");
    shop.api().post("/v1/upload/presigned-url", &json!({})).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_signed_address_takes_the_announced_file_and_no_other() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let signed = presign(&seller, PNG.len()).await;
    let put = async |kind: Option<&str>, body: &[u8]| {
        let mut put = Client::new().put(text(&signed, "upload_url")).body(body.to_vec());
        for (name, value) in signed["headers"].as_object().unwrap() {
            let is_type = name.eq_ignore_ascii_case("content-type");
            let value = if is_type { kind } else { value.as_str() };
            if let Some(value) = value {
                put = put.header(name, value);
            }
        }
        put.send().await.unwrap().status()
    };
    let longer = [PNG, b"!"].concat();
    for (kind, body) in [
        (Some("text/html"), PNG),
        (Some("image/svg+xml"), PNG),
        (None, PNG),
        (Some("image/png"), &longer),
        (Some("image/png"), &PNG[1..]),
    ] {
        assert_eq!(put(kind, body).await, StatusCode::FORBIDDEN, "{kind:?} {}", body.len());
    }
    let read = async || reqwest::get(text(&signed, "file_url")).await.unwrap();
    assert_eq!(read().await.status(), StatusCode::NOT_FOUND, "nothing was stored");
    assert_eq!(put(Some("image/png"), PNG).await, StatusCode::OK);
    assert_eq!(read().await.bytes().await.unwrap(), PNG);
}

#[tokio::test]
async fn a_store_that_refuses_or_hangs_is_unavailable_and_holds_up_nothing_else() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let s3 = &shop.stand_ins.s3;
    s3.set_fault(Fault::Refuse);
    let refused = upload(&seller, "a.png", "image/png", PNG).await;
    refused.refused(503, "storage_unavailable");
    assert!(refused.header("retry-after").is_some());

    // Its end comes before that of the request's time, which would be `timeout`.
    s3.set_fault(Fault::Hang);
    let (hung, other) = tokio::join!(upload(&seller, "a.png", "image/png", PNG), seller.get("/v1/auth/me"));
    hung.refused(503, "storage_unavailable");
    other.data(200);
    presign(&seller, 100).await;

    s3.set_fault(Fault::None);
    upload(&seller, "a.png", "image/png", PNG).await.data(201);
}

/// Reads requests and forgets them: an S3 server that costs nothing.
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
                length = value.parse().expect("a number");
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

/// By how much the server's memory has grown at the peak of so many uploads of the largest size at once, in KiB.
async fn growth(uploads: usize) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(swallow(stream));
        }
    });
    let shop = Shop::start(Options::default().set("S3_ENDPOINT", endpoint)).await;
    let seller = shop.seller().await;
    // What the first one takes for good, such as a client for S3, is no matter of size.
    upload(&seller, "a.png", "image/png", PNG).await.data(201);
    let mut content = PNG.to_vec();
    content.resize(10 * MIB, 7);
    let body = Bytes::from(form("large.png", "image/png", &content));

    let before = shop.server.memory("VmRSS");
    let mut sending = JoinSet::new();
    for _ in 0..uploads {
        let call = seller.request(Method::POST, "/v1/upload");
        let call = call.header("Content-Type", &format!("multipart/form-data; boundary={BOUNDARY}"));
        let request = call.into_inner().body(body.clone());
        sending.spawn(async move { request.send().await.unwrap().status() });
    }
    for status in sending.join_all().await {
        // On a machine that is too busy, S3's time may be over.
        assert!(matches!(status, StatusCode::CREATED | StatusCode::SERVICE_UNAVAILABLE), "{status}");
    }
    let grown = shop.server.memory("VmHWM").saturating_sub(before);
    println!("{uploads} uploads of 10 MiB at once: from {before} KiB, {grown} KiB more at the peak");
    grown
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_are_never_whole_in_memory() {
    assert!(growth(16).await < 80 * 1024, "of 160 MiB");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a gigabyte: see docs/performance.md"]
async fn a_hundred_uploads_at_once_take_little_memory() {
    assert!(growth(100).await < 64 * 1024, "of 1,000 MiB");
}
