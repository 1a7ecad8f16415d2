//! Uploads as clients see them.

use std::{
    net::TcpListener,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use actix_web::test::TestRequest;
use serde_json::json;
use spicyjump_domain::{account::Role, images::ImageType};

use super::{Reply, Server};
use crate::server::{ApiServer, ServerConfig};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand the rest of the picture";
const BOUNDARY: &str = "a-boundary";

/// One field of a form.
fn part(name: &str, file_name: &str, content_type: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n\
         Content-Type: {content_type}\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n"].concat()
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat()
}

fn png(content: &[u8]) -> Vec<u8> {
    form(&[part("file", "kimchi jar.PNG", "image/png", content)])
}

async fn upload(server: &Server, role: Role, body: Vec<u8>) -> Reply {
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let request = TestRequest::post().uri("/v1/upload").insert_header(server.as_user(1, role));
    server.send(request.insert_header(("Content-Type", content_type)).set_payload(body)).await
}

async fn presign(server: &Server, role: Role, body: serde_json::Value) -> Reply {
    let request = TestRequest::post().uri("/v1/upload/presigned-url").insert_header(server.as_user(1, role));
    server.send(request.set_json(body)).await
}

#[actix_web::test]
async fn a_file_reaches_the_store_as_it_was_and_leaves_nothing_behind() {
    let server = Server::new();
    let large = [PNG, &vec![7; 3_000_000]].concat();
    let file_url = upload(&server, Role::Seller, png(&large)).await.data(201)["file_url"].clone();
    let stored = server.images.stored().pop().unwrap();
    assert_eq!(file_url, format!("https://cdn.example.com/{}", stored.key));
    assert!(stored.key.starts_with("products/") && stored.key.ends_with("/kimchi-jar.png"), "{}", stored.key);
    assert!(stored.kind == ImageType::Png && stored.bytes == large);
    // It is removed off the async threads.
    let deadline = Instant::now() + Duration::from_secs(10);
    while stored.path.exists() {
        assert!(Instant::now() < deadline, "{} is still there", stored.path.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[actix_web::test]
async fn the_first_file_of_a_form_counts() {
    let server = Server::new();
    let body = form(&[
        part("note", "", "text/plain", b"hello"),
        part("file", "a.png", "image/png", PNG),
        part("file", "b.gif", "image/gif", b"GIF89a and more"),
    ]);
    upload(&server, Role::Admin, body).await.data(201);
    let stored = server.images.stored();
    assert_eq!((stored.len(), stored[0].kind), (1, ImageType::Png));
}

#[actix_web::test]
async fn content_and_declared_type_must_agree() {
    let server = Server::new();
    for (content_type, content) in [
        ("image/jpeg", PNG),
        ("image/png", b"<svg onload=alert(1)>"),
        ("image/png", b""),
        ("image/png", b"\x89PNG"),
        ("image/svg+xml", b"<svg onload=alert(1)>"),
        ("application/octet-stream", PNG),
    ] {
        let body = form(&[part("file", "a.png", content_type, content)]);
        let reply = upload(&server, Role::Seller, body).await;
        assert_eq!(reply.code(415), "unsupported_media_type", "{content_type}");
    }
    let json = server.as_user(1, Role::Seller);
    let json = TestRequest::post().uri("/v1/upload").insert_header(json).set_json(json!({}));
    assert_eq!(server.send(json).await.code(415), "unsupported_media_type");
    assert!(server.images.stored().is_empty());
}

#[actix_web::test]
async fn a_file_has_at_most_10_mib() {
    let server = Server::new();
    let mut largest = PNG.to_vec();
    largest.resize(10 * 1024 * 1024, 7);
    upload(&server, Role::Seller, png(&largest)).await.data(201);
    largest.push(7);
    assert_eq!(upload(&server, Role::Seller, png(&largest)).await.code(413), "file_too_large");
    largest.resize(12 * 1024 * 1024, 7);
    let elsewhere =
        form(&[part("junk", "", "text/plain", &largest), part("file", "a.png", "image/png", PNG)]);
    assert_eq!(upload(&server, Role::Seller, elsewhere).await.code(413), "file_too_large");
    assert_eq!(server.images.stored().len(), 1);
}

#[actix_web::test]
async fn a_form_without_its_file_or_its_end_is_refused() {
    let server = Server::new();
    let empty = form(&[part("image", "a.png", "image/png", PNG)]);
    assert_eq!(upload(&server, Role::Seller, empty).await.wrong_fields(), ["file"]);
    let mut broken = png(PNG);
    broken.truncate(broken.len() - 20);
    assert_eq!(upload(&server, Role::Seller, broken).await.code(400), "malformed_json");
    assert!(server.images.stored().is_empty());
}

#[actix_web::test]
async fn a_signed_address_is_for_one_file() {
    let server = Server::new();
    let file = json!({ "file_name": "../김치.html", "file_type": "image/webp", "file_size": 345_678 });
    let data = presign(&server, Role::Seller, file).await.data(200);
    let file_url = data["file_url"].as_str().unwrap();
    let key = file_url.strip_prefix("https://cdn.example.com/").unwrap();
    assert!(key.starts_with("products/") && key.ends_with("/image.webp"), "{key}");
    assert_eq!(
        data,
        json!({
            "upload_url": format!("https://s3.example/{key}?size=345678&expires=3600"), "file_url": file_url,
            "method": "PUT", "headers": { "Content-Type": "image/webp" }, "expires_in": 3600,
        })
    );
}

#[actix_web::test]
async fn no_address_is_signed_for_what_would_be_refused() {
    let server = Server::new();
    let file = |file_type: &str, file_size: i64| json!({ "file_name": "a.png", "file_type": file_type, "file_size": file_size });
    let max = 10 * 1024 * 1024;
    assert_eq!(presign(&server, Role::Seller, file("image/png", max)).await.status, 200);
    assert_eq!(presign(&server, Role::Seller, file("image/png", max + 1)).await.code(413), "file_too_large");
    let svg = presign(&server, Role::Seller, file("image/svg+xml", 1)).await;
    assert_eq!(svg.code(415), "unsupported_media_type");
    assert_eq!(presign(&server, Role::Seller, file("image/png", 0)).await.wrong_fields(), ["file_size"]);
    let fields = presign(&server, Role::Seller, json!({})).await.wrong_fields();
    assert_eq!(fields, ["file_name", "file_size", "file_type"]);
}

#[actix_web::test]
async fn only_sellers_upload() {
    let server = Server::new();
    assert_eq!(upload(&server, Role::Buyer, png(PNG)).await.code(403), "forbidden");
    assert_eq!(presign(&server, Role::Buyer, json!({})).await.code(403), "forbidden");
}

#[actix_web::test]
async fn a_store_that_is_down_is_reported_as_such() {
    let server = Server::new();
    server.images.is_down.store(true, Ordering::Relaxed);
    let reply = upload(&server, Role::Seller, png(PNG)).await;
    assert_eq!((reply.code(503).as_str(), reply.header("retry-after")), ("storage_unavailable", "1"));
    let file = json!({ "file_name": "a.png", "file_type": "image/png", "file_size": 5 });
    assert_eq!(presign(&server, Role::Seller, file).await.code(503), "storage_unavailable");
}

/// Over a real socket: a server that closes while the client still sends can lose its own answer.
#[actix_web::test]
async fn who_sends_too_much_still_reads_the_answer() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Server::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/upload", listener.local_addr().unwrap());
    let config = ServerConfig { listener, tls: None, metrics: None, shutdown_grace: Duration::from_secs(10) };
    let running =
        ApiServer::start(config, actix_web::web::Data::clone(&server.edge), server.routes()).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(running.run(async move { _ = stopped.await }));

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let (_, token) = server.as_user(1, Role::Seller);
    for size in [10 * 1024 * 1024 + 1, 10_800_000, 12_000_000, 40_000_000] {
        let mut content = PNG.to_vec();
        content.resize(size, 7);
        let request = client.post(&url).header("authorization", &token).body(png(&content));
        let request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 413, "{size}");
        let body = response.text().await.unwrap();
        assert!(body.contains("file_too_large"), "{size}: {body}");
    }
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
