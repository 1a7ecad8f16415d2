use crate::support::Shop;

#[tokio::test]
async fn serves_a_browser_all_that_a_checkout_page_needs() {
    let shop = Shop::open().await;
    for (path, kind, content) in [
        ("/v3/", "text/javascript; charset=utf-8", "window.Stripe"),
        ("/v3", "text/javascript; charset=utf-8", "window.Stripe"),
        ("/elements/card?locale=ko", "text/html; charset=utf-8", "Card number"),
        ("/elements/card.js", "text/javascript; charset=utf-8", "incomplete_number"),
        ("/elements/locale.js", "text/javascript; charset=utf-8", "data-ko"),
        ("/elements/done.js", "text/javascript; charset=utf-8", "challenge-answered"),
        ("/elements/elements.css", "text/css; charset=utf-8", ".error"),
    ] {
        let page = shop.http.get(shop.url(path)).send().await.unwrap();
        assert_eq!(
            (page.status().as_u16(), page.headers()["Content-Type"].to_str().unwrap()),
            (200, kind),
            "{path}"
        );
        assert!(page.text().await.unwrap().contains(content), "{path}");
    }
}

#[tokio::test]
async fn a_script_of_another_origin_may_read_the_answers() {
    let shop = Shop::open().await;
    let request =
        shop.http.get(shop.url("/v1/payment_intents/pi_unknown")).header("Origin", "https://shop.test");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["Access-Control-Allow-Origin"], "https://shop.test");
    let preflight = shop
        .http
        .request(reqwest::Method::OPTIONS, shop.url("/v1/payment_intents"))
        .header("Origin", "https://shop.test")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "authorization");
    assert_eq!(preflight.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_challenge_is_answered_only_once_and_in_a_frame_stays_there() {
    let shop = Shop::open().await;
    let form = [
        ("amount", "15000"),
        ("currency", "krw"),
        ("confirm", "true"),
        ("use_stripe_sdk", "true"),
        ("payment_method", "pm_card_threeDSecure2Required"),
    ];
    let intent = shop.post("/v1/payment_intents", &form).await.body;
    let page = intent["next_action"]["use_stripe_sdk"]["stripe_js"].as_str().unwrap().to_owned();
    let answered = shop.http.post(format!("{page}/complete")).send().await.unwrap();
    assert_eq!(answered.status(), 200);
    assert!(answered.text().await.unwrap().contains("/elements/done.js"));
    assert_eq!(shop.controls().intents()[0]["status"], "succeeded");
    assert_eq!(shop.http.post(format!("{page}/fail")).send().await.unwrap().status(), 404);
    assert_eq!(shop.http.get(&page).send().await.unwrap().status(), 404);
}
