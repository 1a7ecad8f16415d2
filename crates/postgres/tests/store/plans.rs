//! A session keeps its plans while the tables grow: those that are made for an empty shop must do for a full one.

use serde_json::Value;
use tokio_postgres::SimpleQueryMessage;

use crate::support::Shop;

/// The conditions under which each table is read through an index, by the plan of a young shop.
async fn look_ups(shop: &Shop, types: &str, statement: &str, values: &str) -> Vec<(String, bool)> {
    shop.run(
        "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; SET random_page_cost = 1.1",
    )
    .await;
    shop.run(&format!("PREPARE asked ({types}) AS {statement}")).await;
    let explained = shop.sql.simple_query(&format!("EXPLAIN (FORMAT JSON) EXECUTE asked ({values})")).await;
    let plan = explained.unwrap().iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => serde_json::from_str::<Value>(row.get(0)?).ok(),
        _ => None,
    });
    let plan = plan.unwrap();
    let mut found = vec![];
    walk(&plan[0]["Plan"], &mut found);
    found
}

fn walk(node: &Value, found: &mut Vec<(String, bool)>) {
    let children = || node["Plans"].as_array().into_iter().flatten();
    let by_key = |node: &Value| node.get("Index Cond").is_some();
    if let Some(table) = node["Relation Name"].as_str()
        && node["Node Type"] != "ModifyTable"
    {
        found.push((table.to_owned(), by_key(node) || children().any(by_key)));
    }
    children().for_each(|child| walk(child, found));
}

#[tokio::test(flavor = "multi_thread")]
async fn books_and_mails_are_found_by_key_however_young_the_shop_is() {
    for (types, statement, values, tables) in [
        (
            "bigint[], bigint[], text[]",
            include_str!("../../src/sql/load_books.sql"),
            "NULL, NULL, NULL",
            &["orders", "users", "order_lines", "order_history"][..],
        ),
        ("jsonb", include_str!("../../src/sql/save_orders.sql"), "NULL", &["orders"]),
        (
            "bigint[], text[], timestamptz[], text[]",
            include_str!("../../src/sql/outbox/finish.sql"),
            "NULL, NULL, NULL, NULL",
            &["outbox"],
        ),
    ] {
        let shop = Shop::open().await;
        let found = look_ups(&shop, types, statement, values).await;
        for table in tables {
            let mut of_table = found.iter().filter(|(name, _)| name == table).peekable();
            assert!(of_table.peek().is_some(), "{table} is not read: {found:?}");
            assert!(
                of_table.all(|(_, by_key)| *by_key),
                "{table} is read as a whole: {found:?}\n{statement}"
            );
        }
    }
}
