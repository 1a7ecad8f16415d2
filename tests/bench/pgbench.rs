//! The limit of what needs the database: the bare SQL by `pgbench`.

use std::{fs, path::Path, time::Duration};

use spicyjump_sandbox::postgres::Cluster;
use tokio::process::Command;

use crate::wrk::Load;

/// Every so many transactions, one latency is written down: writing all of them costs what is to be measured.
const SAMPLE: &str = "0.1";

/// Runs a script with so many clients.
pub async fn run(
    cluster: &Cluster,
    database: &str,
    (script, variables): (&str, &[(&str, i64)]),
    clients: usize,
    time: Duration,
) -> Load {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let file = directory.path().join("script.sql");
    fs::write(&file, script).expect("a script");
    let output = Command::new("pgbench")
        .args(["--no-vacuum", "--protocol=prepared", "--log", "--sampling-rate", SAMPLE])
        .arg("--log-prefix=latency")
        .args(variables.iter().map(|(name, value)| format!("--define={name}={value}")))
        .arg(format!("--client={clients}"))
        .arg(format!("--jobs={}", clients.min(2)))
        .arg(format!("--time={}", time.as_secs()))
        .arg("--file")
        .arg(&file)
        .arg(database)
        .envs([("PGHOST", "127.0.0.1"), ("PGUSER", cluster.user()), ("PGPASSWORD", cluster.password())])
        .env("PGPORT", cluster.port().to_string())
        .current_dir(directory.path())
        .kill_on_drop(true)
        .output()
        .await
        .expect("pgbench is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let said =
        |start: &str| text.lines().find_map(|line| line.strip_prefix(start)?.split_whitespace().next());
    let processed = said("number of transactions actually processed: ");
    let Some(good) = processed.and_then(|count| count.split('/').next()?.parse().ok()) else {
        panic!("pgbench said: {text}{}", String::from_utf8_lossy(&output.stderr));
    };
    // It says nothing of a rate where no transaction came to its end.
    let rate = said("tps = ").and_then(|rate| rate.parse().ok()).unwrap_or_default();
    let mut latencies = latencies(directory.path());
    latencies.sort_unstable();
    let percentile = |percent: usize| {
        let at = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
        latencies.get(at).copied().unwrap_or_default() as f64 / 1e3
    };
    Load { rate, p50_ms: percentile(50), p99_ms: percentile(99), good, ..Load::default() }
}

/// In microseconds: the third column of pgbench's logs.
fn latencies(directory: &Path) -> Vec<u64> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let logs = files.filter(|file| file.file_name().to_string_lossy().starts_with("latency."));
    let texts = logs.map(|file| fs::read_to_string(file.path()).unwrap_or_default());
    texts.flat_map(|text| text.lines().filter_map(latency).collect::<Vec<_>>()).collect()
}

fn latency(line: &str) -> Option<u64> {
    line.split_whitespace().nth(2)?.parse().ok()
}
