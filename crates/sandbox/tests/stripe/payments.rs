use serde_json::{Value, json};
use spicyjump_sandbox::stripe::StripeConfig;

use crate::support::{Shop, answer, text};

#[tokio::test]
async fn takes_a_payment_with_a_test_card() {
    let shop = Shop::open().await;
    let paid = shop.pay("pm_card_visa").await;
    assert_eq!(paid.status, 200);
    assert_eq!(paid.body["status"], "succeeded");
    assert_eq!(paid.body["amount_received"], 3300);
    assert_eq!(paid.body["metadata"]["order_id"], "5");
    let charge = shop.get(&format!("/v1/charges/{}", text(&paid.body["latest_charge"]))).await.body;
    assert_eq!((&charge["paid"], &charge["payment_intent"]), (&json!(true), &paid.body["id"]));
    let expected = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"];
    assert_eq!(shop.event_types(), expected);
}

#[tokio::test]
async fn a_declined_card_leaves_an_intent_that_can_be_tried_again() {
    let cases = [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("pm_card_chargeDeclinedFraudulent", "card_declined", "fraudulent"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
    ];
    let shop = Shop::open().await;
    for (card, code, decline_code) in cases {
        let declined = shop.pay(card).await;
        let error = &declined.body["error"];
        assert_eq!(declined.status, 402, "{card}");
        assert_eq!(
            (&error["type"], &error["code"], &error["decline_code"]),
            (&json!("card_error"), &json!(code), &json!(decline_code))
        );
        let intent = &error["payment_intent"];
        assert_eq!(intent["status"], "requires_payment_method");
        assert_eq!(intent["last_payment_error"]["decline_code"], decline_code);
        let form = [("payment_method", "pm_card_visa"), ("return_url", "https://shop.test")];
        let again = shop.post(&format!("/v1/payment_intents/{}/confirm", text(&intent["id"])), &form).await;
        assert_eq!(again.body["status"], "succeeded", "{card}");
    }
    assert!(shop.event_types().contains(&"payment_intent.payment_failed".to_owned()));
}

#[tokio::test]
async fn refuses_amounts_and_currencies_as_stripe_does() {
    let cases = [
        ("49", "usd", "amount_too_small"),
        ("49", "eur", "amount_too_small"),
        ("99", "krw", "amount_too_small"),
        ("100000000", "krw", "amount_too_large"),
        ("0", "usd", "parameter_invalid_integer"),
        ("10.5", "usd", "parameter_invalid_integer"),
    ];
    let shop = Shop::open().await;
    for (amount, currency, code) in cases {
        let refused = shop.post("/v1/payment_intents", &[("amount", amount), ("currency", currency)]).await;
        assert_eq!(
            (refused.status, &refused.body["error"]["code"]),
            (400, &json!(code)),
            "{amount} {currency}"
        );
    }
    for (form, param) in [
        ([("amount", "500"), ("currency", "USD")], "currency"),
        ([("amonut", "500"), ("currency", "usd")], "amonut"),
    ] {
        let refused = shop.post("/v1/payment_intents", &form).await;
        assert_eq!((refused.status, &refused.body["error"]["param"]), (400, &json!(param)));
    }
    assert!(shop.controls().intents().is_empty());
}

#[tokio::test]
async fn a_server_must_say_where_a_redirect_comes_back() {
    let shop = Shop::open().await;
    let id = text(&shop.intent().await["id"]);
    let path = format!("/v1/payment_intents/{id}/confirm");
    let refused = shop.post(&path, &[("payment_method", "pm_card_visa")]).await;
    assert_eq!(refused.status, 400);
    assert!(text(&refused.body["error"]["message"]).contains("return_url"));
    let form = [
        ("amount", "3300"),
        ("currency", "usd"),
        ("confirm", "true"),
        ("payment_method", "pm_card_visa"),
        ("automatic_payment_methods[enabled]", "true"),
        ("automatic_payment_methods[allow_redirects]", "never"),
    ];
    assert_eq!(shop.post("/v1/payment_intents", &form).await.body["status"], "succeeded");
}

#[tokio::test]
async fn cancels_only_what_still_requires_something() {
    let shop = Shop::open().await;
    let open = text(&shop.intent().await["id"]);
    let canceled = shop.post(&format!("/v1/payment_intents/{open}/cancel"), &[]).await;
    assert_eq!(canceled.body["status"], "canceled");
    let processing = text(&shop.pay("pm_usBankAccount").await.body["id"]);
    for (id, status) in [(open, "canceled"), (processing, "processing"), (shop.paid().await, "succeeded")] {
        let refused = shop.post(&format!("/v1/payment_intents/{id}/cancel"), &[]).await;
        let error = &refused.body["error"];
        assert_eq!((refused.status, &error["code"]), (400, &json!("payment_intent_unexpected_state")));
        assert_eq!(error["payment_intent"]["status"], status);
    }
}

#[tokio::test]
async fn a_slow_payment_ends_when_the_test_says_so() {
    let shop = Shop::open().await;
    for (succeeded, status) in [(true, "succeeded"), (false, "requires_payment_method")] {
        let intent = shop.pay("pm_usBankAccount").await.body;
        assert_eq!(intent["status"], "processing");
        let ended = shop.controls().finish_processing(&text(&intent["id"]), succeeded).unwrap();
        assert_eq!(ended["status"], status);
        assert!(shop.controls().finish_processing(&text(&intent["id"]), succeeded).is_err());
    }
}

#[tokio::test]
async fn asks_the_buyer_to_authenticate_where_the_card_wants_it() {
    let shop = Shop::open().await;
    for (page, status) in [("complete", "succeeded"), ("fail", "requires_payment_method")] {
        let intent = shop.pay("pm_card_authenticationRequired").await.body;
        assert_eq!(
            (&intent["status"], &intent["next_action"]["type"]),
            (&json!("requires_action"), &json!("redirect_to_url"))
        );
        let url = text(&intent["next_action"]["redirect_to_url"]["url"]);
        let shown = shop.http.get(&url).send().await.unwrap();
        assert_eq!(shown.status(), 200);
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let answered = client.post(format!("{url}/{page}")).send().await.unwrap();
        assert_eq!(answered.status(), 303);
        let back = answered.headers()["Location"].to_str().unwrap();
        assert!(back.starts_with("https://shop.test/back?payment_intent=pi_"), "{back}");
        let id = text(&intent["id"]);
        assert_eq!(shop.get(&format!("/v1/payment_intents/{id}")).await.body["status"], status);
    }
    assert!(shop.event_types().contains(&"payment_intent.requires_action".to_owned()));
}

#[tokio::test]
async fn a_browser_pays_with_the_publishable_key_and_the_client_secret() {
    let shop = Shop::open().await;
    let intent = shop.intent().await;
    let path = format!("/v1/payment_intents/{}", text(&intent["id"]));
    let secret = text(&intent["client_secret"]);
    let key = shop.config.publishable_key.clone();
    let card = [
        ("key", key.as_str()),
        ("payment_method_data[type]", "card"),
        ("payment_method_data[card][number]", "4242 4242 4242 4242"),
        ("payment_method_data[card][exp_month]", "12"),
        ("payment_method_data[card][exp_year]", "34"),
        ("payment_method_data[card][cvc]", "123"),
    ];
    let confirm =
        |form: Vec<(&'static str, String)>| shop.http.post(shop.url(&format!("{path}/confirm"))).form(&form);
    let owned = |form: &[(&'static str, &str)]| {
        form.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(answer(confirm(owned(&card)).send().await.unwrap()).await.status, 400);
    let mut form = owned(&card);
    form.push(("client_secret", secret.clone()));
    let paid = answer(confirm(form).header("Origin", "https://shop.test").send().await.unwrap()).await;
    assert_eq!((paid.status, &paid.body["status"]), (200, &json!("succeeded")));
    assert_eq!(paid.body["metadata"], Value::Null);
    let get = shop.http.get(shop.url(&path)).query(&[("key", &key), ("client_secret", &secret)]);
    assert_eq!(answer(get.send().await.unwrap()).await.body["status"], "succeeded");
    let log = serde_json::to_string(&shop.controls().requests()).unwrap();
    assert!(!log.contains("4242 4242"), "card numbers stay out of the log");
}

#[tokio::test]
async fn refuses_callers_without_the_right_key() {
    let shop = Shop::open().await;
    let create =
        || shop.http.post(shop.url("/v1/payment_intents")).form(&[("amount", "3300"), ("currency", "usd")]);
    for request in
        [create(), create().bearer_auth("sk_test_wrong"), create().bearer_auth(&shop.config.publishable_key)]
    {
        let refused = answer(request.send().await.unwrap()).await;
        assert_eq!((refused.status, &refused.body["error"]["type"]), (401, &json!("invalid_request_error")));
    }
    assert!(shop.controls().intents().is_empty());
}

#[tokio::test]
async fn finds_payments_by_metadata_and_lists_the_newest_first() {
    let shop = Shop::open().await;
    let first = shop.paid().await;
    let second = text(&shop.intent().await["id"]);
    let found = shop
        .get("/v1/payment_intents/search?query=metadata%5B'order_id'%5D%3A'5'%20AND%20status%3A'succeeded'")
        .await
        .body;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["id"], first.as_str());
    let page = shop.get("/v1/payment_intents?limit=1&created[gte]=1&expand[]=data.latest_charge").await.body;
    assert_eq!((&page["data"][0]["id"], &page["has_more"]), (&json!(second), &json!(true)));
    let rest = shop
        .get(&format!("/v1/payment_intents?starting_after={second}&expand[]=data.latest_charge"))
        .await
        .body;
    assert_eq!((&rest["data"][0]["id"], &rest["has_more"]), (&json!(first), &json!(false)));
    assert_eq!(rest["data"][0]["latest_charge"]["object"], "charge");
}

#[tokio::test]
async fn a_restarted_stand_in_still_knows_yesterdays_payment() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        StripeConfig { state_file: Some(folder.path().join("stripe.json")), ..StripeConfig::default() };
    let shop = Shop::open_with(config.clone()).await;
    let id = shop.paid().await;
    shop.stripe.stop().await;
    let shop = Shop::open_with(config).await;
    let refund = shop.post("/v1/refunds", &[("payment_intent", &id)]).await;
    assert_eq!((refund.status, &refund.body["amount"]), (200, &json!(3300)));
}
