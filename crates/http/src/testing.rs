//! Helpers for tests of routes.

use std::{sync::Arc, time::Duration};

use actix_web::web::Data;
use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusBuilder;
use secrecy::SecretString;
use spicyjump_domain::{
    account::{Actor, Role},
    clock::Clock,
    failure::StoreFailure,
    ids::UserId,
};
use time::{OffsetDateTime, macros::datetime};
use uuid::Uuid;

use crate::{
    client_address::TrustedProxies,
    edge::{Edge, EdgeConfig},
    health::Readiness,
    limits::RateLimits,
    tokens::{AccessTokens, Session},
};

/// A clock that stands still.
pub(crate) struct FixedClock(OffsetDateTime);

impl FixedClock {
    pub(crate) fn at(now: OffsetDateTime) -> Self {
        Self(now)
    }
}

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        self.0
    }
}

struct Ready;

#[async_trait]
impl Readiness for Ready {
    async fn check(&self) -> Result<(), StoreFailure> {
        Ok(())
    }
}

/// An edge without limits, at 2025-11-19T10:00:00Z, changed as the test needs it.
pub(crate) fn edge(change: impl FnOnce(&mut EdgeConfig)) -> Data<Edge> {
    let mut config = EdgeConfig {
        cors_origins: vec!["https://spicyjump.com".to_owned()],
        trusted_proxies: TrustedProxies::default(),
        force_https: false,
        rate_limits: RateLimits { per_day: 0, per_hour: 0, login_per_minute: 0 },
        request_timeout: Duration::from_secs(10),
        serve_metrics: true,
        trace_requests: false,
    };
    change(&mut config);
    let clock = Arc::new(FixedClock::at(datetime!(2025-11-19 10:00 UTC)));
    let secret = SecretString::from("a secret of at least thirty-two bytes");
    let tokens = Arc::new(AccessTokens::new(&secret, time::Duration::minutes(15), clock));
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    Data::new(Edge::new(config, tokens, Arc::new(Ready), metrics))
}

/// An `Authorization` header for this user.
pub(crate) fn bearer(edge: &Edge, id: i64, role: Role) -> (&'static str, String) {
    let actor = Actor { id: UserId::new(id).unwrap(), role };
    let token = edge.tokens.issue(Session { actor, family: Uuid::from_u128(1) }).unwrap();
    ("Authorization", format!("Bearer {token}"))
}
