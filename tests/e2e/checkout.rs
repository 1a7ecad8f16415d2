//! The checkout page in a real browser.

use serde_json::json;
use spicyjump_tests::{
    Shop, User,
    checkout::{CheckoutPage, DESKTOP, EMPTY_CARD, GOOD_CARD, PHONE, SECURE_CARD},
    people::id,
    until,
};

/// A buyer whose order of 33.00 dollars waits for its payment.
async fn unpaid(shop: &Shop) -> (User, i64, serde_json::Value) {
    let product = shop.seller().await.product("33.00", 2).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 1)]).await);
    let payment = buyer.start_payment(order).await;
    (buyer, order, payment)
}

#[tokio::test]
async fn a_card_is_declined_and_another_one_pays() {
    let shop = Shop::open().await;
    let (buyer, order, payment) = unpaid(&shop).await;
    let page = CheckoutPage::open(&shop, &payment, "en", DESKTOP).await;
    assert!(page.0.text("main").await.contains("$33.00"));

    page.enter_card(EMPTY_CARD).await;
    page.pay().await;
    assert!(page.message("error").await.contains("insufficient funds"));
    page.screenshot(&shop.directory().join("declined.png")).await;
    assert_eq!(buyer.await_order(order, "pending", "failed").await["status"], "pending");

    page.enter_card(GOOD_CARD).await;
    page.pay().await;
    assert_eq!(page.message("good").await, "Payment complete. Thank you!");
    page.screenshot(&shop.directory().join("paid.png")).await;
    assert_eq!(buyer.see_order(order).await["status"], "paid", "the page waits for the shop's word");
    assert_eq!(shop.intent()["status"], "succeeded");
    let complaints = page.0.complaints().await;
    let own: Vec<_> = complaints.iter().filter(|line| !line.contains("402")).collect();
    assert!(own.is_empty(), "{own:?}");
    shop.audit().await;
}

#[tokio::test]
async fn a_bank_that_asks_who_is_paying_gets_its_answer() {
    let shop = Shop::open().await;
    let (buyer, order, payment) = unpaid(&shop).await;
    let page = CheckoutPage::open(&shop, &payment, "en", DESKTOP).await;
    page.enter_card(SECURE_CARD).await;
    page.pay().await;

    let challenge = page.0.find("iframe[src*='3d_secure']").await;
    page.screenshot(&shop.directory().join("challenge.png")).await;
    page.0.enter(Some(&challenge)).await;
    page.0.click("#test-source-authorize-3ds").await;
    page.0.enter(None).await;

    page.message("good").await;
    buyer.await_order(order, "paid", "paid").await;
}

#[tokio::test]
async fn a_bank_that_refuses_after_a_while_lets_the_buyer_try_another_card() {
    let shop = Shop::open().await;
    let (buyer, order, payment) = unpaid(&shop).await;
    buyer.try_pay(order, Some("pm_usBankAccount")).await.data(200);
    let page = CheckoutPage::open(&shop, &payment, "en", DESKTOP).await;
    let shown = async || page.0.text("#message").await;
    until("the page waits for the bank", async || shown().await.contains("bank is processing")).await;
    shop.stripe().finish_processing(payment["provider_payment_id"].as_str().unwrap(), false).unwrap();
    assert_eq!(page.message("error").await, "The payment failed. Please try again.");

    page.enter_card(GOOD_CARD).await;
    page.pay().await;
    page.message("good").await;
    buyer.await_order(order, "paid", "paid").await;
}

#[tokio::test]
async fn the_page_is_korean_for_korean_readers_and_fits_a_phone() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product_in("KRW", "15000", 2).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 1)]).await);
    let payment = buyer.start_payment(order).await;
    let page = CheckoutPage::open(&shop, &payment, "ko", PHONE).await;

    let shown = page.0.text("main").await;
    assert!(
        shown.contains("결제하기") && shown.contains("₩15,000") && shown.contains("매운 라면"),
        "{shown}"
    );
    page.0.find("#payment-element iframe").await;
    page.screenshot(&shop.directory().join("phone.png")).await;
    let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(page.0.script(overflow).await, 0, "nothing is cut off at the side");

    page.enter_card(GOOD_CARD).await;
    page.pay().await;
    assert_eq!(page.message("good").await, "결제가 완료되었습니다. 감사합니다!");
    buyer.await_order(order, "paid", "paid").await;
    assert_eq!(shop.intent()["amount"], 15_000, "won have no cents");
}

#[tokio::test]
async fn the_page_is_used_by_keyboard_alone() {
    let shop = Shop::open().await;
    let (buyer, order, payment) = unpaid(&shop).await;
    let page = CheckoutPage::open(&shop, &payment, "en", DESKTOP).await;
    page.enter_card(GOOD_CARD).await;
    let button = page.0.find("#pay").await;
    page.0.type_into(&button, "\u{E007}").await;
    page.message("good").await;
    buyer.await_order(order, "paid", "paid").await;
}

#[tokio::test]
async fn a_paid_order_is_shown_as_paid_and_not_asked_for_again() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("33.00", 2).await;
    let buyer = shop.buyer().await;
    let (order, payment) = buyer.buy(&[(product, 1)]).await;
    buyer.await_order(order, "paid", "paid").await;
    let page = CheckoutPage::open(&shop, &payment, "en", DESKTOP).await;
    page.message("good").await;
    assert_eq!(page.0.script("return document.getElementById('payment-form').hidden").await, true);
}

#[tokio::test]
async fn the_page_opens_only_with_its_key_and_lets_in_nobody_but_stripe() {
    let shop = Shop::open().await;
    let (_, _, payment) = unpaid(&shop).await;
    let url = payment["checkout_url"].as_str().unwrap();
    let path = url.strip_prefix(shop.server.base()).unwrap();
    let page = shop.api().get(path).await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let without_key = path.split('?').next().unwrap();
    shop.api().get(without_key).await.refused(404, "payment_not_found");
    shop.api().get(&format!("{path}&key=again")).await.refused(404, "payment_not_found");
    shop.api()
        .get(&format!("{without_key}?key=00000000000000000000000000000000"))
        .await
        .refused(404, "payment_not_found");
}

#[tokio::test]
async fn a_frontend_with_a_page_of_its_own_is_linked_instead() {
    let template = "https://shop.test/pay/{order_id}?payment={payment_id}&secret={client_secret}";
    let shop = Shop::start(spicyjump_tests::Options::default().set("CHECKOUT_URL_TEMPLATE", template)).await;
    let (_, order, payment) = unpaid(&shop).await;
    let secret = payment["client_secret"].as_str().unwrap();
    let expected = format!("https://shop.test/pay/{order}?payment={}&secret={secret}", id(&payment));
    assert_eq!(payment["checkout_url"], json!(expected));
}
