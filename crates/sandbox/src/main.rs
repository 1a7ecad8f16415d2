//! `spicyjump-sandbox`: runs a command beside a `PostgreSQL` cluster of its own. `make test` uses it.

use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use clap::Parser;
use rustix::process::{Pid, Signal, kill_process};
use spicyjump_sandbox::postgres::{TEST_DATABASE_URL, ThrowawayCluster};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

/// Local servers for development and tests.
#[derive(Parser)]
enum Arguments {
    /// Runs a command beside a fresh `PostgreSQL` cluster, and exits with the command's code.
    ///
    /// The command finds the cluster by `SPICYJUMP_TEST_DATABASE_URL`, psql by its own variables. It is removed
    /// afterwards.
    WithPostgres {
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments::WithPostgres { command } = Arguments::parse();
    match with_postgres(&command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("spicyjump-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn with_postgres(command: &[String]) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut interrupts = Interrupts::listen()?;
    let cluster = tokio::select! {
        cluster = ThrowawayCluster::start() => cluster?,
        signal = interrupts.next() => return Ok(code_after(signal)),
    };
    let outcome = run(command, &cluster, &mut interrupts).await;
    cluster.remove().await?;
    outcome
}

async fn run(
    command: &[String],
    cluster: &ThrowawayCluster,
    interrupts: &mut Interrupts,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Some((program, arguments)) = command.split_first() else { return Err("no command".into()) };
    let mut child = Command::new(program)
        .args(arguments)
        .env(TEST_DATABASE_URL, cluster.url("postgres"))
        .envs([("PGHOST", "127.0.0.1"), ("PGUSER", cluster.user()), ("PGPASSWORD", cluster.password())])
        .env("PGPORT", cluster.port().to_string())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("can't run {program}: {error}"))?;
    let mut asked_to_end = false;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(code_of(status?)),
            signal = interrupts.next() => {
                if asked_to_end {
                    child.start_kill()?;
                } else {
                    pass_on(signal, &child);
                }
                asked_to_end = true;
            }
        }
    }
}

/// A terminal's Ctrl-C has reached the command by itself: a second one would make many programs quit hard.
fn pass_on(signal: Signal, child: &Child) {
    if signal == Signal::INT && std::io::stdin().is_terminal() {
        return;
    }
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended in this moment, and then there is nobody to tell.
        let _ = kill_process(pid, signal);
    }
}

/// The signals that ask a program to end.
struct Interrupts {
    interrupt: Signals,
    terminate: Signals,
    hang_up: Signals,
}

impl Interrupts {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hang_up.recv() => Signal::HUP,
        }
    }
}

/// The shell's convention for a command that a signal ended.
fn code_after(signal: Signal) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal.as_raw()).unwrap_or(u8::MAX))
}

fn code_of(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
