//! Whose certificates are trusted.

use std::sync::Arc;

use crate::support::{At, config, machine_time};
use spicyjump_domain::images::ImageStore;
use spicyjump_s3::{S3Config, S3ImageStore};
use spicyjump_sandbox::tls::SelfMadeTls;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// A server that is happy with everything, over TLS.
async fn server(tls: &SelfMadeTls) -> String {
    let acceptor = TlsAcceptor::from(tls.server_config().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust us hangs up.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        }
    });
    endpoint
}

#[tokio::test]
async fn an_extra_root_is_trusted_and_nobody_elses() {
    let (made, other) =
        (SelfMadeTls::generate(&["127.0.0.1"]).unwrap(), SelfMadeTls::generate(&["127.0.0.1"]).unwrap());
    let endpoint = server(&made).await;
    let store = |roots: Option<&SelfMadeTls>| {
        let extra_roots = roots.map(|roots| roots.ca_pem().as_bytes().to_vec());
        let config = S3Config { extra_roots, ..config(endpoint.clone()) };
        S3ImageStore::new(config, Arc::new(At(machine_time()))).unwrap()
    };
    store(Some(&made)).check().await.unwrap();
    for roots in [None, Some(&other)] {
        let refused = store(roots).check().await.unwrap_err().to_string();
        assert_eq!(refused, "the image store is unavailable: the connection failed");
    }
}
