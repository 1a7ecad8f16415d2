//! Webhooks that pay orders.

use std::{fmt::Write as _, time::Duration};

use serde_json::json;
use spicyjump_sandbox::stripe::signature_header;
use spicyjump_tests::webhook::{event, now};

use super::orders;
use crate::{
    report::Line,
    shop::{Shop, lua_string},
};

const SCRIPT: &str = include_str!("../scripts/webhook.lua");
const BARE: &str = include_str!("../scripts/bare_webhook.sql");
const CONNECTIONS: usize = 16;

pub async fn run(shop: &Shop, time: Duration) -> Vec<Line> {
    let limit = shop.limit((BARE, &[]), 8, time).await.load.rate;
    shop.load((orders::SCRIPT, &shop.order_script((1, i64::from(shop.products)), 2)), 64, time).await;
    let deliveries = deliveries(shop).await;
    let here = shop.load((SCRIPT, &deliveries), CONNECTIONS, time).await;
    let paid = shop.number("SELECT count(*) FROM orders WHERE status = 'paid'", &[]).await;
    let line = Line::of(format!("webhook delivery to `paid`, {CONNECTIONS} connections"), &here);
    vec![line.beside("pgbench, 8 clients", limit, &here, "0.5").noting(&format!("{paid} orders are paid."))]
}

/// Signs a delivery for every order that waits for money, whose payments are written beside it: the row is about webhooks.
async fn deliveries(shop: &Shop) -> String {
    let opened =
        shop.database.query(include_str!("../scripts/open_payments.sql"), &[]).await.expect("payments");
    let mut text = String::new();
    for row in opened {
        let (order, number, intent, amount): (i64, &str, &str, i64) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let object = json!({
            "id": intent, "object": "payment_intent", "amount": amount, "amount_received": amount,
            "capture_method": "automatic_async", "client_secret": "secret", "created": now(), "currency": "usd",
            "last_payment_error": null, "latest_charge": format!("ch_{order}"), "livemode": false,
            "metadata": { "order_id": order.to_string(), "order_number": number }, "payment_method": "pm_card_visa",
            "payment_method_types": ["card"], "status": "succeeded",
        });
        let payload = event(&format!("evt_bench_{order}"), "payment_intent.succeeded", &object).to_string();
        let signature = signature_header(shop.stand_ins.webhook_secret(), now(), &payload);
        let _ = writeln!(text, "{signature} {payload}");
    }
    let path = shop.directory().join("deliveries");
    std::fs::write(&path, text).expect("a file");
    format!("deliveries = {}", lua_string(&path))
}
