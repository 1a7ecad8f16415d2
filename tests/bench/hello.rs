//! A bare actix service, of the same build as the shop's server: the limit of what answers over HTTP here.
//!
//! `spicyjump-bench-hello 127.0.0.1:PORT`

use actix_web::{App, HttpResponse, HttpServer, web};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let hello = || App::new().default_service(web::to(async || HttpResponse::Ok().body("hello")));
    HttpServer::new(hello).bind(address)?.run().await
}
