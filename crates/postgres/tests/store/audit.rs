use spicyjump_domain::audit::{Audit, Discrepancy};
use spicyjump_postgres::PgAudit;

use crate::support::Shop;

async fn audited(shop: &Shop) -> Vec<Discrepancy> {
    PgAudit::new(shop.database.clone()).run().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn books_of_every_kind_of_order_are_right() {
    let shop = Shop::with_history().await;
    assert_eq!(audited(&shop).await, []);
    assert_eq!(shop.value::<i64>("SELECT count(DISTINCT (status, payment_status)) FROM orders").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_shop_is_in_order() {
    assert_eq!(audited(&Shop::open().await).await, []);
}

/// Breaks the books as no port could, and expects exactly these rules to say so, the first of them in these words.
async fn breaks(statements: &str, rules: &[&str], subject: &str, detail: &str) {
    let shop = Shop::with_history().await;
    // Neither triggers nor foreign keys stand in the way; constraints are dropped where they would.
    shop.run("SET session_replication_role = replica").await;
    shop.run(statements).await;
    let found = audited(&shop).await;
    let mut named: Vec<&str> = found.iter().map(|discrepancy| discrepancy.rule).collect();
    named.dedup();
    assert_eq!(named, rules, "{statements}\n{found:#?}");
    let expected = (subject, detail);
    let first: Vec<_> = found.iter().filter(|one| one.rule == rules[0]).collect();
    assert!(
        first.iter().any(|one| (one.subject.as_str(), one.detail.as_str()) == expected),
        "{statements}\nexpected {expected:#?}\nfound {first:#?}"
    );
}

macro_rules! broken {
    ($($name:ident: $statements:expr => $rules:expr, $subject:expr, $detail:expr;)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            breaks($statements, &$rules, $subject, $detail).await;
        }
    )+};
}

// In the history, order n has the status of n modulo 16: 0 and 1 are pending (1 with an open payment), 2 and 3 paid, 4
// and 5 shipped, 6 to 9 delivered (7 partly refunded, 9 disputed), 10 and 11 cancelled (11 after it was paid), 12 and 13
// expired, 14 and 15 refunded (15 restocked). The payment of order n is payment n, and so is its refund.
broken! {
    names_stock_that_appeared_from_nowhere:
        "UPDATE stock SET available = available + 2 WHERE product_id = 500"
        => ["stock_balance"], "product 500",
        "stock says 1000000002, its movements add up to 1000000000";
    names_stock_that_vanished:
        "DELETE FROM stock WHERE product_id = 500"
        => ["stock_balance", "stock_opening"], "product 500",
        "stock says nothing, its movements add up to 1000000000";
    names_a_lost_movement:
        "DELETE FROM stock_movements WHERE order_id = 2 AND product_id = 7"
        => ["stock_balance", "order_stock"], "product 7",
        "stock says 999999997, its movements add up to 1000000000";
    names_a_product_that_never_had_stock:
        "DELETE FROM stock WHERE product_id = 500; DELETE FROM stock_movements WHERE product_id = 500"
        => ["stock_opening"], "product 500",
        "it has no stock";
    names_books_that_were_never_opened:
        "UPDATE stock_movements SET kind = 'change' WHERE kind = 'opening' AND product_id = 500"
        => ["stock_opening"], "product 500",
        "it has 0 opening movements instead of one";
    names_books_that_were_opened_twice:
        "DROP INDEX stock_movements_one_opening; \
         INSERT INTO stock_movements (product_id, kind, delta, at) VALUES (500, 'opening', 0, now())"
        => ["stock_opening"], "product 500",
        "it has 2 opening movements instead of one";
    names_a_product_that_wrongly_counts_as_sold_out:
        "INSERT INTO sold_out VALUES (500)"
        => ["stock_sold_out"], "product 500",
        "it counts as sold out, but has 1000000000 pieces";
    names_a_product_that_should_count_as_sold_out:
        "UPDATE stock SET available = 0 WHERE product_id = 500; \
         INSERT INTO stock_movements (product_id, kind, delta, at) VALUES (500, 'change', -1000000000, now())"
        => ["stock_sold_out"], "product 500",
        "it has no pieces left, but does not count as sold out";
    names_an_order_that_took_less_than_it_sold:
        "UPDATE order_lines SET quantity = quantity + 1 WHERE order_id = 2 AND product_id = 7; \
         UPDATE orders SET total_minor = total_minor + 107 WHERE id = 2"
        => ["order_stock", "order_settlement"], "order ORD-20261120-0002, product 7",
        "4 pieces are ordered, 3 are taken";
    names_a_reservation_that_leaked:
        "DELETE FROM stock_movements WHERE order_id = 12 AND product_id = 37 AND kind = 'returned'; \
         UPDATE stock SET available = available - 1 WHERE product_id = 37"
        => ["order_stock"], "order ORD-20261120-0012, product 37",
        "it is expired and owns no stock, yet 1 of its pieces are still taken";
    names_stock_given_back_twice:
        "INSERT INTO stock_movements (product_id, kind, delta, order_id, order_version, at) VALUES (37, 'returned', 1, 12, 3, now()); \
         UPDATE stock SET available = available + 1 WHERE product_id = 37"
        => ["order_stock"], "order ORD-20261120-0012, product 37",
        "1 more pieces were given back than taken";
    names_stock_taken_for_no_order:
        "INSERT INTO stock_movements (product_id, kind, delta, order_id, order_version, at) VALUES (37, 'sold', -1, 9999, 1, now()); \
         UPDATE stock SET available = available - 1 WHERE product_id = 37"
        => ["order_stock"], "order 9999, product 37",
        "1 pieces were taken for an order that does not exist";
    names_a_total_that_is_not_its_lines:
        "UPDATE orders SET total_minor = total_minor + 1 WHERE id = 16"
        => ["order_total"], "order ORD-20261120-0016",
        "its total is 700, its lines add up to 699 (minor units of USD)";
    names_an_order_without_its_buyer:
        "UPDATE orders SET buyer_id = 99999 WHERE id = 16"
        => ["order_keys"], "order ORD-20261120-0016",
        "its buyer 99999 does not exist";
    names_a_line_without_its_seller:
        "UPDATE order_lines SET seller_id = 99999 WHERE order_id = 16 AND product_id = (SELECT min(product_id) FROM order_lines WHERE order_id = 16)"
        => ["order_keys"], "order ORD-20261120-0016",
        "the seller of its product 49 does not exist";
    names_a_line_without_its_order:
        "INSERT INTO order_lines (order_id, product_id, seller_id, name, unit_price_minor, quantity) VALUES (99999, 500, 1, 'x', 1, 1)"
        => ["order_keys"], "order 99999",
        "it has a line of product 500, but does not exist";
    names_an_order_without_lines:
        "DELETE FROM order_lines WHERE order_id = 12"
        => ["order_total"], "order ORD-20261120-0012",
        "it has no lines";
    names_an_expired_order_that_kept_its_stock:
        "ALTER TABLE orders DROP CONSTRAINT orders_own_their_stock; UPDATE orders SET holds_stock = true WHERE id = 12"
        => ["order_stock", "order_status"], "order ORD-20261120-0012, product 38",
        "2 pieces are ordered, 0 are taken";
    names_a_paid_order_that_gave_its_stock_away:
        "ALTER TABLE orders DROP CONSTRAINT orders_own_their_stock; UPDATE orders SET holds_stock = false WHERE id = 2"
        => ["order_stock", "order_status"], "order ORD-20261120-0002, product 7",
        "it is paid and owns no stock, yet 3 of its pieces are still taken";
    names_a_pending_order_that_says_it_is_settled:
        "UPDATE orders SET settled_by = 1 WHERE id = 1"
        => ["order_status", "order_settlement"], "order ORD-20261120-0001",
        "it is pending, but names a payment that settled it";
    names_a_paid_order_whose_lines_are_all_on_their_way:
        "UPDATE order_lines SET fulfilment = 'shipped' WHERE order_id = 2"
        => ["order_status"], "order ORD-20261120-0002",
        "it is paid, but all of its lines are on their way";
    names_a_shipped_order_whose_lines_have_all_arrived:
        "UPDATE order_lines SET fulfilment = 'delivered' WHERE order_id = 4"
        => ["order_status"], "order ORD-20261120-0004",
        "it is shipped, but all of its lines have arrived";
    names_a_shipped_order_with_a_line_that_was_not:
        "UPDATE order_lines SET fulfilment = 'unfulfilled' WHERE order_id = 4 AND product_id = 13"
        => ["order_status"], "order ORD-20261120-0004",
        "it is shipped, but a line of it was never shipped";
    names_a_delivered_order_with_a_line_on_its_way:
        "UPDATE order_lines SET fulfilment = 'shipped' WHERE order_id = 6 AND product_id = 19"
        => ["order_status"], "order ORD-20261120-0006",
        "it is delivered, but a line of it has not arrived";
    names_a_line_shipped_before_it_was_paid:
        "UPDATE order_lines SET fulfilment = 'shipped' WHERE order_id = 1 AND product_id = 4"
        => ["order_status"], "order ORD-20261120-0001",
        "it is pending, but a line of it is on its way";
    names_a_paid_order_that_nobody_paid:
        "ALTER TABLE orders DROP CONSTRAINT orders_paid_have_a_payment; \
         UPDATE orders SET status = 'paid', payment_status = 'paid' WHERE id = 16; \
         INSERT INTO order_history VALUES (16, 2, now(), 'pending', 'paid', 'paid', 'x')"
        => ["order_settlement", "order_money"], "order ORD-20261120-0016",
        "it is paid, but no payment settled it";
    names_an_order_paid_by_another_orders_money:
        "UPDATE orders SET settled_by = 3 WHERE id = 2"
        => ["order_settlement", "order_money", "payment_owner"], "order ORD-20261120-0002",
        "it is settled by payment 3, which is of another order";
    names_an_order_paid_by_a_payment_that_is_gone:
        "UPDATE orders SET settled_by = 99999 WHERE id = 2"
        => ["order_settlement", "order_money", "payment_owner"], "order ORD-20261120-0002",
        "it is settled by payment 99999, which does not exist";
    names_an_order_whose_payment_is_still_open:
        "UPDATE payments SET state = 'processing', captured_minor = 0 WHERE id = 2"
        => ["order_settlement", "order_money", "order_agenda", "ledger"], "order ORD-20261120-0002",
        "it is settled by payment 2, which is processing";
    names_an_order_paid_with_the_wrong_amount:
        "UPDATE payments SET amount_minor = 1, captured_minor = 1 WHERE id = 2; \
         UPDATE ledger_entries SET amount_minor = 1 WHERE payment_id = 2"
        => ["order_settlement"], "order ORD-20261120-0002",
        "its total is 647, payment 2 captured 1 (minor units of USD)";
    names_money_of_an_expired_order:
        "INSERT INTO payments (id, order_id, intent_id, currency, amount_minor, state, captured_minor, checked_at, created_at) \
         VALUES (9012, 12, 'pi_late', 'USD', 500, 'succeeded', 500, now(), now()); \
         INSERT INTO ledger_entries (order_id, payment_id, kind, currency, amount_minor, provider_object, at) \
         VALUES (12, 9012, 'captured', 'USD', 500, 'pi_late', now()); \
         UPDATE orders SET payment_status = 'paid' WHERE id = 12; \
         UPDATE order_history SET payment_status = 'paid' WHERE order_id = 12 AND version = 2"
        => ["payment_owner"], "payment 9012 of order ORD-20261120-0012",
        "the order is expired and does not keep its 500; only 0 are on their way back (minor units of USD)";
    names_money_of_a_cancelled_order_whose_refund_failed:
        "UPDATE refunds SET status = 'failed' WHERE id = 11; \
         INSERT INTO ledger_entries (order_id, payment_id, kind, currency, amount_minor, provider_object, at) \
         SELECT 11, 11, 'refund_reversed', 'USD', amount_minor, 're_11', now() FROM refunds WHERE id = 11; \
         UPDATE payments SET refunded_minor = 0 WHERE id = 11; \
         UPDATE orders SET refunded_minor = 0, payment_status = 'paid' WHERE id = 11; \
         UPDATE order_history SET payment_status = 'paid' WHERE order_id = 11 AND version = 3"
        => ["payment_owner"], "payment 11 of order ORD-20261120-0011",
        "the order is cancelled and does not keep its 809; only 0 are on their way back (minor units of USD)";
    names_a_pending_order_that_was_paid:
        "UPDATE payments SET state = 'succeeded', captured_minor = amount_minor WHERE id = 1; \
         INSERT INTO ledger_entries (order_id, payment_id, kind, currency, amount_minor, provider_object, at) \
         SELECT 1, 1, 'captured', 'USD', amount_minor, 'pi_1', now() FROM payments WHERE id = 1; \
         UPDATE orders SET payment_status = 'paid' WHERE id = 1; \
         UPDATE order_history SET payment_status = 'paid' WHERE order_id = 1"
        => ["payment_owner"], "payment 1 of order ORD-20261120-0001",
        "it captured 629, but the order still waits for money";
    names_a_refund_that_the_payment_does_not_count:
        "UPDATE refunds SET amount_minor = amount_minor - 1 WHERE id = 7"
        => ["payment_refunds"], "payment 7 of order ORD-20261120-0007",
        "it says that 100 went back, its refunds say 99 (minor units of USD)";
    names_refunds_beyond_what_was_captured:
        "INSERT INTO refunds (id, payment_id, currency, amount_minor, status, acknowledged, restock, restocked, origin, created_at) \
         VALUES (9007, 7, 'USD', 100000, 'pending', false, false, false, 'provider', now()); \
         UPDATE orders SET due_at = now() WHERE id = 7"
        => ["payment_refunds"], "payment 7 of order ORD-20261120-0007",
        "its refunds come to 100100, but it captured only 737 (minor units of USD)";
    names_money_that_the_ledger_does_not_know:
        "DELETE FROM ledger_entries WHERE kind = 'captured' AND payment_id = 2"
        => ["ledger"], "payment 2 of order ORD-20261120-0002",
        "it captured 647, refunded 0 and lost 0 in disputes; the ledger says 0, 0 and 0 (minor units of USD)";
    names_a_dispute_that_the_ledger_does_not_know:
        "DELETE FROM ledger_entries WHERE kind = 'disputed' AND payment_id = 9"
        => ["ledger"], "payment 9 of order ORD-20261120-0009",
        "it captured 776, refunded 0 and lost 776 in disputes; the ledger says 776, 0 and 0 (minor units of USD)";
    names_an_order_that_forgot_a_refund:
        "UPDATE orders SET refunded_minor = 0 WHERE id = 7"
        => ["order_money"], "order ORD-20261120-0007",
        "it says that 0 went back, its payments say 100 (minor units of USD)";
    names_a_payment_status_that_does_not_follow:
        "UPDATE orders SET payment_status = 'paid' WHERE id = 9; \
         UPDATE order_history SET payment_status = 'paid' WHERE order_id = 9"
        => ["order_money"], "order ORD-20261120-0009",
        "its payment status is paid, its payments make it disputed";
    names_a_history_that_ends_elsewhere:
        "DELETE FROM order_history WHERE order_id = 6 AND version = 4"
        => ["order_history"], "order ORD-20261120-0006",
        "it is delivered and paid, its history ends with shipped and paid";
    names_a_history_with_a_gap:
        "DELETE FROM order_history WHERE order_id = 6 AND version = 2"
        => ["order_history"], "order ORD-20261120-0006",
        "a step of its history does not follow from the one before";
    names_a_step_that_orders_cannot_take:
        "UPDATE order_history SET to_status = 'delivered' WHERE order_id = 6 AND version = 3; \
         UPDATE order_history SET from_status = 'delivered' WHERE order_id = 6 AND version = 4; \
         UPDATE order_history SET to_status = 'delivered' WHERE order_id = 6 AND version = 2; \
         UPDATE order_history SET from_status = 'delivered' WHERE order_id = 6 AND version = 3"
        => ["order_history"], "order ORD-20261120-0006",
        "its history has a step that orders cannot take";
    names_an_order_without_a_history:
        "DELETE FROM order_history WHERE order_id = 6"
        => ["order_history"], "order ORD-20261120-0006",
        "it has no history";
    names_a_history_of_no_order:
        "INSERT INTO order_history VALUES (99999, 1, now(), NULL, 'pending', 'unpaid', 'placed')"
        => ["order_history"], "order 99999",
        "it has a history, but does not exist";
    names_an_open_payment_that_nobody_asks_about:
        "INSERT INTO payments (id, order_id, intent_id, currency, amount_minor, state, captured_minor, checked_at, created_at) \
         VALUES (9012, 12, 'pi_open', 'USD', 500, 'requires_action', 0, now(), now())"
        => ["order_agenda"], "order ORD-20261120-0012",
        "payment 9012 of it is open, but nobody will look at it again";
    names_a_suspected_refund_that_nobody_asks_about:
        "INSERT INTO refunds (id, payment_id, currency, amount_minor, status, acknowledged, restock, restocked, origin, created_at) \
         VALUES (9007, 7, 'USD', 1, 'pending', false, false, false, 'provider', now())"
        => ["order_agenda"], "order ORD-20261120-0007",
        "refund 9007 of it is not finished, but nobody will look at it again";
    names_an_unpaid_order_off_the_agenda:
        "ALTER TABLE orders DROP CONSTRAINT orders_unpaid_expire; UPDATE orders SET due_at = NULL WHERE id = 16"
        => ["order_agenda"], "order ORD-20261120-0016",
        "it waits for money, but nobody will look at it again";
    names_a_refund_that_nobody_will_send:
        "INSERT INTO refunds (id, payment_id, currency, amount_minor, status, acknowledged, restock, restocked, origin, created_at) \
         VALUES (9007, 7, 'USD', 1, 'pending', false, false, false, 'requested', now())"
        => ["order_agenda"], "order ORD-20261120-0007",
        "refund 9007 of it is not finished, but nobody will look at it again";
    names_a_payment_in_another_currency:
        "UPDATE payments SET currency = 'EUR' WHERE id = 2; UPDATE ledger_entries SET currency = 'EUR' WHERE payment_id = 2"
        => ["currency"], "payment 2 of order ORD-20261120-0002",
        "the order is in USD, its payment in EUR";
    names_a_refund_in_another_currency:
        "UPDATE refunds SET currency = 'EUR' WHERE id = 7"
        => ["currency"], "refund 7 of payment 7",
        "the payment is in USD, its refund in EUR";
    names_a_dispute_in_another_currency:
        "UPDATE disputes SET currency = 'EUR' WHERE payment_id = 9"
        => ["currency"], "dispute dp_9 of payment 9",
        "the payment is in USD, the dispute in EUR";
    names_an_entry_in_another_currency:
        "UPDATE ledger_entries SET currency = 'EUR' WHERE payment_id = 2"
        => ["currency"], "ledger entry 1 of payment 2",
        "the payment is in USD, the entry in EUR";
    names_an_entry_filed_under_another_order:
        "UPDATE ledger_entries SET order_id = 3 WHERE payment_id = 2"
        => ["currency"], "ledger entry 1 of payment 2",
        "the payment is of order 2, the entry of order 3";
}

#[tokio::test(flavor = "multi_thread")]
async fn names_a_thousand_of_a_rule_and_counts_the_rest() {
    let shop = Shop::with_history().await;
    shop.run(
        "INSERT INTO products (seller_id, name, price_minor, currency, status, created_at, updated_at) \
              SELECT 1, 'x', 1, 'USD', 'draft', now(), now() FROM generate_series(1, 1234)",
    )
    .await;
    let found = audited(&shop).await;
    assert_eq!(found.len(), 1001);
    let last = found.last().unwrap();
    assert_eq!((last.rule, last.subject.as_str()), ("stock_opening", "234 more"));
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_of_money_and_stock_are_never_changed() {
    let shop = Shop::with_history().await;
    for table in ["ledger_entries", "stock_movements", "order_history"] {
        for statement in [format!("UPDATE {table} SET at = now()"), format!("DELETE FROM {table}")] {
            let refused = shop.sql.batch_execute(&statement).await.unwrap_err();
            let expected = format!("{table} is append-only");
            assert_eq!(refused.as_db_error().unwrap().message(), expected, "{statement}");
        }
    }
}
