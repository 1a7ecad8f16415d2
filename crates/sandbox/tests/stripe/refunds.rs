use serde_json::json;

use crate::support::{Shop, text};

#[tokio::test]
async fn gives_money_back_in_parts_but_never_more_than_was_taken() {
    let shop = Shop::open().await;
    let id = shop.paid().await;
    let part = shop
        .post("/v1/refunds", &[("payment_intent", &id), ("amount", "1300"), ("metadata[order_id]", "5")])
        .await;
    assert_eq!((&part.body["status"], &part.body["amount"]), (&json!("succeeded"), &json!(1300)));
    let beyond = shop.post("/v1/refunds", &[("payment_intent", &id), ("amount", "2001")]).await;
    assert_eq!(beyond.status, 400);
    assert!(text(&beyond.body["error"]["message"]).contains("greater than unrefunded amount on charge"));
    let rest =
        shop.post("/v1/refunds", &[("payment_intent", &id), ("reason", "requested_by_customer")]).await;
    assert_eq!(rest.body["amount"], 2000);
    let again = shop.post("/v1/refunds", &[("payment_intent", &id)]).await;
    assert_eq!(again.body["error"]["code"], "charge_already_refunded");
    let listed = shop.get(&format!("/v1/refunds?payment_intent={id}")).await.body;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let one = shop.get(&format!("/v1/refunds/{}", text(&part.body["id"]))).await.body;
    assert_eq!(one, part.body);
}

#[tokio::test]
async fn an_unpaid_intent_has_nothing_to_refund() {
    let shop = Shop::open().await;
    let id = text(&shop.intent().await["id"]);
    assert_eq!(shop.post("/v1/refunds", &[("payment_intent", &id)]).await.status, 400);
    assert_eq!(shop.post("/v1/refunds", &[("payment_intent", "pi_unknown")]).await.status, 404);
}

#[tokio::test]
async fn a_dashboard_refund_is_told_by_events() {
    let shop = Shop::open().await;
    let id = shop.paid().await;
    shop.controls().refund(&id, Some(300)).unwrap();
    let types = shop.event_types();
    assert!(types.ends_with(&["refund.created".to_owned(), "charge.refunded".to_owned()]), "{types:?}");
    let event = shop.controls().events().pop().unwrap();
    assert_eq!(event["data"]["object"]["amount_refunded"], 300);
    assert_eq!(event["request"]["id"], json!(null));
}

#[tokio::test]
async fn a_refund_that_fails_puts_the_money_back_into_the_charge() {
    let shop = Shop::open().await;
    let id = text(&shop.pay("pm_card_pendingRefund").await.body["id"]);
    let refund = shop.post("/v1/refunds", &[("payment_intent", &id)]).await.body;
    assert_eq!(refund["status"], "pending");
    let failed = shop.controls().finish_refund(&text(&refund["id"]), false).unwrap();
    assert_eq!(failed["status"], "failed");
    assert!(shop.event_types().contains(&"refund.failed".to_owned()));
    assert_eq!(shop.post("/v1/refunds", &[("payment_intent", &id)]).await.body["amount"], 3300);
}
