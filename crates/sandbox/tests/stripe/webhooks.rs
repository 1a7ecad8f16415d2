use serde_json::json;
use spicyjump_sandbox::stripe::{StripeConfig, signature_header};

use crate::support::{Shop, inbox, text, until};

async fn shop_with_webhooks() -> (Shop, std::sync::Arc<crate::support::Inbox>) {
    let (inbox, url) = inbox();
    let shop = Shop::open_with(StripeConfig { webhook_url: Some(url), ..StripeConfig::default() }).await;
    (shop, inbox)
}

#[tokio::test]
async fn tells_of_a_payment_with_a_signed_event() {
    let (shop, inbox) = shop_with_webhooks().await;
    let id = shop.paid().await;
    until("all is delivered", || shop.controls().webhooks_under_way() == 0).await;
    let received = inbox.received.lock().unwrap().clone();
    assert_eq!(received.len(), 3);
    let succeeded = received.iter().find(|one| one.event()["type"] == "payment_intent.succeeded").unwrap();
    let timestamp = succeeded.signature.split(',').next().unwrap().trim_start_matches("t=").parse().unwrap();
    assert_eq!(
        succeeded.signature,
        signature_header(&shop.config.webhook_secret, timestamp, &succeeded.payload)
    );
    let event = succeeded.event();
    assert_eq!((&event["object"], &event["livemode"]), (&json!("event"), &json!(false)));
    assert_eq!(event["data"]["object"]["id"], id.as_str());
    assert!(text(&event["request"]["id"]).starts_with("req_"));
    assert_eq!(shop.get(&format!("/v1/events/{}", text(&event["id"]))).await.body, event);
    assert_eq!(shop.get("/v1/events?limit=2").await.body["has_more"], true);
}

#[tokio::test]
async fn tries_again_until_the_shop_accepts() {
    let (shop, inbox) = shop_with_webhooks().await;
    inbox.answers.lock().unwrap().extend([500, 302]);
    shop.intent().await;
    until("the third attempt is accepted", || shop.controls().webhooks_under_way() == 0).await;
    let statuses: Vec<_> = shop.controls().deliveries().iter().map(|one| one.status).collect();
    assert_eq!(statuses, [Some(500), Some(302), Some(200)]);
}

#[tokio::test]
async fn a_test_chooses_when_and_in_which_order_events_arrive() {
    let (shop, inbox) = shop_with_webhooks().await;
    shop.controls().hold_webhooks();
    shop.paid().await;
    let held = shop.controls().held_webhooks();
    for id in held.iter().rev() {
        assert_eq!(shop.controls().deliver(id).await.unwrap().status, Some(200));
    }
    let backwards = ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"];
    assert_eq!(inbox.types(), backwards);
    shop.controls().release_webhooks();
    until("each arrives a second time", || inbox.types().len() == 6).await;
}

#[tokio::test]
async fn an_event_can_get_lost_and_be_sent_again_by_hand() {
    let (shop, inbox) = shop_with_webhooks().await;
    shop.controls().drop_webhooks("payment_intent.", 2);
    shop.paid().await;
    until("the rest is delivered", || shop.controls().webhooks_under_way() == 0).await;
    assert_eq!(inbox.types(), ["charge.succeeded"]);
    let lost = shop.controls().events().pop().unwrap();
    shop.controls().deliver(&text(&lost["id"])).await.unwrap();
    assert_eq!(inbox.types(), ["charge.succeeded", "payment_intent.succeeded"]);
}

#[tokio::test]
async fn any_event_can_be_made_up() {
    let (shop, inbox) = shop_with_webhooks().await;
    let id = shop.controls().emit("capybara.born", &json!({ "id": "cap_1", "object": "capybara" }));
    until("it is delivered", || !inbox.types().is_empty()).await;
    assert_eq!(inbox.received.lock().unwrap()[0].event()["id"], id.as_str());
}
