//! Rate limits (contract §8): per user of a valid access token, else per client address; per process.
//!
//! Each window is a leaky bucket (GCRA): 100 an hour lets 100 through at once, then one every 36 s.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use spicyjump_domain::ids::UserId;

use crate::{
    context::RequestContext,
    current_user::Authentication,
    edge::Edge,
    error::{ApiError, ErrorCode},
};

/// Addresses that each window remembers at most; about 10 MiB. Beyond that, strangers share [`CROWDS`] buckets.
const MAX_KEYS: usize = 100_000;
const CROWDS: u64 = 1024;

/// How many requests are let through. Zero switches a limit off.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    /// Requests a day.
    pub per_day: u32,
    /// Requests an hour.
    pub per_hour: u32,
    /// Sign-ins a minute from one address.
    pub login_per_minute: u32,
}

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Caller {
    User(UserId),
    Address(IpAddr),
    /// Where too many addresses are remembered already: one of a fixed number of buckets.
    Crowd(u64),
}

impl Caller {
    /// A household or a phone has a whole /64 of IPv6 and moves in it at will.
    fn at(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Address(address),
            IpAddr::V6(v6) => Self::Address(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into()),
        }
    }
}

/// Where a caller stands in the window with the fewest requests left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    limit: u32,
    remaining: u32,
}

impl Standing {
    fn write(self, headers: &mut HeaderMap) {
        headers.insert(HeaderName::from_static("x-ratelimit-limit"), HeaderValue::from(self.limit));
        headers.insert(HeaderName::from_static("x-ratelimit-remaining"), HeaderValue::from(self.remaining));
    }
}

struct Window {
    limit: NonZeroU32,
    clock: DefaultClock,
    buckets: RateLimiter<Caller, DashMapStateStore<Caller>, DefaultClock, StateInformationMiddleware>,
}

impl Window {
    fn new(limit: u32, length: Duration) -> Option<Self> {
        let limit = NonZeroU32::new(limit)?;
        let quota = Quota::with_period(length / limit.get())?.allow_burst(limit);
        let buckets = RateLimiter::dashmap(quota).with_middleware();
        Some(Self { limit, clock: DefaultClock::default(), buckets })
    }

    /// Counts one request, or tells how long to wait.
    fn count(&self, caller: Caller) -> Result<Standing, (Standing, Duration)> {
        let limit = self.limit.get();
        match self.buckets.check_key(&self.key(caller)) {
            Ok(state) => Ok(Standing { limit, remaining: state.remaining_burst_capacity() }),
            Err(until) => Err((Standing { limit, remaining: 0 }, until.wait_time_from(self.clock.now()))),
        }
    }

    fn key(&self, caller: Caller) -> Caller {
        match caller {
            Caller::Address(address) if self.buckets.len() >= MAX_KEYS => {
                let mut hasher = DefaultHasher::new();
                address.hash(&mut hasher);
                Caller::Crowd(hasher.finish() % CROWDS)
            }
            known => known,
        }
    }
}

/// The windows of this process.
pub(crate) struct Limiter {
    all: Vec<Window>,
    login: Option<Window>,
}

impl Limiter {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let hour = Duration::from_hours(1);
        let all = [Window::new(limits.per_hour, hour), Window::new(limits.per_day, 24 * hour)];
        Self {
            all: all.into_iter().flatten().collect(),
            login: Window::new(limits.login_per_minute, Duration::from_mins(1)),
        }
    }

    /// Forgets callers whose buckets are full again; to be called every minute or so.
    pub(crate) fn sweep(&self) {
        for window in self.all.iter().chain(&self.login) {
            window.buckets.retain_recent();
            window.buckets.shrink_to_fit();
        }
    }

    /// Counts in every window that applies; `None` where none does.
    fn count(&self, caller: Caller, login: Option<Caller>) -> Result<Option<Standing>, (Standing, Duration)> {
        let mut tightest: Option<Standing> = None;
        let login = self.login.as_ref().zip(login);
        for (window, caller) in login.into_iter().chain(self.all.iter().map(|window| (window, caller))) {
            let standing = window.count(caller)?;
            if tightest.is_none_or(|known| standing.remaining < known.remaining) {
                tightest = Some(standing);
            }
        }
        Ok(tightest)
    }
}

fn is_counted(request: &ServiceRequest) -> bool {
    request.method() != Method::OPTIONS && is_counted_path(routed_path(request))
}

/// Not counted: the webhook, and what operators, readers of the docs and paying people need.
pub(crate) fn is_counted_path(path: &str) -> bool {
    let free = ["/v1/payments/callback", "/v1/openapi.json", "/healthz", "/readyz", "/metrics", "/docs"];
    !free.contains(&path) && !path.starts_with("/docs/") && !path.starts_with("/checkout/")
}

fn is_login(request: &ServiceRequest) -> bool {
    request.method() == Method::POST && routed_path(request) == "/v1/auth/login"
}

/// The path that routes are matched with: `/v1/auth/%6Cogin` is `/v1/auth/login` there, so it is here.
fn routed_path(request: &ServiceRequest) -> &str {
    request.match_info().as_str()
}

/// The middleware.
pub(crate) async fn limit(
    edge: Data<Edge>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if !is_counted(&request) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let address = request.extensions().get::<RequestContext>().map(|context| Caller::at(context.address));
    let user = match request.extensions().get() {
        Some(Authentication::User(session)) => Some(Caller::User(session.actor.id)),
        _ => None,
    };
    let login = address.filter(|_| is_login(&request));
    let Some(caller) = user.or(address) else { return Ok(next.call(request).await?.map_into_boxed_body()) };
    match edge.limiter.count(caller, login) {
        Ok(None) => Ok(next.call(request).await?.map_into_boxed_body()),
        Ok(Some(standing)) => match next.call(request).await {
            Ok(mut response) => {
                standing.write(response.headers_mut());
                Ok(response.map_into_boxed_body())
            }
            Err(mut error) => {
                error.add_response_mapper(move |mut response: HttpResponse| {
                    standing.write(response.headers_mut());
                    response
                });
                Err(error)
            }
        },
        Err((standing, wait)) => {
            let refusal = ApiError::new(ErrorCode::RateLimited).retry_after(wait);
            let mut response = request.error_response(refusal);
            standing.write(response.headers_mut());
            Ok(response)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use actix_web::test::TestRequest;

    use super::*;

    fn limiter(per_day: u32, per_hour: u32, login_per_minute: u32) -> Limiter {
        Limiter::new(RateLimits { per_day, per_hour, login_per_minute })
    }

    fn v4(last: u8) -> Caller {
        Caller::at(Ipv4Addr::new(203, 0, 113, last).into())
    }

    #[test]
    fn the_window_with_the_fewest_left_is_told_and_the_first_empty_one_refuses() {
        let limiter = limiter(1000, 3, 0);
        for remaining in [2, 1, 0] {
            assert_eq!(limiter.count(v4(1), None), Ok(Some(Standing { limit: 3, remaining })));
        }
        let (standing, wait) = limiter.count(v4(1), None).unwrap_err();
        assert_eq!(standing, Standing { limit: 3, remaining: 0 });
        assert!(wait > Duration::from_mins(19) && wait <= Duration::from_mins(20), "{wait:?}");
        assert!(limiter.count(v4(2), None).is_ok(), "others are not affected");
    }

    #[test]
    fn sign_ins_are_counted_by_address_on_top() {
        let limiter = limiter(0, 0, 5);
        assert_eq!(limiter.count(v4(1), None), Ok(None));
        for _ in 0..5 {
            assert!(limiter.count(v4(9), Some(v4(1))).is_ok());
        }
        assert!(limiter.count(v4(9), Some(v4(1))).is_err());
        assert!(limiter.count(v4(9), Some(v4(2))).is_ok());
    }

    #[test]
    fn zero_is_off() {
        assert_eq!(limiter(0, 0, 0).count(v4(1), Some(v4(1))), Ok(None));
    }

    #[test]
    fn a_whole_ipv6_network_of_64_bits_is_one_caller() {
        let at = |text: &str| Caller::at(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
    }

    #[test]
    fn a_million_addresses_do_not_fill_the_memory() {
        let limiter = limiter(0, 100, 0);
        for number in 0..1_000_000_u32 {
            let _ = limiter.count(Caller::at(Ipv4Addr::from_bits(number).into()), None);
        }
        let known = limiter.all[0].buckets.len();
        assert!(known <= MAX_KEYS + usize::try_from(CROWDS).unwrap(), "{known}");
        let user = Caller::User(UserId::new(1).unwrap());
        assert!(limiter.count(user, None).is_ok(), "people who are signed in keep their own count");
    }

    #[test]
    fn a_sign_in_is_one_however_its_address_is_written() {
        let login = |path| is_login(&TestRequest::post().uri(path).to_srv_request());
        for path in ["/v1/auth/login", "/v1/auth/login?x=1", "/v1/auth/%6cogin", "/%76%31/auth/logi%6E"] {
            assert!(login(path), "{path}");
        }
        assert!(!login("/v1/auth/register") && !login("/v1/auth%2flogin"));
    }

    #[test]
    fn some_requests_are_free() {
        let counted = |method, path| is_counted(&TestRequest::with_uri(path).method(method).to_srv_request());
        for path in
            ["/healthz", "/readyz", "/metrics", "/docs", "/docs/index.css", "/v1/openapi.json", "/checkout/7"]
        {
            assert!(!counted(Method::GET, path), "{path}");
        }
        assert!(!counted(Method::POST, "/v1/payments/callback"));
        assert!(!counted(Method::OPTIONS, "/v1/orders"));
        assert!(counted(Method::GET, "/v1/products") && counted(Method::GET, "/nowhere"));
    }
}
