//! What the API's routes work with, wired once and shared by all workers of the HTTP server.

use std::{net::SocketAddr, sync::Arc, thread};

use actix_web::web::Data;
use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusHandle;
use spicyjump_domain::{
    accounts::Accounts,
    caretaker::Caretaker,
    catalogue::Catalogue,
    clock::Clock,
    failure::StoreFailure,
    idempotency::IdempotencyStore,
    orders::{OrderStore, Orders},
    payments::Payments,
    placing::PlaceOrder,
    webhooks::Webhooks,
};
use spicyjump_http::{
    cdn_base::CdnBase,
    edge::{Edge, EdgeConfig},
    ended_sessions::{SessionEnds, SessionWatch},
    health::Readiness,
    limits::RateLimits,
    passwords::Argon2Passwords,
    routes::{
        self,
        checkout::{Checkout, CheckoutConfig},
        order_events::Watchers,
        uploads::ImageUploads,
    },
    secret_tokens::RandomTokens,
    tokens::AccessTokens,
};
use spicyjump_postgres::{Database, PgAccounts, PgCatalogue, PgIdempotency, PgPlacement, Presence};
use time::OffsetDateTime;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use crate::{adapters, clock::SystemClock, config::ServeConfig, failure::Failure, wiring};

/// Everything that a route may ask for.
#[derive(Clone)]
pub(crate) struct Services {
    place_order: Data<PlaceOrder>,
    orders: Data<Orders>,
    order_store: Data<dyn OrderStore>,
    watchers: Data<Watchers>,
    payments: Data<Payments>,
    pub(crate) caretaker: Data<Caretaker>,
    webhooks: Data<Webhooks>,
    checkout: Data<Checkout>,
    accounts: Data<Accounts>,
    catalogue: Data<Catalogue>,
    idempotency: Data<dyn IdempotencyStore>,
    images: Data<ImageUploads>,
    cdn_base: Data<CdnBase>,
    pub(crate) sessions: Data<SessionWatch>,
    tokens: Arc<AccessTokens>,
}

impl Services {
    /// Builds the adapters and puts the use cases on them. `bound` is where the API listens.
    ///
    /// # Errors
    /// A setting that only an adapter can check.
    pub(crate) fn new(config: &ServeConfig, database: &Database, bound: SocketAddr) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let checkout = checkout(config, bound);
        let caretaker = wiring::caretaker(&config.worker.payments, database, Arc::new(checkout.clone()))?;
        let payments = caretaker.payments.clone();
        let desk = payments.desk.clone();
        let presence = Presence::announce(database);
        let idempotency: Arc<dyn IdempotencyStore> = Arc::new(PgIdempotency::new(database.clone(), presence));
        let outbound = &config.worker.payments.store.outbound;
        let images = adapters::images(&config.images, outbound, Arc::clone(&clock))?;
        let lifetime = wiring::span(config.accounts.access_token_ttl);
        let tokens = Arc::new(AccessTokens::new(&config.accounts.jwt_secret, lifetime, Arc::clone(&clock)));
        let accounts = PgAccounts::new(database.clone());
        Ok(Self {
            place_order: Data::new(PlaceOrder {
                orders: Arc::new(PgPlacement::start(database)),
                clock: Arc::clone(&clock),
                payment_window: desk.policy.payment_window,
            }),
            orders: Data::new(Orders { desk: desk.clone() }),
            order_store: Data::from(Arc::clone(&desk.store)),
            watchers: Data::new(Watchers::start(Arc::clone(&desk.store))),
            webhooks: Data::new(Webhooks {
                desk,
                verifier: Arc::new(adapters::webhooks(&config.checkout, &config.worker.payments.stripe)?),
                clock: Arc::clone(&clock),
            }),
            payments: Data::new(payments),
            caretaker: Data::new(caretaker),
            checkout: Data::new(checkout),
            accounts: Data::new(use_cases(config, accounts.clone())),
            catalogue: Data::new(Catalogue { store: Arc::new(PgCatalogue::new(database.clone())), clock }),
            idempotency: Data::from(idempotency),
            images: Data::new(ImageUploads::new(Arc::new(images), config.images.cdn_base.clone())),
            cdn_base: Data::new(config.images.cdn_base.clone()),
            sessions: Data::new(SessionWatch::new(Arc::clone(&tokens), Arc::new(Ends(accounts)))),
            tokens,
        })
    }

    /// What every request meets before it reaches a route.
    pub(crate) fn edge(&self, config: &ServeConfig, database: &Database, metrics: PrometheusHandle) -> Edge {
        let edge = EdgeConfig {
            cors_origins: config.server.cors_origins.clone(),
            trusted_proxies: config.server.trusted_proxies.clone(),
            force_https: config.server.force_https,
            rate_limits: RateLimits {
                per_day: config.limits.per_day,
                per_hour: config.limits.per_hour,
                login_per_minute: config.limits.login_per_minute,
            },
            request_timeout: config.server.request_timeout,
            serve_metrics: config.worker.telemetry.metrics_addr.is_none(),
            trace_requests: config.worker.telemetry.traces_endpoint.is_some(),
        };
        Edge::new(edge, Arc::clone(&self.tokens), Arc::new(Migrated(database.clone())), metrics)
    }

    /// Registers the routes and what they work with.
    pub(crate) fn register(self, app: &mut ServiceConfig) {
        app.app_data(self.place_order)
            .app_data(self.orders)
            .app_data(self.order_store)
            .app_data(self.watchers)
            .app_data(self.payments)
            .app_data(self.caretaker)
            .app_data(self.webhooks)
            .app_data(self.checkout)
            .app_data(self.accounts)
            .app_data(self.catalogue)
            .app_data(self.idempotency)
            .app_data(self.images)
            .app_data(self.cdn_base)
            .app_data(self.sessions);
        routes::register(app);
    }
}

fn use_cases(config: &ServeConfig, store: PgAccounts) -> Accounts {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Accounts {
        store: Arc::new(store),
        passwords: Arc::new(Argon2Passwords::new(cores)),
        tokens: Arc::new(RandomTokens),
        clock: Arc::new(SystemClock),
        refresh_lifetime: wiring::span(config.accounts.refresh_token_ttl),
        reset_url_template: config.accounts.password_reset_url_template.clone(),
    }
}

fn checkout(config: &ServeConfig, bound: SocketAddr) -> Checkout {
    Checkout::new(CheckoutConfig {
        url_template: config.checkout.url_template.clone(),
        public_base_url: config.server.public_base_url(bound),
        // Missing only where a page of the frontend's own takes payments.
        publishable_key: config.checkout.publishable_key.clone().unwrap_or_default(),
        script_url: config.checkout.stripe_js_url.clone(),
        api_base: config.worker.payments.stripe.api_base.clone(),
        secret: config.accounts.jwt_secret.clone(),
    })
}

/// The database answers, and its schema is this program's.
struct Migrated(Database);

#[async_trait]
impl Readiness for Migrated {
    async fn check(&self) -> Result<(), StoreFailure> {
        if self.0.is_migrated().await? {
            Ok(())
        } else {
            Err(StoreFailure::Unavailable("its schema is older than this program".into()))
        }
    }
}

/// The ends of sessions, as the database has them.
struct Ends(PgAccounts);

#[async_trait]
impl SessionEnds for Ends {
    async fn ended_since(&self, since: OffsetDateTime) -> Result<Vec<(Uuid, OffsetDateTime)>, StoreFailure> {
        self.0.ended_sessions(since).await
    }
}
