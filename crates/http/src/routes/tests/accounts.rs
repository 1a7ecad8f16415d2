//! Accounts as clients see them.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{Reply, Server};

const PASSWORD: &str = "Passw0rd!";

async fn register(server: &Server, email: &str) -> Value {
    let body = json!({ "email": email, "password": PASSWORD, "name": " 김민수 " });
    server.post("/v1/auth/register", body).await.data(201)
}

fn bearer(signed_in: &Value) -> (&'static str, String) {
    ("Authorization", format!("Bearer {}", signed_in["access_token"].as_str().unwrap()))
}

async fn me(server: &Server, signed_in: &Value) -> Reply {
    server.send(TestRequest::get().uri("/v1/auth/me").insert_header(bearer(signed_in))).await
}

async fn change_me(server: &Server, signed_in: &Value, change: Value) -> Reply {
    let request = TestRequest::put().uri("/v1/auth/me").insert_header(bearer(signed_in)).set_json(change);
    server.send(request).await
}

async fn login(server: &Server, email: &str, password: &str) -> Reply {
    server.post("/v1/auth/login", json!({ "email": email, "password": password })).await
}

#[actix_web::test]
async fn whoever_registers_is_signed_in() {
    let server = Server::new();
    let body = json!({
        "email": "Kim@Example.com", "password": PASSWORD, "name": " 김민수 ", "role": "seller",
    });
    let request = TestRequest::post().uri("/v1/auth/register").insert_header(("Accept-Language", "ko"));
    let reply = server.send(request.set_json(body)).await;
    assert_eq!(reply.header("cache-control"), "no-store");
    let signed_in = reply.data(201);
    let user = json!({
        "id": 1, "email": "Kim@Example.com", "name": "김민수", "role": "seller", "locale": "ko",
        "created_at": "2025-11-19T10:00:00Z",
    });
    assert_eq!(signed_in["user"], user);
    assert_eq!((&signed_in["token_type"], &signed_in["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(me(&server, &signed_in).await.data(200), json!({ "user": user }));
    assert_eq!(login(&server, "kim@example.com", PASSWORD).await.data(200)["user"], user);
}

#[actix_web::test]
async fn what_cannot_be_an_account_is_refused_field_by_field() {
    let server = Server::new();
    for (body, fields) in [
        (json!({}), vec!["email", "name", "password"]),
        (
            json!({ "email": "x", "password": "short", "name": "  a  ", "role": "admin", "locale": "fr" }),
            vec!["email", "locale", "name", "password", "role"],
        ),
        (
            json!({ "email": null, "password": 1, "name": "  ", "role": null, "locale": [] }),
            vec!["email", "locale", "name", "password", "role"],
        ),
    ] {
        assert_eq!(server.post("/v1/auth/register", body).await.wrong_fields(), fields);
    }
    register(&server, "kim@example.com").await;
    let again = json!({ "email": "KIM@example.com", "password": PASSWORD, "name": "Kim" });
    assert_eq!(server.post("/v1/auth/register", again).await.code(409), "email_taken");
}

#[actix_web::test]
async fn an_unknown_address_and_a_wrong_password_look_the_same() {
    let server = Server::new();
    register(&server, "kim@example.com").await;
    let stripped = |reply: Reply| {
        let mut json = reply.json();
        json.as_object_mut().unwrap().remove("request_id");
        (reply.status, json)
    };
    let wrong = login(&server, "kim@example.com", "Wr0ngpass!").await;
    assert_eq!(wrong.code(401), "invalid_credentials");
    assert_eq!(stripped(wrong), stripped(login(&server, "nobody@example.com", PASSWORD).await));
}

#[actix_web::test]
async fn a_password_that_nobody_can_have_is_a_wrong_one() {
    let server = Server::new();
    register(&server, "kim@example.com").await;
    for password in ["x".repeat(129), "한".repeat(5_000), "x".repeat(500_000), "Passw0rd!\0".to_owned()] {
        let wrong = login(&server, "kim@example.com", &password).await;
        assert_eq!(wrong.code(401), "invalid_credentials", "{} characters", password.len());
        let unknown = login(&server, "nobody@example.com", &password).await;
        assert_eq!(unknown.code(401), "invalid_credentials");
    }
    assert_eq!(login(&server, "kim@example.com", "").await.wrong_fields(), ["password"]);
    let missing = server.post("/v1/auth/login", json!({ "email": "kim@example.com" })).await;
    assert_eq!(missing.wrong_fields(), ["password"]);
}

#[actix_web::test]
async fn a_refresh_token_is_good_once() {
    let server = Server::new();
    let first = register(&server, "kim@example.com").await;
    let refresh = async |pair: &Value| {
        let body = json!({ "refresh_token": pair["refresh_token"] });
        server.post("/v1/auth/refresh", body).await
    };
    let second = refresh(&first).await.data(200);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(me(&server, &second).await.status, 200);
    assert_eq!(refresh(&first).await.code(401), "invalid_token");
    // Someone else has a copy: the whole session is over.
    assert_eq!(refresh(&second).await.code(401), "invalid_token");
    assert_eq!(server.post("/v1/auth/refresh", json!({})).await.wrong_fields(), ["refresh_token"]);
}

#[actix_web::test]
async fn a_logout_ends_that_session_at_once_and_no_other() {
    let server = Server::new();
    let phone = register(&server, "kim@example.com").await;
    let laptop = login(&server, "kim@example.com", PASSWORD).await.data(200);
    for _ in 0..2 {
        let body = json!({ "refresh_token": phone["refresh_token"] });
        assert_eq!(server.post("/v1/auth/logout", body).await.data(200), json!({}));
    }
    assert_eq!(me(&server, &phone).await.code(401), "invalid_token");
    assert_eq!(me(&server, &laptop).await.status, 200);
    let unknown = json!({ "refresh_token": "never issued" });
    assert_eq!(server.post("/v1/auth/logout", unknown).await.data(200), json!({}));
}

#[actix_web::test]
async fn a_profile_is_changed_in_part() {
    let server = Server::new();
    let kim = register(&server, "kim@example.com").await;
    let changed = change_me(&server, &kim, json!({ "name": " Kim Minsu " })).await.data(200);
    assert_eq!((&changed["user"]["name"], &changed["user"]["locale"]), (&json!("Kim Minsu"), &json!("en")));
    let changed = change_me(&server, &kim, json!({ "locale": "ko" })).await.data(200);
    assert_eq!((&changed["user"]["name"], &changed["user"]["locale"]), (&json!("Kim Minsu"), &json!("ko")));
    let nothing = json!({ "name": null, "locale": null, "password": null });
    let fields = change_me(&server, &kim, nothing).await.wrong_fields();
    assert_eq!(fields, ["locale", "name", "password"]);
}

#[actix_web::test]
async fn what_a_profile_cannot_become_is_refused_and_nothing_changes() {
    let server = Server::new();
    let kim = register(&server, "kim@example.com").await;
    let long = "a".repeat(201);
    for (change, fields) in [
        (json!({ "name": " a " }), vec!["name"]),
        (json!({ "name": long }), vec!["name"]),
        (json!({ "name": "a\u{0}b" }), vec!["name"]),
        (json!({ "name": 7 }), vec!["name"]),
        (json!({ "locale": "fr" }), vec!["locale"]),
        (json!({ "password": "short1!", "current_password": PASSWORD }), vec!["password"]),
        (json!({ "password": "N3wpassword!", "current_password": null }), vec!["current_password"]),
        (json!({ "password": "N3wpassword!", "current_password": "" }), vec!["current_password"]),
        (
            json!({ "password": "N3wpassword!", "name": "Kim Minsu", "locale": "ko" }),
            vec!["current_password"],
        ),
        (
            json!({ "password": "weak", "current_password": 1, "name": "", "locale": 1 }),
            vec!["current_password", "locale", "name", "password"],
        ),
    ] {
        assert_eq!(change_me(&server, &kim, change.clone()).await.wrong_fields(), fields, "{change}");
    }
    // What is not one's own to change is ignored, as every unknown field is; so is a password that changes nothing.
    for change in [
        json!({}),
        json!({ "id": 2, "email": "lee@example.com", "role": "admin", "created_at": null }),
        json!({ "current_password": "Wr0ngpass!" }),
    ] {
        assert_eq!(change_me(&server, &kim, change).await.data(200)["user"], kim["user"]);
    }
    assert_eq!(me(&server, &kim).await.data(200)["user"], kim["user"]);
    assert_eq!(login(&server, "kim@example.com", PASSWORD).await.status, 200);
    let nobody = TestRequest::put().uri("/v1/auth/me").set_json(json!({ "name": "Kim Minsu" }));
    assert_eq!(server.send(nobody).await.code(401), "unauthenticated");
}

#[actix_web::test]
async fn a_new_password_needs_the_present_one_and_ends_the_other_sessions() {
    let server = Server::new();
    let phone = register(&server, "kim@example.com").await;
    let laptop = login(&server, "kim@example.com", PASSWORD).await.data(200);
    let alone = change_me(&server, &phone, json!({ "password": "N3wpassword!" })).await;
    assert_eq!(alone.wrong_fields(), ["current_password"]);
    let wrong = json!({ "password": "N3wpassword!", "current_password": "Wr0ngpass!" });
    assert_eq!(change_me(&server, &phone, wrong).await.wrong_fields(), ["current_password"]);
    assert_eq!(me(&server, &laptop).await.status, 200);

    let right = json!({ "password": "N3wpassword!", "current_password": PASSWORD });
    assert_eq!(change_me(&server, &phone, right).await.status, 200);
    assert_eq!(me(&server, &phone).await.status, 200);
    assert_eq!(me(&server, &laptop).await.code(401), "invalid_token");
    assert_eq!(login(&server, "kim@example.com", PASSWORD).await.status, 401);
    assert_eq!(login(&server, "kim@example.com", "N3wpassword!").await.status, 200);
}

#[actix_web::test]
async fn a_mailed_link_sets_a_password_once() {
    let server = Server::new();
    let kim = register(&server, "kim@example.com").await;
    for email in ["kim@example.com", "nobody@example.com"] {
        let reply = server.post("/v1/auth/password/forgot", json!({ "email": email })).await;
        assert_eq!(reply.data(200), json!({}));
    }
    let links = server.people.reset_links();
    assert_eq!(links.len(), 1);
    let token = links[0].strip_prefix("https://shop.example/reset?token=").unwrap();
    let reset = async |token: &str, password: &str| {
        server.post("/v1/auth/password/reset", json!({ "token": token, "password": password })).await
    };
    assert_eq!(reset("another", "N3wpassword!").await.code(401), "invalid_token");
    assert_eq!(reset(token, "weak").await.wrong_fields(), ["password"]);
    assert_eq!(reset(token, "N3wpassword!").await.data(200), json!({}));
    assert_eq!(reset(token, "N3wpassword!").await.code(401), "invalid_token");
    assert_eq!(me(&server, &kim).await.code(401), "invalid_token");
    assert_eq!(login(&server, "kim@example.com", "N3wpassword!").await.status, 200);
}

#[actix_web::test]
async fn an_account_is_for_who_is_signed_in() {
    let server = Server::new();
    assert_eq!(server.get("/v1/auth/me").await.code(401), "unauthenticated");
    // Good by its signature, but of nobody.
    let request = TestRequest::get().uri("/v1/auth/me");
    let stranger = server.as_user(99, spicyjump_domain::account::Role::Buyer);
    assert_eq!(server.send(request.insert_header(stranger)).await.code(401), "invalid_token");
}
