//! Watching an order by Server-Sent Events.

use serde_json::json;
use spicyjump_tests::{Shop, people::id};

#[tokio::test]
async fn a_watcher_sees_the_present_and_then_each_change_by_any_instance() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("10.00", 3).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 1)]).await);
    let second = shop.second_instance().await;

    let mut stream = buyer.watch(order, None).await;
    assert!(stream.content_type.starts_with("text/event-stream"));
    let first = stream.next().await.unwrap();
    assert_eq!(first.name, "status");
    assert_eq!(first.data["order_id"], order);
    assert_eq!((&first.data["status"], &first.data["payment_status"]), (&json!("pending"), &json!("unpaid")));
    assert!(first.data["at"].as_str().unwrap().ends_with('Z'));

    buyer.at(second.base()).pay(order).await;
    let paid = stream.until_status("paid").await;
    let parcel = json!({ "carrier": "CJ", "tracking_number": "1" });
    seller.at(second.base()).post(&format!("/v1/orders/{order}/ship"), &parcel).await.data(200);
    stream.until_status("shipped").await;

    let mut missed = buyer.at(second.base()).watch(order, Some(&first.id)).await;
    missed.until_status("paid").await;
    missed.until_status("shipped").await;
    let mut later = buyer.watch(order, Some(&paid.id)).await;
    assert_eq!(later.next().await.unwrap().data["status"], "shipped", "what was seen is not told again");
}

#[tokio::test]
async fn a_stream_ends_when_the_server_stops() {
    let mut shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 3).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 1)]).await);
    let mut stream = buyer.watch(order, None).await;
    stream.next().await.unwrap();
    let (code, end) = tokio::join!(shop.server.terminate(), stream.next());
    assert_eq!((code, end), (Some(0), None));
}
