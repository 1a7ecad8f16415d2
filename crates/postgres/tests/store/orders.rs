//! Orders: the contract that every store passes, and what only a real database can show.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use futures_util::future::join_all;
use spicyjump_domain::{
    failure::StoreFailure,
    idempotency::{Answer, Once, OnceConflict, OnceKey, Replayable},
    ids::{OrderId, PaymentId, ProductId, UserId},
    mail::Mail,
    money::{Currency, Money},
    order::ShippingAddress,
    payment::{LedgerEntry, LedgerKind},
    placing::{Cart, CartLine, OrderAnswer, OrderPlacement, OrderRequest, Placed, Refusal, Shortage},
    testing::contract::{Fixture, order_placement_contract, order_store_contract},
};
use spicyjump_postgres::{PgOrders, PgPlacement};
use time::{Duration, OffsetDateTime};
use tokio_postgres::types::ToSql;

use crate::support::{NOW, Shop};

impl Shop {
    async fn id(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> i64 {
        self.sql.query_one(sql, params).await.unwrap().get(0)
    }

    async fn user(&self, role: &str) -> UserId {
        let sql = "INSERT INTO users (email, password_hash, name, role, locale, created_at) \
                   VALUES (gen_random_uuid() || '@example.com', 'x', 'Kim', $1, 'ko', now()) RETURNING id";
        UserId::new(self.id(sql, &[&role]).await).unwrap()
    }

    /// A published product by plain SQL.
    async fn goods(&self, seller: UserId, price: Money, stock: i64) -> ProductId {
        Fixture::product(self, seller, price, stock).await
    }
}

#[async_trait]
impl Fixture for Shop {
    async fn buyer(&self) -> UserId {
        self.user("buyer").await
    }

    async fn seller(&self) -> UserId {
        self.user("seller").await
    }

    async fn product(&self, seller: UserId, price: Money, stock: i64) -> ProductId {
        let sql = "WITH p AS ( \
                       INSERT INTO products (seller_id, name, price_minor, currency, status, created_at, updated_at) \
                       VALUES ($1, 'Kimchi', $2, $3, 'published', now(), now()) RETURNING id \
                   ), s AS (INSERT INTO stock (product_id, available) SELECT id, $4 FROM p) \
                   INSERT INTO stock_movements (product_id, kind, delta, at) \
                   SELECT id, 'opening', $4, now() FROM p RETURNING product_id";
        let id = self.id(sql, &[&seller.get(), &price.minor(), &price.currency().code(), &stock]).await;
        ProductId::new(id).unwrap()
    }

    async fn archive(&self, product: ProductId) {
        let sql = "UPDATE products SET status = 'archived' WHERE id = $1";
        self.sql.execute(sql, &[&product.get()]).await.unwrap();
    }

    async fn stock_of(&self, product: ProductId) -> i64 {
        let sql = "SELECT available, (SELECT sum(delta)::bigint FROM stock_movements m WHERE m.product_id = s.product_id) \
                   FROM stock s WHERE product_id = $1";
        let row = self.sql.query_one(sql, &[&product.get()]).await.unwrap();
        let (available, moved): (i64, i64) = (row.get(0), row.get(1));
        assert_eq!(available, moved, "stock and movements of product {product}");
        available
    }

    async fn mails_to(&self, person: UserId) -> Vec<Mail> {
        let sql = "SELECT mail::text FROM outbox WHERE mail -> 'to' ->> 'email' = \
                   (SELECT email FROM users WHERE id = $1) ORDER BY id";
        let rows = self.sql.query(sql, &[&person.get()]).await.unwrap();
        rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect()
    }

    async fn ledger_of(&self, order: OrderId) -> Vec<LedgerEntry> {
        let sql = "SELECT payment_id, kind, amount_minor, currency, provider_object, (extract(epoch FROM at) * 1000000)::bigint \
                   FROM ledger_entries WHERE order_id = $1 ORDER BY id";
        let rows = self.sql.query(sql, &[&order.get()]).await.unwrap();
        let kinds = [
            LedgerKind::Captured,
            LedgerKind::Refunded,
            LedgerKind::RefundReversed,
            LedgerKind::Disputed,
            LedgerKind::Reinstated,
        ];
        rows.iter()
            .map(|row| LedgerEntry {
                payment_id: PaymentId::new(row.get(0)).unwrap(),
                kind: kinds.into_iter().find(|kind| kind.code() == row.get::<_, &str>(1)).unwrap(),
                amount: Money::new(row.get(2), Currency::from_code(row.get(3)).unwrap()).unwrap(),
                provider_object: row.get(4),
                at: OffsetDateTime::from_unix_timestamp_nanos(i128::from(row.get::<_, i64>(5)) * 1000)
                    .unwrap(),
            })
            .collect()
    }
}

fn address() -> ShippingAddress {
    ShippingAddress {
        recipient: "Kim".into(),
        phone: "010".into(),
        line1: "1".into(),
        line2: None,
        city: "Seoul".into(),
        region: None,
        postal_code: "04524".into(),
        country: "KR".into(),
    }
}

fn request(buyer_id: UserId, lines: &[(ProductId, u32)]) -> OrderRequest {
    let line = |(product_id, quantity): &(ProductId, u32)| CartLine {
        product_id: *product_id,
        quantity: *quantity,
        shown_prices: vec![],
    };
    OrderRequest {
        buyer_id,
        cart: Cart::new(lines.iter().map(line)).unwrap(),
        shipping_address: address(),
        note: None,
        at: NOW,
        payment_window: Duration::minutes(30),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_contract_of_stores() {
    let shop = Shop::open().await;
    let (orders, placement) = (PgOrders::new(shop.database.clone()), PgPlacement::start(&shop.database));
    order_placement_contract(&placement, &orders, &shop).await;
    order_store_contract(&orders, &placement, &shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sells_exactly_what_is_there_to_crossing_carts() {
    let shop = Shop::open().await;
    // Two adapters, as two instances have: their batches meet in the database.
    let placements = [PgPlacement::start(&shop.database), PgPlacement::start(&shop.database)];
    let (seller, buyer) = (shop.user("seller").await, shop.user("buyer").await);
    let price = Money::new(1_000, Currency::Usd).unwrap();
    let (a, b) = (shop.goods(seller, price, 100).await, shop.goods(seller, price, 100).await);

    let carts = (0..400).map(|n| if n % 2 == 0 { [(a, 1), (b, 1)] } else { [(b, 1), (a, 1)] });
    let placed = join_all(carts.enumerate().map(|(n, cart)| {
        let placement = placements[n % 2].clone();
        async move { placement.place(request(buyer, &cart), None).await }
    }))
    .await;

    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in placed {
        let key = match outcome.unwrap().unwrap() {
            Replayable::Fresh(Ok(_)) => "placed",
            Replayable::Fresh(Err(Refusal::OutOfStock(short))) => {
                assert!(!short.is_empty());
                "short"
            }
            other => panic!("{other:?}"),
        };
        *outcomes.entry(key).or_default() += 1;
    }
    assert_eq!(outcomes, BTreeMap::from([("placed", 100), ("short", 300)]));
    assert_eq!((shop.stock_of(a).await, shop.stock_of(b).await), (0, 0));
}

/// Waits until so many sessions of this database wait for a lock.
async fn blocked(shop: &Shop, sessions: i64) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        shop.run("SELECT pg_stat_clear_snapshot()").await;
        let query = "SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        if shop.value::<i64>(query).await == sessions {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "never {sessions} sessions that wait");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_before_their_turn_has_no_order() {
    let shop = Shop::open().await;
    let placement = PgPlacement::start(&shop.database);
    let (seller, buyer) = (shop.user("seller").await, shop.user("buyer").await);
    let product = shop.goods(seller, Money::new(1_000, Currency::Usd).unwrap(), 10).await;
    let place = || {
        let placement = placement.clone();
        async move { placement.place(request(buyer, &[(product, 1)]), None).await }
    };
    // A batch is under way, and waits.
    shop.run("BEGIN; SELECT FROM stock FOR UPDATE").await;
    let first = tokio::spawn(place());
    blocked(&shop, 1).await;
    // Two join the queue, of whom one is not waited for.
    let second = tokio::spawn(place());
    let mut third = Box::pin(place());
    assert!(futures_util::poll!(&mut third).is_pending());
    drop(third);
    shop.run("COMMIT").await;

    for under_way in [first, second] {
        under_way.await.unwrap().unwrap().unwrap();
    }
    place().await.unwrap().unwrap();
    assert_eq!(shop.stock_of(product).await, 7, "the third came to nothing");
}

/// Places an order of two pieces, which somebody else holds up who has done `first`, and does `then` before they commit.
async fn overtaken(
    shop: &Shop,
    product: ProductId,
    buyer: UserId,
    [first, then]: [&str; 2],
) -> Result<Result<Replayable<Placed>, OnceConflict>, StoreFailure> {
    let once = Once {
        key: OnceKey { user: buyer, path: "POST /v1/orders".into(), key: "k".into() },
        fingerprint: [7; 32],
    };
    let answer: OrderAnswer = Arc::new(|_| Some(Answer { status: 201, body: b"ours".to_vec() }));
    let placement = PgPlacement::start(&shop.database);
    shop.run(&format!("BEGIN; {first}")).await;
    let request = request(buyer, &[(product, 2)]);
    let waiting = tokio::spawn(async move { placement.place(request, Some((once, answer))).await });
    blocked(shop, 1).await;
    shop.run(&format!("{then}; COMMIT")).await;
    waiting.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_stock_is_taken_meanwhile_is_decided_anew() {
    let shop = Shop::open().await;
    let product = shop.goods(shop.user("seller").await, Money::new(1_000, Currency::Usd).unwrap(), 5).await;
    let take = "UPDATE stock SET available = available - 4; \
                INSERT INTO stock_movements (product_id, kind, delta, at) SELECT product_id, 'change', -4, now() FROM stock";
    let outcome = overtaken(&shop, product, shop.user("buyer").await, [take, ""]).await;
    let Ok(Ok(Replayable::Fresh(Err(Refusal::OutOfStock(short))))) = outcome else { panic!("{outcome:?}") };
    assert_eq!(short, [Shortage { product_id: product, requested: 2, available: 1 }]);
    assert_eq!(shop.stock_of(product).await, 1);
    assert_eq!(shop.value::<i64>("SELECT count(*) FROM orders").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_key_is_used_meanwhile_gets_the_answer_that_was_kept() {
    // As another instance does that was overtaken: the stock first, then the key. Nobody waits in a circle.
    let shop = Shop::open().await;
    let product = shop.goods(shop.user("seller").await, Money::new(1_000, Currency::Usd).unwrap(), 5).await;
    let buyer = shop.user("buyer").await;
    let keep = format!(
        "INSERT INTO idempotency_keys (user_id, path, key, fingerprint, status, body) \
         VALUES ({buyer}, 'POST /v1/orders', 'k', decode(repeat('07', 32), 'hex'), 201, 'theirs')"
    );
    let outcome = overtaken(&shop, product, buyer, ["SELECT FROM stock FOR UPDATE", &keep]).await;
    let Ok(Ok(Replayable::Replayed(kept))) = outcome else { panic!("{outcome:?}") };
    assert_eq!(kept, Answer { status: 201, body: b"theirs".to_vec() });
    assert_eq!(shop.stock_of(product).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_on_disk_when_it_is_answered() {
    let shop = Shop::open().await;
    // A value that nobody else sets, before the first connection of the pool.
    shop.run(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = local', current_database()); END $$; \
         CREATE TABLE seen (setting text); \
         CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ \
         BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$; \
         CREATE TRIGGER see AFTER INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION see()",
    )
    .await;
    let product = shop.goods(shop.user("seller").await, Money::new(1_000, Currency::Usd).unwrap(), 5).await;
    let buyer = shop.user("buyer").await;
    let placement = PgPlacement::start(&shop.database);
    placement.place(request(buyer, &[(product, 2)]), None).await.unwrap().unwrap();
    // And once more, decided anew under locks.
    overtaken(&shop, product, buyer, ["UPDATE stock SET available = 1", ""]).await.unwrap().unwrap();
    assert_eq!(shop.value::<Vec<String>>("SELECT array_agg(setting) FROM seen").await, ["local", "local"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_order_does_not_hurt_its_batch() {
    let shop = Shop::open().await;
    let placement = Arc::new(PgPlacement::start(&shop.database));
    let (seller, buyer) = (shop.user("seller").await, shop.user("buyer").await);
    let product = shop.goods(seller, Money::new(1_000, Currency::Usd).unwrap(), 1_000).await;
    let nobody = UserId::new(i64::MAX).unwrap();

    let placed = join_all((0..60).map(|n| {
        let (placement, who) = (Arc::clone(&placement), if n % 10 == 0 { nobody } else { buyer });
        async move { (who, placement.place(request(who, &[(product, 1)]), None).await) }
    }))
    .await;

    for (who, outcome) in placed {
        assert_eq!(outcome.is_ok(), who == buyer, "{outcome:?}");
    }
    assert_eq!(shop.stock_of(product).await, 1_000 - 54);
}
