//! Processes that die, and come back.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use spicyjump_sandbox::{
    postgres::ThrowawayCluster,
    stripe::{Fault, FaultPoint},
};
use spicyjump_tests::{
    AsMoney as _, Options, Shop, User,
    people::{id, order_body},
    program, until,
};

/// Places orders until the server does not answer; remembers each answer, and the key of the request without one.
async fn order_until_it_dies(buyer: &User, name: &str, product: i64, placed: &Mutex<Vec<i64>>) -> String {
    for turn in 0.. {
        let key = format!("{name}-{turn}");
        let call = buyer.request(Method::POST, "/v1/orders").key(&key).json(&order_body(&[(product, 1)]));
        match call.try_send().await {
            Ok(answer) => placed.lock().unwrap().push(id(&answer.data(201)["order"])),
            Err(_) => return key,
        }
    }
    unreachable!("the loop has no end of its own")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_that_was_answered_survives_kill_9() {
    let mut shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 1_000_000).await;
    let (buyer, admin) = (shop.buyer().await, shop.admin().await);
    let placed = Mutex::new(vec![]);
    for round in 0..20 {
        let buyers = (0..6).map(|task| {
            let (buyer, placed, name) = (&buyer, &placed, format!("{round}-{task}"));
            async move { order_until_it_dies(buyer, &name, product, placed).await }
        });
        let kill = async {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(20..250))).await;
            shop.server.kill_9().await;
        };
        let (unanswered, ()) = tokio::join!(join_all(buyers), kill);
        shop.restart().await;
        shop.audit().await;
        // Whether the last request of each had its effect or not: repeated, it has it once.
        for key in unanswered {
            let answer = buyer.post_once(&key, "/v1/orders", &order_body(&[(product, 1)])).await;
            placed.lock().unwrap().push(id(&answer.data(201)["order"]));
        }
    }
    let placed = placed.into_inner().unwrap();
    let total = admin.get("/v1/orders?limit=1").await.data(200)["pagination"]["total"].as_u64().unwrap();
    assert_eq!(total, placed.len() as u64, "each answered order exists, and no other");
    for order in &placed {
        buyer.see_order(*order).await;
    }
    assert_eq!(buyer.stock(product).await, 1_000_000 - i64::try_from(placed.len()).unwrap());
    shop.audit().await;
}

/// Where a call to Stripe stands still so that the server can be killed in the middle.
fn standstill(path: &str, point: FaultPoint) -> Fault {
    Fault { method: Some("POST".into()), path: path.into(), point, delay_ms: 400, ..Fault::default() }
}

/// Sends a request, and kills the server while Stripe is dealing with the call at `path`.
async fn killed_during(
    shop: &mut Shop,
    path: &str,
    request: impl Future<Output = reqwest::Result<spicyjump_tests::Answer>>,
) {
    let stripe = shop.stripe().clone();
    let before = stripe.requests().iter().filter(|seen| seen.path.contains(path)).count();
    let kill = async {
        until("the call is at Stripe", async || {
            stripe.requests().iter().filter(|seen| seen.path.contains(path)).count() > before
        })
        .await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..600))).await;
        shop.server.kill_9().await;
    };
    let (_, ()) = tokio::join!(request, kill);
    shop.restart().await;
}

#[tokio::test]
async fn a_purchase_cut_short_at_any_call_is_finished_once_by_a_repeat() {
    let mut shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 50).await;
    let buyer = shop.buyer().await;
    for path in ["/v1/payment_intents", "/confirm"] {
        for point in [FaultPoint::InFront, FaultPoint::AfterEffect] {
            let order = id(&buyer.order(&[(product, 1)]).await);
            let key = format!("{path}-{point:?}");
            let body = json!({ "order_id": order, "payment_method": "pm_card_visa" });
            let call = || buyer.request(Method::POST, "/v1/payments").key(&key).json(&body);
            shop.stripe().inject(standstill(path, point));
            killed_during(&mut shop, path, call().try_send()).await;
            until(&key, async || {
                let answer = call().send().await;
                let waits = ["idempotency_in_progress", "payment_provider_unavailable"]
                    .contains(&answer.code().as_str());
                assert!(answer.status < 300 || waits, "{key}: {}", answer.text());
                !waits
            })
            .await;
            buyer.await_order(order, "paid", "paid").await;
            assert_eq!(shop.intents_of(order).len(), 1, "{key}");
        }
    }
    assert_eq!(shop.events_of("charge.succeeded").len(), 4);
    shop.audit().await;
}

#[tokio::test]
async fn a_payment_cut_short_is_found_by_reconciling() {
    let mut shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 50).await;
    let buyer = shop.buyer().await;
    for path in ["/v1/payment_intents", "/confirm"] {
        let order = id(&buyer.order(&[(product, 1)]).await);
        let body = json!({ "order_id": order, "payment_method": "pm_card_visa" });
        let call = buyer.request(Method::POST, "/v1/payments").json(&body);
        shop.stripe().inject(standstill(path, FaultPoint::AfterEffect));
        killed_during(&mut shop, path, call.try_send()).await;
        shop.must_run(&["reconcile"]).await;
        shop.audit().await;
        let answer = buyer.try_pay(order, Some("pm_card_visa")).await;
        assert!([200, 201, 409].contains(&answer.status), "{}", answer.text());
        buyer.await_order(order, "paid", "paid").await;
        assert_eq!(shop.intents_of(order).len(), 1, "{path}");
    }
    assert_eq!(shop.events_of("charge.succeeded").len(), 2);
    shop.audit().await;
}

#[tokio::test]
async fn a_refund_cut_short_is_made_once() {
    let mut shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 50).await;
    let (buyer, admin) = (shop.buyer().await, shop.admin().await);
    for point in [FaultPoint::InFront, FaultPoint::AfterEffect] {
        let (order, payment) = buyer.buy(&[(product, 1)]).await;
        let before = shop.stripe().refunds().len();
        let path = format!("/v1/payments/{}/refunds", id(&payment));
        let key = format!("{point:?}");
        let call = || admin.request(Method::POST, &path).key(&key).json(&json!({ "amount": 4 }));
        shop.stripe().inject(standstill("/v1/refunds", point));
        killed_during(&mut shop, "/v1/refunds", call().try_send()).await;
        until(&key, async || {
            let answer = call().send().await;
            let waits =
                ["idempotency_in_progress", "payment_provider_unavailable"].contains(&answer.code().as_str());
            assert!(answer.status == 201 || waits, "{key}: {}", answer.text());
            !waits
        })
        .await;
        let seen = buyer.await_order(order, "paid", "partially_refunded").await;
        assert_eq!(seen["refunded_amount"].money(), "4.00");
        assert_eq!(shop.stripe().refunds().len(), before + 1, "{key}");
    }
    shop.audit().await;
}

#[tokio::test]
async fn a_stop_finishes_what_runs() {
    let mut shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 50).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 1)]).await);
    shop.stripe().inject(Fault { delay_ms: 800, ..standstill("/confirm", FaultPoint::AfterEffect) });
    let stripe = shop.stripe().clone();
    let stop = async {
        until("the call is at Stripe", async || {
            stripe.requests().iter().any(|seen| seen.path.ends_with("/confirm"))
        })
        .await;
        shop.server.terminate().await
    };
    let (answer, code) = tokio::join!(buyer.try_pay(order, Some("pm_card_visa")), stop);
    assert_eq!(answer.data(201)["payment"]["status"], "succeeded");
    assert_eq!(code, Some(0));
    shop.restart().await;
    buyer.await_order(order, "paid", "paid").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_restarts_is_503_for_a_while_and_nothing_else() {
    let mut cluster = ThrowawayCluster::start().await.unwrap();
    cluster.create_database("shop").await.unwrap();
    keep_what_is_committed(&cluster).await;
    let shop = Shop::start(Options::default().database(cluster.url("shop"))).await;
    let product = shop.seller().await.product("10.00", 1_000_000).await;
    let buyer = shop.buyer().await;
    let stop = AtomicBool::new(false);
    let placed = Mutex::new((0_i64, 0_i64));
    let load = join_all((0..8).map(|_| async {
        while !stop.load(Ordering::Relaxed) {
            let answer = buyer.try_order(&[(product, 1)]).await;
            match answer.status {
                201 => placed.lock().unwrap().0 += 1,
                503 => {
                    let code = answer.code();
                    assert!(["database_unavailable", "overloaded"].contains(&code.as_str()), "{code}");
                    placed.lock().unwrap().1 += 1;
                }
                other => panic!("{other}: {}", answer.text()),
            }
        }
    }));
    let restart = async {
        for hard in [false, true] {
            tokio::time::sleep(Duration::from_millis(400)).await;
            if hard {
                cluster.kill().await.unwrap();
            }
            cluster.restart().await.unwrap();
            let before = placed.lock().unwrap().0;
            until("orders are taken again", async || placed.lock().unwrap().0 > before).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, restart);
    assert!(placed.lock().unwrap().1 > 0, "somebody met the restart");
    let answered = placed.lock().unwrap().0;
    let sold = 1_000_000 - buyer.stock(product).await;
    assert!(sold >= answered, "{answered} orders answered, {sold} sold");
    assert_eq!(shop.api().get("/readyz").await.status, 200);
    shop.audit().await;
    drop(shop);
    cluster.remove().await.unwrap();
}

#[tokio::test]
async fn a_webhook_that_cannot_be_recorded_is_asked_for_again_and_then_counts() {
    let mut cluster = ThrowawayCluster::start().await.unwrap();
    cluster.create_database("shop").await.unwrap();
    keep_what_is_committed(&cluster).await;
    let shop = Shop::start(Options::default().database(cluster.url("shop"))).await;
    let product = shop.seller().await.product("10.00", 5).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 2)]).await);
    shop.stripe().hold_webhooks();
    let secure =
        buyer.try_pay(order, Some("pm_card_authenticationRequired")).await.data(201)["payment"].clone();
    shop.stripe().authenticate(secure["provider_payment_id"].as_str().unwrap(), true).unwrap();
    let succeeded = shop.events_of("payment_intent.succeeded")[0].clone();

    cluster.kill().await.unwrap();
    let delivery = shop.stripe().deliver(&succeeded).await.unwrap();
    assert_eq!(delivery.status, Some(503), "neither lost nor refused for good");
    cluster.restart().await.unwrap();
    until("it is taken", async || shop.stripe().deliver(&succeeded).await.unwrap().status == Some(200)).await;
    buyer.await_order(order, "paid", "paid").await;
    shop.audit().await;
    drop(shop);
    cluster.remove().await.unwrap();
}

#[tokio::test]
async fn instances_that_start_at_once_migrate_once() {
    let database = spicyjump_sandbox::postgres::TestDatabase::create().await;
    let directory = tempfile::tempdir().unwrap();
    let settings = [("DATABASE_URL", database.url().to_owned())];
    let migrations = (0..4).map(|_| program::run(&["migrate"], &settings, directory.path()));
    for output in join_all(migrations).await {
        assert!(output.status.success(), "{}", program::words(&output));
    }
}

/// A throwaway cluster answers before it has written; the shop's must not.
async fn keep_what_is_committed(cluster: &ThrowawayCluster) {
    let (client, connection) =
        tokio_postgres::connect(&cluster.url("shop"), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("ALTER DATABASE shop SET synchronous_commit = on").await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}
