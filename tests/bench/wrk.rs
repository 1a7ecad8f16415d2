//! Load over HTTP by `wrk`, on connections that are kept alive.

use std::{path::Path, time::Duration};

use serde_json::Value;
use tokio::process::Command;

/// What a load came to.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Answers below 400 in a second.
    pub rate: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Answers below 400.
    pub good: u64,
    /// Other answers.
    pub refused: u64,
    /// Broken or timed out.
    pub broken: u64,
}

/// Said by each script at its end.
const COMMON: &str = include_str!("scripts/common.lua");

/// Runs a script against `http://address` with so many connections; `globals` are Lua assignments that it reads.
pub async fn run(
    directory: &Path,
    address: &str,
    (script, globals): (&str, &str),
    connections: usize,
    time: Duration,
) -> Load {
    let file = tempfile::Builder::new().suffix(".lua").tempfile_in(directory).expect("a script");
    std::fs::write(file.path(), format!("{globals}\n{COMMON}\n{script}")).expect("a script");
    let output = Command::new("wrk")
        .args(["--latency", "--timeout", "30s"])
        .arg(format!("-t{}", connections.min(2)))
        .arg(format!("-c{connections}"))
        .arg(format!("-d{}s", time.as_secs()))
        .arg("-s")
        .arg(file.path())
        .arg(format!("http://{address}"))
        .kill_on_drop(true)
        .output()
        .await
        .expect("wrk is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let said = text.lines().find_map(|line| line.strip_prefix("measured ")).unwrap_or_else(|| {
        panic!("wrk said nothing: {text}{}", String::from_utf8_lossy(&output.stderr));
    });
    let said: Value = serde_json::from_str(said).expect("JSON");
    let number = |name: &str| said[name].as_f64().unwrap_or_default();
    let count = |name: &str| said[name].as_u64().unwrap_or_default();
    let good = count("requests").saturating_sub(count("refused"));
    Load {
        rate: good as f64 / (number("micros") / 1e6),
        p50_ms: number("p50") / 1e3,
        p99_ms: number("p99") / 1e3,
        good,
        refused: count("refused"),
        broken: count("broken"),
    }
}
