use std::time::Duration;

use crate::support::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_left_half_built_is_built_again() {
    let shop = Shop::open().await;
    shop.run(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_status'::regclass; \
         DELETE FROM __diesel_schema_migrations WHERE version = '20261130000001'",
    )
    .await;
    let applied = shop.database.migrate().await.unwrap();
    assert_eq!(applied, ["20261130000001"]);
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_status'::regclass";
    assert!(shop.value::<bool>(valid).await);
    assert!(shop.database.migrate().await.unwrap().is_empty(), "nothing is left to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_gives_way_to_those_who_hold_its_locks_and_comes_back() {
    let shop = Shop::open().await;
    shop.run("DELETE FROM __diesel_schema_migrations WHERE version IN ('20261130000003', '20261130000004')")
        .await;
    shop.run("BEGIN; LOCK TABLE order_lines IN ROW EXCLUSIVE MODE").await;
    let database = shop.database.clone();
    let migrating = tokio::spawn(async move { database.migrate().await.unwrap() });
    // It has come as far as to wait, and its own lock's time is shorter than the detection of deadlocks.
    let waits =
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'order_lines'::regclass)";
    while !shop.value::<bool>(waits).await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while shop.value::<bool>(waits).await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    shop.run("COMMIT").await;
    assert_eq!(migrating.await.unwrap(), ["20261130000003", "20261130000004"]);
}
