//! Keys that are looked up by statement in place of row (ADR 0008): whoever is led to is there, and stays.

use tokio_postgres::error::SqlState;

use crate::support::Shop;

async fn refused(shop: &Shop, statement: &str) -> (SqlState, String) {
    let error = shop.sql.batch_execute(statement).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    (error.code().clone(), error.constraint().unwrap_or_else(|| error.message()).to_owned())
}

const ORDER: &str = "INSERT INTO orders (id, number, buyer_id, status, payment_status, currency, total_minor, \
    shipping_address, holds_stock, version, expires_at, due_at, created_at, updated_at) \
    SELECT 90001, 'ORD-20261120-90001', BUYER, 'pending', 'unpaid', 'USD', 0, '{}', true, 1, now(), now(), now(), now()";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leads_to_what_is_not_there() {
    let shop = Shop::with_history().await;
    let line = |order: &str, product: &str, seller: &str| {
        // A good row comes first, and is no excuse for the second.
        format!(
            "INSERT INTO order_lines (order_id, product_id, seller_id, name, unit_price_minor, quantity) \
             VALUES (16, 499, 1, 'x', 1, 1), ({order}, {product}, {seller}, 'x', 1, 1)"
        )
    };
    let history = "INSERT INTO order_history (order_id, version, at, to_status, payment_status, reason) \
                   VALUES (16, 99, now(), 'pending', 'unpaid', 'x'), (99999, 1, now(), 'pending', 'unpaid', 'x')";
    let movement = "INSERT INTO stock_movements (product_id, kind, delta, at) \
                    VALUES (500, 'change', 1, now()), (99999, 'change', 1, now())";
    for (statement, constraint) in [
        (ORDER.replace("BUYER", "99999"), "orders_have_a_buyer"),
        (line("99999", "500", "1"), "order_lines_have_an_order"),
        (line("16", "99999", "1"), "order_lines_have_stock"),
        (line("16", "500", "99999"), "order_lines_have_a_seller"),
        (history.into(), "order_history_has_an_order"),
        (movement.into(), "stock_movements_have_stock"),
    ] {
        let expected = (SqlState::FOREIGN_KEY_VIOLATION, constraint.to_owned());
        assert_eq!(refused(&shop, &statement).await, expected, "{statement}");
    }
    // The same rows with somebody to lead to.
    shop.run(&ORDER.replace("BUYER", "1")).await;
    shop.run(&line("16", "500", "1")).await;
    shop.run(&history.replace("99999", "90001")).await;
    shop.run(&movement.replace("99999", "500")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_and_what_leads_to_it_may_come_in_one_statement() {
    let shop = Shop::with_history().await;
    let order = ORDER.replace("BUYER", "1");
    shop.run(&format!(
        "WITH made AS ({order}) INSERT INTO order_history (order_id, version, at, to_status, payment_status, reason) \
         VALUES (90001, 1, now(), 'pending', 'unpaid', 'placed')"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_led_to_stays() {
    let shop = Shop::with_history().await;
    for (table, changes) in [
        ("users", &["id = DEFAULT"][..]),
        ("stock", &["product_id = product_id"]),
        ("orders", &["id = id", "buyer_id = buyer_id"]),
        ("order_lines", &["order_id = order_id", "product_id = product_id", "seller_id = seller_id"]),
    ] {
        let expected = (
            SqlState::INTEGRITY_CONSTRAINT_VIOLATION,
            format!("{table} keeps its rows, and they keep their keys"),
        );
        let mut losses = vec![format!("DELETE FROM {table}"), format!("TRUNCATE {table} CASCADE")];
        losses.extend(changes.iter().map(|change| format!("UPDATE {table} SET {change}")));
        for loss in losses {
            assert_eq!(refused(&shop, &loss).await, expected, "{loss}");
        }
    }
}
