//! What the program can do: one module per command.

use std::process::ExitCode;

use crate::{
    cli::{Command, Invocation},
    config::{self, Log, ServeConfig},
    failure::Failure,
    logging::{self, LogGuard},
    shutdown,
};

/// Runs the command on a runtime of its own.
///
/// # Errors
/// [`Failure`], to be shown in one line.
pub(crate) fn run(invocation: Invocation) -> Result<ExitCode, Failure> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed already");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because("the runtime could not start", &error))?;
    runtime.block_on(dispatch(invocation))
}

async fn dispatch(Invocation { command, values }: Invocation) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(_) => {
            let config: ServeConfig = config::load(&values)?;
            let _log = start_log(&config.worker.payments.store.log)?;
            let _shutdown = shutdown::on_signals().map_err(|error| Failure::because("signals", &error))?;
        }
        _ => return Err(Failure::Run("not in this build".to_owned())),
    }
    Ok(ExitCode::SUCCESS)
}

fn start_log(log: &Log) -> Result<LogGuard, Failure> {
    logging::start(log).map_err(|error| Failure::because("the log could not start", &error))
}
