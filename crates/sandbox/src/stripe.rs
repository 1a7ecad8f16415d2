//! A local Stripe: payment intents, refunds, disputes, events and webhooks, and a Stripe.js for the browser.
//!
//! It speaks Stripe's protocol (form bodies, error objects, `Idempotency-Key`, signed webhooks), so the production
//! adapter runs against it unchanged. Deliberately absent: customers, manual capture, saved cards, payouts, live mode.
//! Start reading at [`StripeStandIn`]; a request's way is `server` → `routes` → `intents`, `refunds`, …, all of which
//! change one `Ledger` behind one lock. What only tests ask for is in [`StripeControls`].

mod auth;
mod cards;
mod challenge;
mod charges;
mod confirm;
mod controls;
mod disputes;
mod elements;
mod error;
mod events;
mod faults;
mod form;
mod idempotency;
mod ids;
mod intents;
mod ledger;
mod lists;
mod money;
mod refunds;
mod requests;
mod routes;
mod sandbox_routes;
mod server;
mod state_file;
mod webhooks;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_cors::Cors;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use auth::Caller;
pub use controls::StripeControls;
pub use disputes::DisputeStatus;
pub use error::ApiError;
pub use faults::{Fault, FaultAnswer, FaultPoint};
pub use ledger::API_VERSION;
pub use requests::SeenRequest;
pub use webhooks::{Delivery, signature_header};

/// How a stand-in is set up. The default listens on any free loopback port and has well-known test keys.
#[derive(Clone)]
pub struct StripeConfig {
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// `sk_test_…`.
    pub secret_key: String,
    /// `pk_test_…`.
    pub publishable_key: String,
    /// `whsec_…`; the whole text is the HMAC key.
    pub webhook_secret: String,
    /// Where events go; nowhere if absent.
    pub webhook_url: Option<String>,
    /// Keeps intents, charges, refunds and disputes between runs, as JSON. Its folder must exist.
    pub state_file: Option<PathBuf>,
}

impl Default for StripeConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            secret_key: "sk_test_sandbox".to_owned(),
            publishable_key: "pk_test_sandbox".to_owned(),
            webhook_secret: "whsec_sandbox".to_owned(),
            webhook_url: None,
            state_file: None,
        }
    }
}

/// What the server, the webhooks and the controls share.
pub(crate) struct Shared {
    config: StripeConfig,
    ledger: Mutex<ledger::Ledger>,
    /// Rings when the books may have changed.
    changed: Notify,
    /// The next save is the last.
    stopping: AtomicBool,
    http: reqwest::Client,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, ledger::Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running stand-in. It lives until [`StripeStandIn::stop`], or as long as the runtime it was started in.
pub struct StripeStandIn {
    controls: StripeControls,
    server: actix_web::dev::ServerHandle,
    listening: JoinHandle<()>,
    delivering: JoinHandle<()>,
    saving: JoinHandle<()>,
}

/// The receiver's time to answer a webhook.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

impl StripeStandIn {
    /// Starts a stand-in inside the running tokio runtime. A rustls crypto provider must be installed.
    ///
    /// # Errors
    /// The address is taken, or the state file cannot be read.
    pub async fn start(config: StripeConfig) -> io::Result<Self> {
        let books = match &config.state_file {
            Some(path) => state_file::load(path).await?,
            None => ledger::Books::default(),
        };
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none()) // A redirect counts as a failed delivery.
            .timeout(WEBHOOK_TIMEOUT)
            .build()
            .map_err(io::Error::other)?;
        let listener = std::net::TcpListener::bind(config.bind)?;
        let (webhooks, incoming) = webhooks::Webhooks::new(config.webhook_url.clone());
        let ledger = ledger::Ledger {
            books,
            events: std::collections::BTreeMap::default(),
            webhooks,
            idempotency: idempotency::IdempotencyKeys::default(),
            faults: faults::Faults::default(),
            requests: std::collections::VecDeque::default(),
            cause: ledger::Cause::default(),
            base_url: format!("http://{}", listener.local_addr()?),
        };
        let shared = Arc::new(Shared {
            config,
            ledger: Mutex::new(ledger),
            changed: Notify::new(),
            stopping: AtomicBool::new(false),
            http,
        });
        let data = Data::from(Arc::clone(&shared));
        let server =
            HttpServer::new(move || App::new().app_data(data.clone()).configure(routes_of_all_pages))
                .workers(1)
                .disable_signals()
                .shutdown_timeout(1)
                .listen(listener)?
                .run();
        let handle = server.handle();
        let listening = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the Stripe stand-in has stopped");
            }
        });
        let delivering = tokio::spawn(webhooks::dispatch(Arc::clone(&shared), incoming));
        let saving = tokio::spawn(state_file::keep_saving(Arc::clone(&shared)));
        Ok(Self { controls: StripeControls::new(shared), server: handle, listening, delivering, saving })
    }

    /// Where it listens, such as `http://127.0.0.1:40001`: the API base and the origin of its Stripe.js.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.controls.base_url()
    }

    /// What a test can see and do; cheap to clone.
    #[must_use]
    pub fn controls(&self) -> &StripeControls {
        &self.controls
    }

    /// Stops listening and delivering, and saves the books.
    pub async fn stop(self) {
        self.server.stop(false).await;
        self.listening.abort();
        self.delivering.abort();
        self.controls.save_for_the_last_time();
        if self.saving.await.is_err() {
            tracing::warn!("the Stripe stand-in could not save its books");
        }
    }
}

fn routes_of_all_pages(app: &mut web::ServiceConfig) {
    app.service(web::scope("/v1").wrap(Cors::permissive()).default_service(web::to(server::handle)))
        .service(web::scope("/_sandbox").default_service(web::to(sandbox_routes::handle)))
        .configure(elements::routes);
}
