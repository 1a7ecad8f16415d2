//! Accounts and sessions (contract §2).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use serde_json::{Value, json};
use spicyjump_tests::{Answer, Api, Shop, eventually, people::PASSWORD};

const OTHER: &str = "Another2horse@";

fn text<'a>(data: &'a Value, name: &str) -> &'a str {
    data[name].as_str().unwrap_or_else(|| panic!("no {name}: {data}"))
}

fn wrong_fields(answer: &Answer) -> Vec<String> {
    let body = answer.refused(422, "validation_failed");
    body["errors"].as_object().expect("errors by field").keys().cloned().collect()
}

async fn register(api: &Api, email: &str) -> Value {
    let body = json!({ "email": email, "password": PASSWORD, "name": "Kim Person" });
    api.post("/v1/auth/register", &body).await.data(201)
}

async fn log_in(api: &Api, email: &str, password: &str) -> Answer {
    api.post("/v1/auth/login", &json!({ "email": email, "password": password })).await
}

async fn refresh(api: &Api, token: &str) -> Answer {
    api.post("/v1/auth/refresh", &json!({ "refresh_token": token })).await
}

async fn me(api: &Api, token: &str) -> Answer {
    api.with_token(token).get("/v1/auth/me").await
}

#[tokio::test]
async fn an_account_is_what_was_registered_whatever_the_case_of_its_address() {
    let shop = Shop::open().await;
    let api = shop.api();
    let data = register(&api, "Mixed.Case@Example.com").await;
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&data), ["access_token", "expires_in", "refresh_token", "token_type", "user"]);
    assert_eq!(keys(&data["user"]), ["created_at", "email", "id", "locale", "name", "role"]);
    assert_eq!(
        (&data["token_type"], &data["expires_in"], &data["user"]["role"]),
        (&json!("Bearer"), &json!(900), &json!("buyer"))
    );
    assert!(text(&data["user"], "created_at").ends_with('Z'));

    let again = json!({ "email": "mixed.case@EXAMPLE.com", "password": PASSWORD, "name": "Kim" });
    api.post("/v1/auth/register", &again).await.refused(409, "email_taken");
    log_in(&api, "MIXED.CASE@example.com", PASSWORD).await.data(200);
    let korean = json!({ "email": "ko@example.com", "password": PASSWORD, "name": "김민수" });
    let call =
        api.request(reqwest::Method::POST, "/v1/auth/register").language("ko-KR,en;q=0.5").json(&korean);
    assert_eq!(call.send().await.data(201)["user"]["locale"], "ko");
}

#[tokio::test]
async fn a_registration_is_told_all_that_is_wrong_with_it() {
    let shop = Shop::open().await;
    let api = shop.api();
    let wrong =
        json!({ "email": "nobody", "password": "short", "name": " a ", "role": "admin", "locale": "fr" });
    let answer = api.post("/v1/auth/register", &wrong).await;
    assert_eq!(wrong_fields(&answer), ["email", "locale", "name", "password", "role"]);
    assert_eq!(wrong_fields(&api.post("/v1/auth/register", &json!({})).await), ["email", "name", "password"]);
    for password in
        ["Correcthorse@", "12345678@", "Correct1horse", "Correct 1horse@", "가나다라1234@", "Aa1@\0bcd"]
    {
        let body = json!({ "email": "kim@example.com", "password": password, "name": "Kim" });
        assert_eq!(wrong_fields(&api.post("/v1/auth/register", &body).await), ["password"], "{password:?}");
    }
    let body = br#"{"email": "kim@example.com", "password": "Correct1horse@", "name": "\ud800\ud800"}"#;
    let call = api.request(reqwest::Method::POST, "/v1/auth/register");
    let answer = call.header("Content-Type", "application/json").bytes(body).send().await;
    assert_eq!(wrong_fields(&answer), ["name"], "a lone surrogate is no text");
}

#[tokio::test]
async fn nothing_tells_whether_an_address_is_known() {
    let shop = Shop::open().await;
    let api = shop.api();
    register(&api, "kim@example.com").await;
    let said = |answer: Answer, status: u16| {
        let mut body = answer.json();
        assert_eq!(answer.status, status, "{body}");
        body["request_id"].take();
        body
    };
    let login = async |email| said(log_in(&api, email, "Wrong1horse@").await, 401);
    assert_eq!(login("kim@example.com").await, login("stranger@example.com").await);
    let forgot =
        async |email| said(api.post("/v1/auth/password/forgot", &json!({ "email": email })).await, 200);
    assert_eq!(forgot("kim@example.com").await, forgot("stranger@example.com").await);
}

#[tokio::test]
async fn a_spent_refresh_token_ends_its_session() {
    let shop = Shop::open().await;
    let api = shop.api();
    let first = register(&api, "kim@example.com").await;
    let second = refresh(&api, text(&first, "refresh_token")).await.data(200);
    let third = refresh(&api, text(&second, "refresh_token")).await.data(200);
    me(&api, text(&third, "access_token")).await.data(200);

    refresh(&api, text(&first, "refresh_token")).await.refused(401, "invalid_token");
    refresh(&api, text(&third, "refresh_token")).await.refused(401, "invalid_token");
    eventually("the session's access tokens are refused", async || {
        (me(&api, text(&third, "access_token")).await.code() == "invalid_token").then_some(())
    })
    .await;
    log_in(&api, "kim@example.com", PASSWORD).await.data(200);
}

#[tokio::test]
async fn of_many_refreshes_with_one_token_at_most_one_wins() {
    let shop = Shop::open().await;
    let api = shop.api();
    let token = text(&register(&api, "kim@example.com").await, "refresh_token").to_owned();
    let answers = join_all((0..8).map(|_| refresh(&api, &token))).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(won <= 1, "{won}");
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        lost.refused(401, "invalid_token");
    }
}

#[tokio::test]
async fn logging_out_ends_the_session_and_can_be_repeated() {
    let shop = Shop::open().await;
    let api = shop.api();
    let session = register(&api, "kim@example.com").await;
    let body = json!({ "refresh_token": session["refresh_token"] });
    for _ in 0..2 {
        api.post("/v1/auth/logout", &body).await.data(200);
    }
    refresh(&api, text(&session, "refresh_token")).await.refused(401, "invalid_token");
    me(&api, text(&session, "access_token")).await.refused(401, "invalid_token");
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_no_other() {
    let shop = Shop::open().await;
    let api = shop.api();
    let mine = register(&api, "kim@example.com").await;
    let other = log_in(&api, "kim@example.com", PASSWORD).await.data(200);
    let session = api.with_token(text(&mine, "access_token"));
    let change = async |body: Value| session.put("/v1/auth/me", &body).await;

    assert_eq!(wrong_fields(&change(json!({ "password": OTHER })).await), ["current_password"]);
    let guess = json!({ "password": OTHER, "current_password": "Wrong1horse@" });
    assert_eq!(wrong_fields(&change(guess).await), ["current_password"]);
    assert_eq!(wrong_fields(&change(json!({ "name": null, "locale": null })).await), ["locale", "name"]);
    let user = change(json!({ "name": " 김민수 ", "locale": "ko", "role": "admin" })).await.data(200);
    assert_eq!(
        (&user["user"]["name"], &user["user"]["locale"], &user["user"]["role"]),
        (&json!("김민수"), &json!("ko"), &json!("buyer"))
    );

    change(json!({ "password": OTHER, "current_password": PASSWORD })).await.data(200);
    me(&api, text(&mine, "access_token")).await.data(200);
    refresh(&api, text(&mine, "refresh_token")).await.data(200);
    me(&api, text(&other, "access_token")).await.refused(401, "invalid_token");
    refresh(&api, text(&other, "refresh_token")).await.refused(401, "invalid_token");
    log_in(&api, "kim@example.com", PASSWORD).await.refused(401, "invalid_credentials");
    log_in(&api, "kim@example.com", OTHER).await.data(200);
}

#[tokio::test]
async fn a_mailed_token_sets_a_new_password_once() {
    let shop = Shop::open().await;
    let api = shop.api();
    let session = register(&api, "kim@example.com").await;
    api.post("/v1/auth/password/forgot", &json!({ "email": "KIM@example.com" })).await.data(200);
    let token = eventually("the mail with the token", async || {
        let mails = shop.mail().mails();
        let texts = mails.iter().filter_map(|mail| mail.text.clone());
        texts.filter_map(|text| token_in(&text)).next()
    })
    .await;

    let reset = async |token: &str, password: &str| {
        api.post("/v1/auth/password/reset", &json!({ "token": token, "password": password })).await
    };
    reset("guessed", OTHER).await.refused(401, "invalid_token");
    assert_eq!(wrong_fields(&reset(&token, "short").await), ["password"]);
    reset(&token, OTHER).await.data(200);
    reset(&token, OTHER).await.refused(401, "invalid_token");
    me(&api, text(&session, "access_token")).await.refused(401, "invalid_token");
    refresh(&api, text(&session, "refresh_token")).await.refused(401, "invalid_token");
    log_in(&api, "kim@example.com", OTHER).await.data(200);
}

fn token_in(mail: &str) -> Option<String> {
    let (_, rest) = mail.split_once("token=")?;
    Some(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect())
}

#[tokio::test]
async fn a_token_that_was_tampered_with_is_refused() {
    let shop = Shop::open().await;
    let api = shop.api();
    let token = text(&register(&api, "kim@example.com").await, "access_token").to_owned();
    let [_, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    let header =
        |algorithm: &str| URL_SAFE_NO_PAD.encode(json!({ "typ": "JWT", "alg": algorithm }).to_string());
    let admin = URL_SAFE_NO_PAD.decode(claims).expect("base64");
    let admin = String::from_utf8(admin).expect("JSON").replace("buyer", "admin");
    let admin = URL_SAFE_NO_PAD.encode(admin);
    for forged in [
        format!("{}.{claims}.", header("none")),
        format!("{}.{claims}.{signature}", header("RS256")),
        format!("{}.{claims}.{signature}", header("HS512")),
        format!("{}.{admin}.{signature}", header("HS256")),
        format!("{token}.x"),
        "nonsense".to_owned(),
    ] {
        let answer = me(&api, &forged).await;
        answer.refused(401, "invalid_token");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    api.get("/v1/auth/me").await.refused(401, "unauthenticated");
    me(&api, &token).await.data(200);
}

#[tokio::test]
async fn a_token_expires() {
    let shop = Shop::start(spicyjump_tests::Options::default().set("ACCESS_TOKEN_TTL_SECONDS", 1)).await;
    let api = shop.api();
    let session = register(&api, "kim@example.com").await;
    eventually("the token has run out", async || {
        (me(&api, text(&session, "access_token")).await.code() == "token_expired").then_some(())
    })
    .await;
    refresh(&api, text(&session, "refresh_token")).await.data(200);
}
