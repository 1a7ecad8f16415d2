//! Many people at once: nothing is oversold, nothing is lost, nobody gets an error of ours.

use futures_util::future::join_all;
use serde_json::json;
use spicyjump_tests::{Answer, Shop, User, people::id, until};

async fn buyers(shop: &Shop, number: usize) -> Vec<User> {
    let mut buyers = vec![];
    while buyers.len() < number {
        // A few at once: every registration keeps a core busy for a while.
        buyers.extend(join_all((0..8.min(number - buyers.len())).map(|_| shop.buyer())).await);
    }
    buyers
}

fn is_placed(answer: &Answer) -> bool {
    if answer.status == 201 {
        return true;
    }
    answer.refused(409, "out_of_stock");
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_buyers_share_fifty_pieces() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 50).await;
    let buyers = buyers(&shop, 64).await;
    let wanted: Vec<u32> = buyers.iter().map(|_| fastrand::u32(1..=3)).collect();
    let orders = buyers
        .iter()
        .zip(&wanted)
        .map(|(buyer, quantity)| async move { buyer.try_order(&[(product, *quantity)]).await });
    let answers = join_all(orders).await;
    let placed = answers.iter().map(is_placed);
    let sold: u32 = placed.zip(&wanted).filter(|(placed, _)| *placed).map(|(_, quantity)| *quantity).sum();
    let left = buyers[0].stock(product).await;
    assert_eq!(i64::from(sold) + left, 50);
    let smallest_refused = answers
        .iter()
        .zip(&wanted)
        .filter(|(answer, _)| answer.status == 409)
        .map(|(_, quantity)| *quantity)
        .min();
    assert!(
        smallest_refused.is_none_or(|quantity| left < i64::from(quantity)),
        "nobody was refused what was there"
    );
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_over_the_same_products_in_opposite_order_all_end() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let (first, second) = (seller.product("1.00", 40).await, seller.product("1.00", 40).await);
    let buyers = buyers(&shop, 4).await;
    let one = async |turn: usize| {
        let lines =
            if turn.is_multiple_of(2) { [(first, 1), (second, 1)] } else { [(second, 1), (first, 1)] };
        buyers[turn % buyers.len()].try_order(&lines).await
    };
    let answers = join_all((0..120).map(one)).await;
    assert_eq!(answers.iter().filter(|answer| is_placed(answer)).count(), 40);
    assert_eq!((buyers[0].stock(first).await, buyers[0].stock(second).await), (0, 0));
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_buyers_of_the_last_piece_are_one_sale_and_one_charge() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let buyers = buyers(&shop, 2).await;
    for _ in 0..5 {
        let product = seller.product("10.00", 1).await;
        let before = shop.stripe().intents().len();
        let purchase = async |buyer: &User| {
            let answer = buyer.try_order(&[(product, 1)]).await;
            if is_placed(&answer) {
                buyer.pay(id(&answer.json()["data"]["order"])).await;
            }
        };
        tokio::join!(purchase(&buyers[0]), purchase(&buyers[1]));
        assert_eq!(shop.stripe().intents().len(), before + 1);
    }
    shop.audit().await;
}

/// One step of somebody's life in the shop. Refusals are part of it; errors of ours are not.
async fn step(world: &World, random: &mut fastrand::Rng) {
    let buyer = &world.buyers[random.usize(..world.buyers.len())];
    let product = world.products[random.usize(..world.products.len())];
    let orders = buyer.get("/v1/orders?limit=20").await.data(200)["orders"].as_array().unwrap().clone();
    let order = (!orders.is_empty()).then(|| orders[random.usize(..orders.len())].clone());
    let answer = match (random.u8(..12), order) {
        (0..=3, _) | (_, None) => {
            let other = world.products[random.usize(..world.products.len())];
            buyer.try_order(&[(product, random.u32(1..=3)), (other, random.u32(1..=2))]).await
        }
        (4..=6, Some(order)) => {
            let methods = [
                "pm_card_visa",
                "pm_card_visa",
                "pm_card_chargeDeclined",
                "pm_usBankAccount",
                "pm_card_authenticationRequired",
            ];
            buyer.try_pay(id(&order), Some(methods[random.usize(..methods.len())])).await
        }
        (7, Some(order)) => buyer.cancel(id(&order)).await,
        (8, Some(order)) => {
            let parcel = json!({ "carrier": "CJ", "tracking_number": "1" });
            world.seller.post(&format!("/v1/orders/{}/ship", id(&order)), &parcel).await
        }
        (9, Some(order)) => {
            let payment = buyer.try_pay(id(&order), None).await;
            if ![200, 201].contains(&payment.status) {
                return;
            }
            let amount = json!({ "amount": random.u32(1..=20) });
            world.admin.try_refund(id(&payment.json()["data"]["payment"]), &amount).await
        }
        (10, _) => {
            let change = json!({ "delta": random.i32(-3..=5), "reason": "count" });
            world.seller.post(&format!("/v1/products/{product}/stock"), &change).await
        }
        (_, _) => {
            world.finish_something(random);
            return;
        }
    };
    assert!(answer.status < 500, "{}", answer.text());
}

struct World {
    shop: Shop,
    seller: User,
    admin: User,
    buyers: Vec<User>,
    products: Vec<i64>,
}

impl World {
    /// The bank, or the buyer at its page, comes to an end.
    fn finish_something(&self, random: &mut fastrand::Rng) {
        for intent in self.shop.stripe().intents() {
            let name = intent["id"].as_str().unwrap();
            // It may have ended in this moment; that is the point.
            match intent["status"].as_str() {
                Some("processing") => drop(self.shop.stripe().finish_processing(name, random.bool())),
                Some("requires_action") => drop(self.shop.stripe().authenticate(name, random.bool())),
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_wild_day_the_books_balance() {
    let shop = Shop::start(spicyjump_tests::Options::default().window(3).reconcile_after(1)).await;
    let (seller, admin) = (shop.seller().await, shop.admin().await);
    let mut products = vec![];
    for _ in 0..4 {
        products.push(seller.product("10.00", 25).await);
    }
    let buyers = buyers(&shop, 8).await;
    let world = World { shop, seller, admin, buyers, products };
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let task = async |number: u64| {
        let mut random = fastrand::Rng::with_seed(seed.wrapping_add(number));
        for _ in 0..12 {
            step(&world, &mut random).await;
        }
    };
    join_all((0..32).map(task)).await;
    world.shop.audit().await;

    until("all banks are done and all is told", async || {
        world.finish_something(&mut fastrand::Rng::new());
        let open = world.shop.stripe().intents().iter().any(|intent| intent["status"] == "processing");
        !open && world.shop.stripe().webhooks_under_way() == 0
    })
    .await;
    until("nobody waits any more", async || {
        world.admin.get("/v1/orders?status=pending").await.data(200)["pagination"]["total"] == 0
    })
    .await;
    world.shop.audit().await;
    for intent in world.shop.stripe().intents().iter().filter(|intent| intent["status"] == "succeeded") {
        let order = intent["metadata"]["order_id"].as_str().unwrap().parse().unwrap();
        let order = world.admin.see_order(order).await;
        let owns = ["paid", "shipped", "delivered", "refunded"].contains(&order["status"].as_str().unwrap());
        assert!(
            owns || order["payment_status"] == "refunded",
            "the money is neither owned nor back: {order}"
        );
    }
}
