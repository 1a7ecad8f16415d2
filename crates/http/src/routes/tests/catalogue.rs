//! Products and categories as clients see them.

use actix_web::{http::Method, test::TestRequest};
use serde_json::{Value, json};
use spicyjump_domain::account::Role;

use super::{Reply, Server};

const SELLER: i64 = 1;
const OTHER_SELLER: i64 = 2;
const BUYER: i64 = 3;
const ADMIN: i64 = 4;

impl Server {
    async fn call(&self, who: i64, method: Method, uri: &str, body: Value) -> Reply {
        self.send(self.request(who, method, uri).set_json(body)).await
    }

    fn request(&self, who: i64, method: Method, uri: &str) -> TestRequest {
        let role = match who {
            BUYER => Role::Buyer,
            ADMIN => Role::Admin,
            _ => Role::Seller,
        };
        TestRequest::default().method(method).uri(uri).insert_header(self.as_user(who, role))
    }

    async fn read(&self, who: i64, uri: &str) -> Reply {
        self.send(self.request(who, Method::GET, uri)).await
    }

    async fn product(&self, body: Value) -> Value {
        self.call(SELLER, Method::POST, "/v1/products", body).await.data(201)["product"].clone()
    }

    async fn category(&self, body: Value) -> Value {
        self.call(ADMIN, Method::POST, "/v1/categories", body).await.data(201)["category"].clone()
    }
}

fn kimchi() -> Value {
    json!({ "name": "김치", "price": 15, "stock_quantity": 10, "status": "published" })
}

#[actix_web::test]
async fn a_product_starts_as_a_draft_in_dollars() {
    let server = Server::new();
    let request = server.request(SELLER, Method::POST, "/v1/products");
    let reply = server.send(request.set_json(json!({ "name": " 김치 ", "price": "15.5" }))).await;
    assert!(String::from_utf8_lossy(&reply.body).contains("\"price\":15.50,"));
    assert_eq!(
        reply.data(201)["product"],
        json!({
            "id": 1, "seller_id": SELLER, "category_id": null, "name": "김치", "name_en": null, "description": null,
            "description_en": null, "price": 15.50, "currency": "USD", "stock_quantity": 0, "status": "draft",
            "images": [], "version": 1, "created_at": "2025-11-19T10:00:00Z", "updated_at": "2025-11-19T10:00:00Z",
        })
    );
}

#[actix_web::test]
async fn all_that_is_wrong_with_a_product_is_said_at_once() {
    let server = Server::new();
    let body = json!({
        "category_id": 0, "name": " ", "name_en": "a".repeat(501), "description": "a".repeat(10_001), "price": 10.5,
        "currency": "KRW", "stock_quantity": -1, "status": "sold",
        "images": ["https://cdn.example.com/a.jpg", "https://evil.example/a.jpg", 5, null],
    });
    let reply = server.call(SELLER, Method::POST, "/v1/products", body).await;
    let fields = [
        "category_id",
        "description",
        "images.1",
        "images.2",
        "images.3",
        "name",
        "name_en",
        "price",
        "status",
        "stock_quantity",
    ];
    assert_eq!(reply.wrong_fields(), fields);
    let many = json!({ "name": "a", "price": 1, "images": vec!["https://cdn.example.com/a.jpg"; 11] });
    assert_eq!(server.call(SELLER, Method::POST, "/v1/products", many).await.wrong_fields(), ["images"]);
    let unknown = json!({ "name": "a", "price": 1, "category_id": 77 });
    assert_eq!(
        server.call(SELLER, Method::POST, "/v1/products", unknown).await.wrong_fields(),
        ["category_id"]
    );
}

#[actix_web::test]
async fn buyers_are_turned_away_before_their_request_is_read() {
    let server = Server::new();
    let product = server.product(kimchi()).await["id"].clone();
    for (method, uri) in [
        (Method::POST, "/v1/products".to_owned()),
        (Method::GET, "/v1/seller/products".to_owned()),
        (Method::POST, "/v1/categories".to_owned()),
        (Method::DELETE, "/v1/categories/1".to_owned()),
        (Method::DELETE, format!("/v1/products/{product}")),
    ] {
        assert_eq!(server.call(BUYER, method, &uri, json!([])).await.code(403), "forbidden", "{uri}");
    }
    let put = server.call(BUYER, Method::PUT, &format!("/v1/products/{product}"), json!({})).await;
    assert_eq!(put.code(403), "forbidden");
    assert_eq!(server.post("/v1/products", json!([])).await.code(401), "unauthenticated");
}

#[actix_web::test]
async fn a_repeated_post_makes_one_product() {
    let server = Server::new();
    let post = async |key: &str, body: Value| {
        let request = server.request(SELLER, Method::POST, "/v1/products");
        server.send(request.insert_header(("Idempotency-Key", key)).set_json(body)).await
    };
    let first = post("k", kimchi()).await;
    let again = post("k", kimchi()).await;
    assert_eq!((first.status, &first.body), (201, &again.body));
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(post("k", json!({ "name": "b", "price": 1 })).await.code(422), "idempotency_key_reused");
    assert_eq!(server.get("/v1/products").await.data(200)["pagination"]["total"], 1);
}

#[actix_web::test]
async fn drafts_are_for_who_manages_them() {
    let server = Server::new();
    let draft = server.product(json!({ "name": "a", "price": 1 })).await;
    let uri = format!("/v1/products/{}", draft["id"]);
    assert_eq!(server.get(&uri).await.code(404), "product_not_found");
    assert_eq!(server.read(OTHER_SELLER, &uri).await.code(404), "product_not_found");
    assert_eq!(server.read(SELLER, &uri).await.data(200)["product"], draft);
    assert_eq!(server.read(ADMIN, &uri).await.data(200)["product"], draft);
    assert_eq!(server.call(OTHER_SELLER, Method::PUT, &uri, json!({})).await.code(404), "product_not_found");
    let signed_out = |uri: &str| TestRequest::get().uri(uri).insert_header(("Authorization", "Bearer x"));
    assert_eq!(server.send(signed_out(&uri)).await.code(401), "invalid_token");
    assert_eq!(server.send(signed_out("/v1/products/99")).await.code(401), "invalid_token");
    let published = server.product(kimchi()).await;
    let uri = format!("/v1/products/{}", published["id"]);
    assert_eq!(server.send(signed_out(&uri)).await.data(200)["product"], published);
    for uri in ["/v1/products/abc", "/v1/products/0", "/v1/products/99"] {
        assert_eq!(server.get(uri).await.code(404), "product_not_found");
    }
}

#[actix_web::test]
async fn a_change_names_only_what_changes() {
    let server = Server::new();
    let mut body = kimchi();
    body["name_en"] = json!("Kimchi");
    body["images"] = json!(["https://cdn.example.com/a.jpg"]);
    let product = server.product(body).await;
    let uri = format!("/v1/products/{}", product["id"]);
    let put = async |body: Value| server.call(SELLER, Method::PUT, &uri, body).await;

    let changed = put(json!({ "name_en": null, "price": "12.5" })).await.data(200)["product"].clone();
    let mut expected = product.clone();
    expected["name_en"] = Value::Null;
    expected["price"] = json!(12.5);
    expected["version"] = json!(2);
    assert_eq!(changed, expected);

    assert_eq!(put(json!({ "price": 1, "version": 1 })).await.code(409), "version_conflict");
    assert_eq!(put(json!({ "price": 1, "version": 2 })).await.status, 200);
    let nulls = json!({ "name": null, "price": null, "currency": null, "images": null, "version": null });
    assert_eq!(put(nulls).await.wrong_fields(), ["currency", "images", "name", "price", "version"]);
    assert_eq!(put(json!({ "category_id": 77 })).await.wrong_fields(), ["category_id"]);
}

#[actix_web::test]
async fn a_price_is_one_in_the_currency_of_the_product() {
    let server = Server::new();
    let mut body = kimchi();
    body["currency"] = json!("KRW");
    let uri = format!("/v1/products/{}", server.product(body).await["id"]);
    let put = async |body: Value| server.call(SELLER, Method::PUT, &uri, body).await;
    assert_eq!(put(json!({ "price": 10.5 })).await.wrong_fields(), ["price"]);
    assert_eq!(put(json!({ "price": 100_000_000 })).await.wrong_fields(), ["price"]);
    assert_eq!(put(json!({ "currency": "USD" })).await.wrong_fields(), ["price"]);
    assert_eq!(put(json!({ "currency": "USD", "price": 10.505 })).await.wrong_fields(), ["price"]);
    let product = put(json!({ "currency": "USD", "price": 10.5 })).await.data(200)["product"].clone();
    assert_eq!((&product["currency"], &product["price"]), (&json!("USD"), &json!(10.5)));
}

#[actix_web::test]
async fn a_deleted_product_is_archived() {
    let server = Server::new();
    let uri = format!("/v1/products/{}", server.product(kimchi()).await["id"]);
    let someone_else = server.send(server.request(OTHER_SELLER, Method::DELETE, &uri)).await;
    assert_eq!(someone_else.code(403), "forbidden");
    let deleted = server.send(server.request(SELLER, Method::DELETE, &uri)).await;
    assert_eq!(deleted.data(200)["product"]["status"], "archived");
    assert_eq!(server.get(&uri).await.code(404), "product_not_found");
    assert_eq!(server.read(SELLER, &uri).await.status, 200);
}

#[actix_web::test]
async fn stock_goes_up_and_down_but_not_below_zero() {
    let server = Server::new();
    let id = server.product(kimchi()).await["id"].clone();
    let uri = format!("/v1/products/{id}/stock");
    let post = async |body: Value| server.call(SELLER, Method::POST, &uri, body).await;
    let more = post(json!({ "delta": 5, "reason": "delivery" })).await;
    assert_eq!(more.data(200)["product"]["stock_quantity"], 15);
    let less = post(json!({ "delta": -15, "reason": "broken" })).await;
    assert_eq!(less.data(200)["product"]["stock_quantity"], 0);

    let short = post(json!({ "delta": -1, "reason": "broken" })).await;
    assert_eq!(short.code(409), "out_of_stock");
    let items = json!([{ "product_id": id, "requested": 1, "available": 0 }]);
    assert_eq!(short.json()["details"], json!({ "items": items }));

    assert_eq!(post(json!({ "delta": 0, "reason": " " })).await.wrong_fields(), ["delta", "reason"]);
    assert_eq!(post(json!({ "delta": 1.5 })).await.wrong_fields(), ["delta", "reason"]);
}

#[actix_web::test]
async fn lists_are_walked_by_page_or_cursor() {
    let server = Server::new();
    for _ in 0..3 {
        server.product(kimchi()).await;
    }
    server.product(json!({ "name": "draft", "price": 1 })).await;
    let ids = |data: &Value| -> Vec<i64> {
        data["products"].as_array().unwrap().iter().map(|product| product["id"].as_i64().unwrap()).collect()
    };
    let first = server.get("/v1/products?limit=2").await.data(200);
    assert_eq!(ids(&first), [3, 2]);
    assert_eq!((&first["pagination"]["total"], &first["pagination"]["total_pages"]), (&json!(3), &json!(2)));
    let cursor = first["pagination"]["next_cursor"].as_str().unwrap();
    let second = server.get(&format!("/v1/products?limit=2&cursor={cursor}")).await.data(200);
    assert_eq!((ids(&second), &second["pagination"]["next_cursor"]), (vec![1], &Value::Null));

    let by_name = format!("/v1/products?sort=name&cursor={cursor}");
    assert_eq!(server.get(&by_name).await.wrong_fields(), ["cursor"]);
    let bad = "/v1/products?limit=101&min_price=1&sort=cheapest&in_stock=maybe";
    assert_eq!(server.get(bad).await.wrong_fields(), ["in_stock", "limit", "min_price", "sort"]);

    let own = server.read(SELLER, "/v1/seller/products?status=draft").await.data(200);
    assert_eq!(ids(&own), [4]);
    let others = server.read(OTHER_SELLER, "/v1/seller/products").await.data(200);
    assert_eq!(ids(&others), Vec::<i64>::new());
}

#[actix_web::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let server = Server::new();
    let uri = format!("/v1/products/{}", server.product(kimchi()).await["id"]);
    for uri in [uri.as_str(), "/v1/products", "/v1/categories"] {
        let tag = server.get(uri).await.header("etag").to_owned();
        let again = TestRequest::get().uri(uri).insert_header(("If-None-Match", tag.as_str()));
        let again = server.send(again).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{uri}");
    }
    let tag = server.get(&uri).await.header("etag").to_owned();
    server.call(SELLER, Method::PUT, &uri, json!({ "price": 1 })).await.data(200);
    let again = TestRequest::get().uri(&uri).insert_header(("If-None-Match", tag));
    assert_eq!(server.send(again).await.status, 200);
}

#[actix_web::test]
async fn categories_form_a_tree() {
    let server = Server::new();
    let food = server.category(json!({ "name": " 식품 ", "name_en": "Food" })).await;
    assert_eq!(food, json!({ "id": 1, "name": "식품", "name_en": "Food", "parent_id": null }));
    let kimchi = server.category(json!({ "name": "김치", "parent_id": 1 })).await;
    assert_eq!(server.get("/v1/categories/2").await.data(200)["category"], kimchi);
    assert_eq!(server.get("/v1/categories").await.data(200), json!({ "categories": [food, kimchi] }));

    let put = async |id: i64, body: Value| {
        server.call(ADMIN, Method::PUT, &format!("/v1/categories/{id}"), body).await
    };
    assert_eq!(put(1, json!({ "parent_id": 2 })).await.wrong_fields(), ["parent_id"]);
    assert_eq!(put(1, json!({ "parent_id": 77 })).await.wrong_fields(), ["parent_id"]);
    assert_eq!(put(1, json!({ "name": null })).await.wrong_fields(), ["name"]);
    assert_eq!(put(77, json!({})).await.code(404), "category_not_found");
    let moved = put(2, json!({ "parent_id": null })).await.data(200)["category"].clone();
    assert_eq!(moved, json!({ "id": 2, "name": "김치", "name_en": null, "parent_id": null }));
}

#[actix_web::test]
async fn a_category_in_use_stays() {
    let server = Server::new();
    server.category(json!({ "name": "식품" })).await;
    server.category(json!({ "name": "김치", "parent_id": 1 })).await;
    let delete = async |id: i64| {
        server.send(server.request(ADMIN, Method::DELETE, &format!("/v1/categories/{id}"))).await
    };
    assert_eq!(delete(1).await.code(409), "category_in_use");
    assert_eq!(delete(2).await.data(200)["category"]["id"], 2);
    assert_eq!(delete(2).await.code(404), "category_not_found");
    let mut body = kimchi();
    body["category_id"] = json!(1);
    server.product(body).await;
    assert_eq!(delete(1).await.code(409), "category_in_use");
}
