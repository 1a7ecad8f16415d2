//! Rate limits (contract §8).

use reqwest::Method;
use serde_json::json;
use spicyjump_tests::{Answer, Options, Shop, User};

fn window(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("x-ratelimit-limit"), answer.header("x-ratelimit-remaining"))
}

async fn log_in(shop: &Shop, path: &str, address: &str) -> Answer {
    let body = json!({ "email": "stranger@example.com", "password": "Wrong1horse@" });
    shop.api().request(Method::POST, path).header("X-Forwarded-For", address).json(&body).send().await
}

#[tokio::test]
async fn an_address_has_so_many_requests_an_hour_and_a_user_as_many_of_their_own() {
    let options = Options::default().set("RATE_LIMIT_PER_HOUR", 5).set("RATE_LIMIT_PER_DAY", 100);
    let shop = Shop::start(options).await;
    let buyer: User = shop.buyer().await;
    let get = || shop.api().request(Method::GET, "/v1/products").header("Origin", "https://spicyjump.com");
    for left in ["3", "2", "1", "0"] {
        let answer = get().send().await;
        assert_eq!((answer.status, window(&answer)), (200, (Some("5"), Some(left))));
    }
    let refused = get().header("X-Forwarded-For", "203.0.113.9").send().await;
    refused.refused(429, "rate_limited");
    assert_eq!(window(&refused), (Some("5"), Some("0")));
    let wait: u32 = refused.header("retry-after").and_then(|wait| wait.parse().ok()).expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://spicyjump.com"));

    shop.api().get("/nowhere").await.refused(429, "rate_limited");
    shop.api().with_token("forged").get("/v1/products").await.refused(429, "rate_limited");
    for free in ["/healthz", "/readyz", "/metrics", "/docs/", "/v1/openapi.json", "/checkout/1"] {
        let answer = shop.api().get(free).await;
        assert_ne!(answer.status, 429, "{free}");
        assert_eq!(window(&answer), (None, None), "{free}");
    }
    shop.deliver_signed("{}", None).await.refused(400, "invalid_signature");
    let mine = buyer.get("/v1/products").await;
    assert_eq!((mine.status, window(&mine)), (200, (Some("5"), Some("4"))));
}

#[tokio::test]
async fn the_window_with_the_fewest_left_is_told() {
    let shop =
        Shop::start(Options::default().set("RATE_LIMIT_PER_HOUR", 50).set("RATE_LIMIT_PER_DAY", 2)).await;
    for left in ["1", "0"] {
        assert_eq!(window(&shop.api().get("/v1/categories").await), (Some("2"), Some(left)));
    }
    shop.api().get("/v1/categories").await.refused(429, "rate_limited");
}

#[tokio::test]
async fn guesses_at_passwords_are_slowed_down_however_they_are_sent() {
    let options =
        Options::default().set("RATE_LIMIT_LOGIN_PER_MINUTE", 3).set("TRUSTED_PROXIES", "127.0.0.0/8");
    let shop = Shop::start(options).await;
    let login = "/v1/auth/login";
    for _ in 0..3 {
        log_in(&shop, login, "203.0.113.1").await.refused(401, "invalid_credentials");
    }
    // What a client writes into the header itself stands before what the proxy adds.
    for address in ["203.0.113.1", "198.51.100.7, 203.0.113.1"] {
        for path in [login, "/v1/auth/login?again", "/v1/auth/%6cogin", "/%761/auth/logi%6E"] {
            log_in(&shop, path, address).await.refused(429, "rate_limited");
        }
    }
    log_in(&shop, login, "203.0.113.2").await.refused(401, "invalid_credentials");

    for host in 1..=3 {
        log_in(&shop, login, &format!("2001:db8::{host}")).await.refused(401, "invalid_credentials");
    }
    log_in(&shop, login, "2001:db8::ffff:4").await.refused(429, "rate_limited");
    log_in(&shop, login, "2001:db8:0:1::1").await.refused(401, "invalid_credentials");
}
