//! What the program can do: one module per command.

mod dev;
mod migrate;

use std::process::ExitCode;

use crate::{
    cli::{Command, Invocation},
    failure::Failure,
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
    let outcome = runtime.block_on(dispatch(invocation));
    // What still blocks a thread, such as a password being hashed for a client that has gone, is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(Invocation { command, values }: Invocation) -> Result<ExitCode, Failure> {
    match command {
        Command::Migrate => migrate::run(&values).await,
        _ => Err(Failure::Run("not in this build".to_owned())),
    }
}
