//! Products, their stock and their categories (contract §3).

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use spicyjump_tests::{Answer, Shop, User, people::id};

fn wrong_fields(answer: &Answer) -> Vec<String> {
    let body = answer.refused(422, "validation_failed");
    body["errors"].as_object().expect("errors by field").keys().cloned().collect()
}

async fn create(seller: &User, body: Value) -> Value {
    seller.post("/v1/products", &body).await.data(201)["product"].clone()
}

async fn delete(user: &User, path: &str) -> Answer {
    user.request(Method::DELETE, path).send().await
}

async fn change_stock(seller: &User, product: i64, delta: i64) -> Answer {
    let body = json!({ "delta": delta, "reason": "counted" });
    seller.post(&format!("/v1/products/{product}/stock"), &body).await
}

fn products(answer: &Answer) -> Vec<Value> {
    answer.data(200)["products"].as_array().expect("a list").clone()
}

fn names(answer: &Answer) -> BTreeSet<String> {
    products(answer).iter().map(|product| product["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn money_is_exact_in_both_directions() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let offer = async |price: &str, currency: &str| {
        let body = format!(r#"{{"name": "김치", "price": {price}, "currency": "{currency}"}}"#);
        let call = seller.request(Method::POST, "/v1/products").header("Content-Type", "application/json");
        call.bytes(body).send().await
    };
    for (price, currency, written) in [
        ("15", "USD", "15.00"),
        ("15.0", "USD", "15.00"),
        (r#""15.00""#, "EUR", "15.00"),
        ("1e2", "USD", "100.00"),
        ("0", "USD", "0.00"),
        ("0.07", "USD", "0.07"),
        ("99999999.99", "USD", "99999999.99"),
        ("15000.00", "KRW", "15000.00"),
    ] {
        let answer = offer(price, currency).await;
        answer.data(201);
        let written = format!(r#""price":{written},"currency":"{currency}""#);
        assert!(answer.text().contains(&written), "{price}: {}", answer.text());
    }
    for (price, currency) in [
        ("15.005", "USD"),
        ("-1", "USD"),
        ("100000000", "USD"),
        ("99999999.995", "USD"),
        ("10.50", "KRW"),
        ("1e400", "USD"),
        (r#""1,000""#, "USD"),
        (r#""NaN""#, "USD"),
        ("null", "USD"),
        ("true", "USD"),
    ] {
        assert_eq!(wrong_fields(&offer(price, currency).await), ["price"], "{price} {currency}");
    }
}

#[tokio::test]
async fn all_wrong_fields_are_told_at_once_in_the_readers_language() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let wrong = json!({
        "name": "", "name_en": "e".repeat(501), "description": "\0", "description_en": "d".repeat(10_001),
        "price": "x", "currency": "JPY", "stock_quantity": -1, "status": "sold", "category_id": 0,
        "images": ["https://evil.example/x.png", null],
    });
    let answer = seller.post("/v1/products", &wrong).await;
    let fields = [
        "category_id",
        "currency",
        "description",
        "description_en",
        "images.0",
        "images.1",
        "name",
        "name_en",
        "price",
        "status",
        "stock_quantity",
    ];
    assert_eq!(wrong_fields(&answer), fields);
    let korean = seller.request(Method::POST, "/v1/products").language("ko").json(&wrong).send().await;
    assert_eq!(wrong_fields(&korean), fields);
    assert_ne!(korean.json()["errors"]["price"], answer.json()["errors"]["price"]);

    let longest = json!({
        "name": "김".repeat(500), "description": "설".repeat(10_000), "price": 1, "unknown": { "field": 1 },
    });
    create(&seller, longest).await;
}

#[tokio::test]
async fn a_product_is_seen_and_changed_by_whom_it_concerns() {
    let shop = Shop::open().await;
    let (seller, rival, buyer, admin) =
        tokio::join!(shop.seller(), shop.seller(), shop.buyer(), shop.admin());
    let draft = create(&seller, json!({ "name": "김치", "price": 15 })).await;
    assert_eq!(
        (&draft["status"], &draft["currency"], &draft["stock_quantity"]),
        (&json!("draft"), &json!("USD"), &json!(0))
    );
    let path = format!("/v1/products/{}", id(&draft));

    for hidden in [shop.api().get(&path).await, buyer.get(&path).await, rival.get(&path).await] {
        hidden.refused(404, "product_not_found");
    }
    rival.put(&path, &json!({ "name": "mine" })).await.refused(404, "product_not_found");
    for (user, name) in [(&seller, "배추김치"), (&admin, "총각김치")] {
        user.get(&path).await.data(200);
        let changed = user.put(&path, &json!({ "name": name, "status": "published" })).await.data(200);
        assert_eq!(changed["product"]["name"], name);
    }
    assert_eq!(
        shop.api().get(&path).await.data(200)["product"]["name"],
        "총각김치",
        "a change is seen at once"
    );
    for stranger in [&rival, &buyer] {
        stranger.put(&path, &json!({ "name": "mine" })).await.refused(403, "forbidden");
        delete(stranger, &path).await.refused(403, "forbidden");
        change_stock(stranger, id(&draft), 1).await.refused(403, "forbidden");
    }
    buyer.post("/v1/products", &json!({ "name": "x", "price": 1 })).await.refused(403, "forbidden");
    shop.api()
        .post("/v1/products", &json!({ "name": "x", "price": 1 }))
        .await
        .refused(401, "unauthenticated");

    assert_eq!(delete(&seller, &path).await.data(200)["product"]["status"], "archived");
    shop.api().get(&path).await.refused(404, "product_not_found");
    let mine = seller.get("/v1/seller/products?status=archived").await;
    assert_eq!(products(&mine).len(), 1);
    assert_eq!(products(&seller.get("/v1/seller/products?status=draft").await).len(), 0);
    buyer.get("/v1/seller/products").await.refused(403, "forbidden");
}

#[tokio::test]
async fn a_change_clears_by_null_and_is_refused_on_a_stale_version() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = create(&seller, json!({ "name": "김치", "name_en": "Kimchi", "price": 15 })).await;
    let path = format!("/v1/products/{}", id(&product));
    let cleared = seller.put(&path, &json!({ "name_en": null, "description": null })).await.data(200);
    assert_eq!(cleared["product"]["name_en"], Value::Null);
    for name in ["name", "price", "currency", "stock_quantity", "status", "images", "version"] {
        assert_eq!(wrong_fields(&seller.put(&path, &json!({ name: null })).await), [name]);
    }
    seller
        .put(&path, &json!({ "price": 1, "version": product["version"] }))
        .await
        .refused(409, "version_conflict");

    let version = &cleared["product"]["version"];
    let change = async |price: i32| seller.put(&path, &json!({ "price": price, "version": version })).await;
    let mut statuses: Vec<_> =
        join_all((1..=6).map(change)).await.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn stock_never_falls_below_zero() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("15.00", 10).await;
    let refused = change_stock(&seller, product, -11).await.refused(409, "out_of_stock");
    let short = json!([{ "product_id": product, "requested": 11, "available": 10 }]);
    assert_eq!(refused["details"]["items"], short);
    let answers = join_all((0..8).map(|_| change_stock(&seller, product, -3))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 409, 409, 409, 409, 409]);
    assert_eq!(seller.stock(product).await, 1);
    let path = format!("/v1/products/{product}/stock");
    assert_eq!(wrong_fields(&seller.post(&path, &json!({})).await), ["delta", "reason"]);
    shop.audit().await;
}

#[tokio::test]
async fn a_category_in_use_stays() {
    let shop = Shop::open().await;
    let (seller, admin) = tokio::join!(shop.seller(), shop.admin());
    seller.post("/v1/categories", &json!({ "name": "과일" })).await.refused(403, "forbidden");
    let make = async |body: Value| id(&admin.post("/v1/categories", &body).await.data(201)["category"]);
    let parent = make(json!({ "name": "과일", "name_en": "Fruit" })).await;
    let child = make(json!({ "name": "사과", "name_en": "Apple", "parent_id": parent })).await;
    let (parent_path, child_path) = (format!("/v1/categories/{parent}"), format!("/v1/categories/{child}"));

    delete(&admin, &parent_path).await.refused(409, "category_in_use");
    let circle = admin.put(&parent_path, &json!({ "parent_id": child })).await;
    assert_eq!(wrong_fields(&circle), ["parent_id"]);
    let product = create(&seller, json!({ "name": "사과", "price": 1, "category_id": child })).await;
    delete(&admin, &child_path).await.refused(409, "category_in_use");
    seller.put(&format!("/v1/products/{}", id(&product)), &json!({ "category_id": null })).await.data(200);
    assert_eq!(id(&delete(&admin, &child_path).await.data(200)["category"]), child);
    delete(&admin, &parent_path).await.data(200);
    shop.api().get(&parent_path).await.refused(404, "category_not_found");
    assert_eq!(shop.api().get("/v1/categories").await.data(200)["categories"], json!([]));
}

#[tokio::test]
async fn lists_are_searched_filtered_and_ordered() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    for (name, name_en, price, currency, stock) in [
        ("김치", "Kimchi", "3.50", "USD", 5),
        ("김치찌개", "Kimchi stew", "12.00", "USD", 0),
        ("라면", "Ramen 100%", "1500", "KRW", 5),
        ("a_b", "Plain", "7.00", "EUR", 5),
    ] {
        let body = json!({
            "name": name, "name_en": name_en, "price": price, "currency": currency, "stock_quantity": stock,
            "status": "published",
        });
        create(&seller, body).await;
    }
    create(&seller, json!({ "name": "김치 (draft)", "price": 1 })).await;
    let found = async |query: &str| names(&shop.api().get(&format!("/v1/products?{query}")).await);
    for (query, expected) in [
        ("q=%EA%B9%80%EC%B9%98", &["김치", "김치찌개"][..]),
        ("q=%EA%B9%80", &["김치", "김치찌개"]),
        ("q=KIMCHI", &["김치", "김치찌개"]),
        ("q=imch&in_stock=true", &["김치"]),
        ("q=imch%20stew", &["김치찌개"]),
        ("q=%25", &["라면"]),
        ("q=_", &["a_b"]),
        ("q=%27%22%5C", &[]),
        ("currency=USD&min_price=3.50&max_price=11.99", &["김치"]),
        ("currency=KRW&min_price=1500.00", &["라면"]),
        ("in_stock=false", &["김치찌개"]),
        ("category_id=999999", &[]),
        ("q=", &["김치", "김치찌개", "라면", "a_b"]),
        // The letters one by one, as a Mac names its files: ㄱㅣㅁㅊㅣ.
        ("q=%E1%84%80%E1%85%B5%E1%86%B7%E1%84%8E%E1%85%B5", &["김치", "김치찌개"]),
        ("q=%EA%B9%80%EC%B9%98+KIMCHI+st", &["김치찌개"]),
        ("q=%F0%9F%8C%B6", &[]),
    ] {
        assert_eq!(found(query).await, expected.iter().map(|name| (*name).to_owned()).collect(), "{query}");
    }
    let long = "%EA%B9%80".repeat(200);
    assert_eq!(found(&format!("q={long}")).await, BTreeSet::new());
    assert_eq!(wrong_fields(&shop.api().get(&format!("/v1/products?q={long}x")).await), ["q"]);
    assert_eq!(found(&format!("q={}", "k+".repeat(100))).await.len(), 2, "a hundred words");
    let order = products(&shop.api().get("/v1/products?sort=price_desc").await);
    let prices: Vec<_> = order.iter().map(|product| product["currency"].as_str().unwrap()).collect();
    assert_eq!(prices, ["USD", "USD", "KRW", "EUR"], "by currency, then by price");

    for (query, field) in [
        ("min_price=1", "min_price"),
        ("currency=KRW&min_price=1.5", "min_price"),
        ("currency=USD&min_price=2&max_price=1", "max_price"),
        ("limit=101", "limit"),
        ("limit=0", "limit"),
        ("page=0", "page"),
        ("page=x", "page"),
        ("cursor=nonsense", "cursor"),
        ("sort=best", "sort"),
        ("category_id=abc", "category_id"),
        ("q=%00", "q"),
    ] {
        assert_eq!(wrong_fields(&shop.api().get(&format!("/v1/products?{query}")).await), [field], "{query}");
    }
}

#[tokio::test]
async fn names_are_kept_as_most_keyboards_write_them() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let apart = "\u{1100}\u{1175}\u{11b7}\u{110e}\u{1175} cafe\u{301} 🌶\u{fe0f}";
    let product = create(&seller, json!({ "name": apart, "price": 1, "status": "published" })).await;
    assert_eq!(product["name"], "김치 caf\u{e9} 🌶\u{fe0f}");
    for query in ["q=%EA%B9%80%EC%B9%98", "q=CAF%C3%89", "q=cafe%CC%81", "q=%F0%9F%8C%B6"] {
        assert_eq!(products(&shop.api().get(&format!("/v1/products?{query}")).await).len(), 1, "{query}");
    }
}

#[tokio::test]
async fn a_walk_by_cursor_meets_each_product_once_while_others_are_added() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let offer = async |number: usize| {
        let (price, name) = (1 + number % 3, ["Alpha", "beta", "가방"][number % 3]);
        let body = json!({ "name": name, "price": price, "status": "published" });
        id(&create(&seller, body).await)
    };
    for sort in ["newest", "price_asc", "price_desc", "name"] {
        for number in 0..7 {
            offer(number).await;
        }
        let before: BTreeSet<i64> = all(&shop, sort).await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let answer = shop.api().get(&format!("/v1/products?sort={sort}&limit=3{cursor}")).await;
            seen.extend(products(&answer).iter().map(id));
            let pagination = answer.data(200)["pagination"].clone();
            assert_eq!(pagination["page"].is_null(), !cursor.is_empty());
            let Some(next) = pagination["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
            offer(seen.len()).await;
        }
        let met: BTreeSet<i64> = seen.iter().copied().collect();
        assert_eq!(met.len(), seen.len(), "{sort}: none twice");
        assert!(before.is_subset(&met), "{sort}: none left out");
    }
}

async fn all(shop: &Shop, sort: &str) -> BTreeSet<i64> {
    let answer = shop.api().get(&format!("/v1/products?sort={sort}&limit=100")).await;
    let total = answer.data(200)["pagination"]["total"].as_u64().expect("a number");
    let ids: BTreeSet<i64> = products(&answer).iter().map(id).collect();
    assert_eq!(ids.len() as u64, total);
    ids
}

#[tokio::test]
async fn what_a_client_knows_is_not_sent_again() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("15.00", 5).await;
    for path in ["/v1/products".to_owned(), format!("/v1/products/{product}"), "/v1/categories".to_owned()] {
        let first = shop.api().get(&path).await;
        let tag = first.header("etag").expect("an ETag").to_owned();
        let again = shop.api().request(Method::GET, &path).header("If-None-Match", &tag).send().await;
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(&*tag)), "{path}");
        if path != "/v1/categories" {
            change_stock(&seller, product, 1).await.data(200);
            let changed = shop.api().request(Method::GET, &path).header("If-None-Match", &tag).send().await;
            assert_eq!(changed.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn another_instance_sees_a_change_within_a_second() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("15.00", 5).await;
    let path = format!("/v1/products/{product}");
    let other = shop.second_instance().await;
    let there = shop.api().moved_to(other.base());
    there.get(&path).await.data(200);
    seller.put(&path, &json!({ "name": "changed" })).await.data(200);
    spicyjump_tests::until("the other instance sees it", async || {
        there.get(&path).await.data(200)["product"]["name"] == "changed"
    })
    .await;
}
