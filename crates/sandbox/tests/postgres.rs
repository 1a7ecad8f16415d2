//! The private cluster, against the machine's own `PostgreSQL`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use spicyjump_sandbox::postgres::{Cluster, ClusterConfig, ClusterError, TestDatabase, ThrowawayCluster};
use tokio_postgres::NoTls;

fn config(data_dir: &Path) -> ClusterConfig {
    ClusterConfig { data_dir: data_dir.to_owned(), port: None, durable: false }
}

/// A temporary folder that the server's user may enter, as `.data/` of an ordinary clone is.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

async fn ask(cluster: &Cluster, database: &str, statement: &str) -> Result<String, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(&cluster.url(database), NoTls).await?;
    tokio::spawn(connection);
    let row = client.query_one(statement, &[]).await?;
    row.try_get(0)
}

async fn run(cluster: &Cluster, statement: &str) {
    execute(&cluster.url("postgres"), statement).await;
}

async fn execute(url: &str, statement: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(statement).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

fn postmaster(data_dir: &Path) -> String {
    let text = std::fs::read_to_string(data_dir.join("data/postmaster.pid")).unwrap();
    text.lines().next().unwrap().to_owned()
}

fn is_alive(pid: &str) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok()
}

#[tokio::test]
async fn keeps_data_between_runs_and_takes_korean() {
    let folder = folder();
    let data_dir = folder.path().join("cluster");
    let cluster = Cluster::start(config(&data_dir)).await.unwrap();
    cluster.create_database("shop").await.unwrap();
    cluster.create_database("shop").await.unwrap();
    run(&cluster, "CREATE TABLE kept AS SELECT '김치'::text AS name").await;
    cluster.stop().await.unwrap();

    let cluster = Cluster::start(ClusterConfig { durable: true, ..config(&data_dir) }).await.unwrap();
    assert_eq!(ask(&cluster, "postgres", "SELECT name FROM kept").await.unwrap(), "김치");
    assert_eq!(ask(&cluster, "shop", "SHOW server_encoding").await.unwrap(), "UTF8");
    assert_eq!(ask(&cluster, "shop", "SHOW lc_ctype").await.unwrap(), "C.UTF-8");
    assert_eq!(ask(&cluster, "shop", "SHOW fsync").await.unwrap(), "on");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn leaves_no_process_behind_when_stopped() {
    let folder = folder();
    let data_dir = folder.path().join("cluster");
    let cluster = Cluster::start(config(&data_dir)).await.unwrap();
    let pid = postmaster(&data_dir);
    assert!(is_alive(&pid));
    cluster.stop().await.unwrap();
    assert!(!is_alive(&pid));
}

#[tokio::test]
async fn refuses_a_wrong_password() {
    let cluster = ThrowawayCluster::start().await.unwrap();
    let url = cluster.url("postgres").replace(cluster.password(), "guessed");
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
    cluster.remove().await.unwrap();
}

#[tokio::test]
async fn takes_another_port_when_the_wished_one_is_in_use() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let wish = ClusterConfig { port: Some(port), ..config(&folder.path().join("cluster")) };
    let cluster = Cluster::start(wish.clone()).await.unwrap();
    assert_ne!(cluster.port(), port);
    cluster.stop().await.unwrap();

    drop(taken);
    let cluster = Cluster::start(wish).await.unwrap();
    assert_eq!(cluster.port(), port);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_start_shares_the_server_and_does_not_stop_it() {
    let folder = folder();
    let data_dir = folder.path().join("cluster");
    let (one, two) = tokio::join!(Cluster::start(config(&data_dir)), Cluster::start(config(&data_dir)));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.port(), two.port());
    // Which of the two was first is open; the other one may not break it.
    let (mut owner, mut guest) = (one, two);
    if !matches!(guest.kill().await, Err(ClusterError::NotOurs)) {
        guest.restart().await.unwrap();
        std::mem::swap(&mut owner, &mut guest);
    }
    guest.stop().await.unwrap();
    ask(&owner, "postgres", "SELECT 'still here'").await.unwrap();
    owner.stop().await.unwrap();
}

#[tokio::test]
async fn recovers_committed_data_after_a_crash_on_the_same_port() {
    let folder = folder();
    let durable = ClusterConfig { durable: true, ..config(&folder.path().join("cluster")) };
    let mut cluster = Cluster::start(durable).await.unwrap();
    run(&cluster, "CREATE TABLE kept AS SELECT 'committed'::text AS name").await;
    let url = cluster.url("postgres");
    cluster.kill().await.unwrap();
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
    cluster.restart().await.unwrap();
    assert_eq!(cluster.url("postgres"), url);
    assert_eq!(ask(&cluster, "postgres", "SELECT name FROM kept").await.unwrap(), "committed");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn starts_over_a_pid_file_that_names_another_process() {
    let folder = folder();
    let data_dir = folder.path().join("cluster");
    let mut cluster = Cluster::start(config(&data_dir)).await.unwrap();
    let pid_file = data_dir.join("data/postmaster.pid");
    let left = std::fs::read_to_string(&pid_file).unwrap();
    cluster.kill().await.unwrap();
    drop(cluster);

    // As after a reboot: the number is now that of someone else of the server's own user.
    let mut other = Command::new("sleep");
    let owner = std::fs::metadata(data_dir.join("data")).unwrap();
    std::os::unix::process::CommandExt::uid(&mut other, std::os::unix::fs::MetadataExt::uid(&owner));
    let mut other = other.arg("600").current_dir("/").spawn().unwrap();
    let (_, rest) = left.split_once('\n').unwrap();
    std::fs::write(&pid_file, format!("{}\n{rest}", other.id())).unwrap();

    let cluster = Cluster::start(config(&data_dir)).await.unwrap();
    ask(&cluster, "postgres", "SELECT 'up'").await.unwrap();
    assert!(other.try_wait().unwrap().is_none(), "the other process was left alone");
    other.kill().unwrap();
    other.wait().unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn begins_again_after_a_broken_off_initialisation() {
    let folder = folder();
    let data_dir = folder.path().join("cluster");
    std::fs::create_dir_all(data_dir.join("initdb/base")).unwrap();
    std::fs::write(data_dir.join("password"), "half").unwrap();
    let cluster = Cluster::start(config(&data_dir)).await.unwrap();
    assert_ne!(cluster.password(), "half");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn names_the_version_that_other_data_needs() {
    let folder = folder();
    let data_dir = folder.path().join("cluster");
    Cluster::start(config(&data_dir)).await.unwrap().stop().await.unwrap();
    std::fs::write(data_dir.join("data/PG_VERSION"), "9\n").unwrap();
    let error = Cluster::start(config(&data_dir)).await.unwrap_err().to_string();
    assert!(error.contains("belongs to PostgreSQL 9") && error.contains("postgresql-9"), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[tokio::test]
async fn works_below_a_folder_that_only_its_owner_may_enter() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("clone/.data/postgres");
    for attempt in ["first", "again"] {
        let cluster = Cluster::start(config(&data_dir)).await.unwrap();
        run(&cluster, "CREATE TABLE IF NOT EXISTS kept (x int)").await;
        cluster.stop().await.unwrap();
        assert!(data_dir.join("data/PG_VERSION").exists(), "{attempt}");
    }
    std::fs::remove_dir_all(data_dir.canonicalize().unwrap()).unwrap();

    // The link is dead now, as when the data's disk was cleared: a fresh cluster.
    let cluster = Cluster::start(config(&data_dir)).await.unwrap();
    run(&cluster, "CREATE TABLE kept (x int)").await;
    cluster.stop().await.unwrap();
    std::fs::remove_dir_all(data_dir.canonicalize().unwrap()).unwrap();
}

fn runner(command: &[&str]) -> Command {
    let mut runner = Command::new(env!("CARGO_BIN_EXE_spicyjump-sandbox"));
    runner.args(["with-postgres", "--"]).args(command).stdin(Stdio::null());
    runner
}

/// A runner whose command has started and waits, with clusters below `temporary`, and the cluster's data directory.
fn waiting_runner(temporary: &Path) -> (Child, PathBuf) {
    // `cat` ends with this test, as its input closes.
    let mut runner = runner(&["sh", "-c", r#"psql -XAt -c "SHOW data_directory"; exec cat"#]);
    runner.env("TMPDIR", temporary).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = runner.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let data = PathBuf::from(line.trim());
    assert!(data.join("PG_VERSION").exists());
    (child, data)
}

#[test]
fn the_runner_gives_a_database_and_the_commands_exit_code() {
    let script = r#"psql -XAt "$SPICYJUMP_TEST_DATABASE_URL" -c "SHOW data_directory"; psql -XAt -c "SELECT 1"; exit 7"#;
    let output = runner(&["sh", "-c", script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let data = lines.next().unwrap();
    assert_eq!(lines.next(), Some("1"));
    assert_eq!(output.status.code(), Some(7));
    assert!(!Path::new(data).exists(), "{data} is removed");
}

#[test]
fn the_runner_passes_sigterm_on_and_cleans_up() {
    let temporary = folder();
    let (mut child, data) = waiting_runner(temporary.path());
    // To wait closes the input, and the end of that must not be what ends the command.
    let input = child.stdin.take();
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    drop(input);
    assert!(!data.exists());
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn the_next_run_clears_up_after_a_killed_runner() {
    let temporary = folder();
    let (mut child, data) = waiting_runner(temporary.path());
    let pid = postmaster(data.parent().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_alive(&pid));
    assert!(runner(&["true"]).env("TMPDIR", temporary.path()).status().unwrap().success());
    assert!(!is_alive(&pid));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn takes_over_the_server_of_a_killed_program_and_stops_it() {
    let temporary = folder();
    let (mut child, data) = waiting_runner(temporary.path());
    let home = data.parent().unwrap();
    let pid = postmaster(home);
    child.kill().unwrap();
    child.wait().unwrap();
    let cluster = Cluster::start(config(home)).await.unwrap();
    assert_eq!(postmaster(home), pid, "no second server");
    cluster.stop().await.unwrap();
    assert!(!is_alive(&pid));
}

#[tokio::test]
async fn each_test_database_is_a_copy_of_a_template_that_is_made_once() {
    let prepared = std::sync::atomic::AtomicUsize::new(0);
    let template = format!("once_{}", uuid::Uuid::new_v4().simple());
    let make = || {
        TestDatabase::from_template(&template, async |url| {
            prepared.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            execute(&url, "CREATE TABLE migrated (x int)").await;
        })
    };
    let (one, two) = tokio::join!(make(), make());
    assert_eq!(prepared.into_inner(), 1);
    assert_ne!(one.name(), two.name());
    execute(one.url(), "DROP TABLE migrated").await;
    execute(two.url(), "INSERT INTO migrated VALUES (1)").await;

    let (name, empty) = (one.name().to_owned(), TestDatabase::create().await);
    drop(one);
    let left = format!("SELECT 1 / (count(*) = 0)::int FROM pg_database WHERE datname = '{name}'");
    execute(empty.url(), &left).await;
}
