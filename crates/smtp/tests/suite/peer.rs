//! A server that somebody else wrote, run by a script in `tests/peers`.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// A running peer. It ends with this value.
pub(crate) struct Peer {
    /// Ends with its standard input, which this holds open.
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts `script`; `None` where peers were not asked for (`SPICYJUMP_PEERS=1`).
    #[expect(clippy::print_stdout, reason = "says why it is green")]
    pub(crate) fn start(script: &str) -> Option<Self> {
        if std::env::var_os("SPICYJUMP_PEERS").is_none_or(|asked| asked != "1") {
            println!("skipped: SPICYJUMP_PEERS=1 runs it");
            return None;
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join(".venv/bin/python");
        assert!(python.exists(), "there are no peers: run `make peers`");
        let mut process = Command::new(python)
            .arg(root.join("tests/peers").join(script))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        Some(Self { process, output })
    }

    /// The next thing that it says.
    pub(crate) async fn hear(&mut self) -> Value {
        let line = timeout(Duration::from_mins(1), self.output.next_line()).await.unwrap().unwrap();
        serde_json::from_str(&line.unwrap()).unwrap()
    }

    /// Ends it: its connections are broken and its port is closed.
    pub(crate) async fn stop(mut self) {
        self.process.kill().await.unwrap();
    }
}
