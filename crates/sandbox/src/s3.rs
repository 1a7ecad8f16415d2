//! A local S3: the real protocol over a folder, signatures checked.
//!
//! It stands in for two neighbours of the real bucket as well: it answers browsers from other origins as a bucket with
//! a CORS rule does, and it serves objects to anyone by plain `GET`, as a CDN before the bucket would.

mod cors;
mod fault;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, HttpResponse, S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use fault::Fault;

/// Where the server listens, and what it accepts.
#[derive(Clone, Debug)]
pub struct S3Config {
    /// The address to listen on; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The folder that holds the bucket's folder; made where it is missing.
    pub root: PathBuf,
    /// The only access key it knows.
    pub access_key: String,
    /// That key's secret.
    pub secret_key: String,
    /// The bucket, which exists from the start.
    pub bucket: String,
}

impl S3Config {
    /// A server for tests: bucket `test`, a free port, keys of no secrecy.
    #[must_use]
    pub fn for_tests(root: PathBuf) -> Self {
        Self {
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            root,
            access_key: "test-access-key".to_owned(),
            secret_key: "test-secret-key".to_owned(),
            bucket: "test".to_owned(),
        }
    }
}

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum S3StandInError {
    /// The bucket's folder can't be used.
    #[error("can't use {} as an S3 bucket: {reason}", folder.display())]
    Folder {
        /// The bucket's folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The address can't be listened on.
    #[error("the S3 stand-in can't listen on {address}: {source}")]
    Bind {
        /// The wished address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// A running server. It ends with this value.
#[derive(Debug)]
pub struct S3StandIn {
    address: SocketAddr,
    bucket: String,
    fault: watch::Sender<Fault>,
    accepting: JoinHandle<()>,
}

impl S3StandIn {
    /// Starts the server.
    ///
    /// # Errors
    /// When the folder can't be used, or the address is taken.
    pub async fn start(config: S3Config) -> Result<Self, S3StandInError> {
        let service = service(&config).await?;
        let bind = |source| S3StandInError::Bind { address: config.bind, source };
        let listener = TcpListener::bind(config.bind).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let (fault, faults) = watch::channel(Fault::None);
        let accepting = tokio::spawn(accept(listener, service, faults));
        Ok(Self { address, bucket: config.bucket, fault, accepting })
    }

    /// `http://127.0.0.1:port`, the endpoint for an S3 client that addresses buckets by path.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where an object's key is appended for a plain `GET`: the base URL and the bucket, without a slash at the end.
    #[must_use]
    pub fn cdn_base_url(&self) -> String {
        format!("{}/{}", self.base_url(), self.bucket)
    }

    /// From now on, every request meets `fault`; [`Fault::None`] ends it, for those that hang already too.
    pub fn set_fault(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Stops at once: the port is closed, and requests under way are cut.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // Its end is the cancellation just asked for.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for S3StandIn {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn service(config: &S3Config) -> Result<S3Service, S3StandInError> {
    let folder = config.root.join(&config.bucket);
    let unusable = |reason: String| S3StandInError::Folder { folder: folder.clone(), reason };
    tokio::fs::create_dir_all(&folder).await.map_err(|error| unusable(error.to_string()))?;
    let files = s3s_fs::FileSystem::new(&config.root).map_err(|error| unusable(format!("{error:?}")))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(config.access_key.as_str(), config.secret_key.as_str()));
    builder.set_access(AnyoneReads);
    Ok(builder.build())
}

/// Objects are open to everyone, as behind a CDN; all else needs a signature.
struct AnyoneReads;

#[async_trait::async_trait]
impl S3Access for AnyoneReads {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        // A key is a file's path here, and s3s-fs keeps it below the root but not below the bucket.
        let leaves_bucket = |(_, key): (&str, &str)| key.split('/').any(|part| part == "..");
        if context.s3_path().as_object().is_some_and(leaves_bucket) {
            return Err(s3_error!(AccessDenied, "This key would leave the bucket"));
        }
        let reads_object = matches!(context.s3_op().name(), "GetObject" | "HeadObject");
        if reads_object || context.credentials().is_some() {
            Ok(())
        } else {
            Err(s3_error!(AccessDenied, "Signature is required"))
        }
    }
}

/// Serves until it is aborted, and its connections with it: the set ends them as it is dropped.
async fn accept(listener: TcpListener, service: S3Service, faults: watch::Receiver<Fault>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (service, faults) = (service.clone(), faults.clone());
                    connections.spawn(async move {
                        let answer = service_fn(move |request| answer(service.clone(), faults.clone(), request));
                        let server = Builder::new(TokioExecutor::new());
                        // A connection's failure is its client's business.
                        let _ = server.serve_connection(TokioIo::new(stream), answer).await;
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: without a pause this would spin.
                    tracing::warn!(%error, "the S3 stand-in can't accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(
    service: S3Service,
    mut faults: watch::Receiver<Fault>,
    request: Request<Incoming>,
) -> Result<HttpResponse, HttpError> {
    let origin = cors::Origin::of(&request);
    let response = if let Some(refusal) = fault::meet(&mut faults).await {
        refusal
    } else if request.method() == Method::OPTIONS {
        cors::preflight(&request)
    } else {
        service.call(request.map(Body::from)).await?
    };
    Ok(origin.allow(response))
}
