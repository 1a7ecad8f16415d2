use spicyjump_tests::Shop;

#[tokio::test]
async fn an_order_is_placed() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("15.00", 3).await;
    let buyer = shop.buyer().await;
    let (order, _) = buyer.buy(&[(product, 2)]).await;
    buyer.await_order(order, "paid", "paid").await;
    shop.audit().await;
}
