use spicyjump_sandbox::stripe::DisputeStatus;

use crate::support::{Shop, text};

#[tokio::test]
async fn a_disputed_charge_cannot_be_refunded_until_the_dispute_is_won() {
    let shop = Shop::open().await;
    let id = shop.paid().await;
    let dispute = text(&shop.controls().dispute(&id, "product_not_received").unwrap()["id"]);
    let refused = shop.post("/v1/refunds", &[("payment_intent", &id)]).await;
    assert_eq!(refused.body["error"]["code"], "charge_disputed");
    shop.controls().advance_dispute(&dispute, DisputeStatus::UnderReview).unwrap();
    shop.controls().advance_dispute(&dispute, DisputeStatus::Won).unwrap();
    assert!(shop.controls().advance_dispute(&dispute, DisputeStatus::Lost).is_err());
    assert_eq!(shop.get(&format!("/v1/disputes/{dispute}")).await.body["status"], "won");
    assert_eq!(shop.post("/v1/refunds", &[("payment_intent", &id)]).await.status, 200);
    let told: Vec<_> = shop.event_types().into_iter().filter(|kind| kind.contains("dispute")).collect();
    let expected = ["created", "funds_withdrawn", "updated", "funds_reinstated", "closed"];
    assert_eq!(told, expected.map(|word| format!("charge.dispute.{word}")));
}

#[tokio::test]
async fn a_lost_dispute_keeps_the_money_away_for_good() {
    let shop = Shop::open().await;
    let id = text(&shop.pay("pm_card_createDispute").await.body["id"]);
    let open = shop.get(&format!("/v1/disputes?payment_intent={id}")).await.body;
    let dispute = text(&open["data"][0]["id"]);
    shop.controls().advance_dispute(&dispute, DisputeStatus::Lost).unwrap();
    assert_eq!(
        shop.post("/v1/refunds", &[("payment_intent", &id)]).await.body["error"]["code"],
        "charge_disputed"
    );
    assert!(!shop.event_types().contains(&"charge.dispute.funds_reinstated".to_owned()));
}
