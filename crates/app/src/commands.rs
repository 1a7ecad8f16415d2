//! What the program can do: one module per command.

mod audit;
mod create_admin;
mod dev;
mod events;
mod migrate;
mod outbox;
mod reconcile;
mod seed_demo;
mod serve;
mod worker;

use std::{process::ExitCode, time::Duration};

use crate::{
    cli::{Command, Invocation},
    failure::Failure,
};

/// When a thread ends, mimalloc gives back to the kernel what nobody has used for a second.
const IDLE_THREADS_STAY: Duration = Duration::from_secs(2);

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
        .thread_keep_alive(IDLE_THREADS_STAY)
        .build()
        .map_err(|error| Failure::because("the runtime could not start", &error))?;
    let outcome = runtime.block_on(dispatch(invocation));
    // What still blocks a thread, such as a password being hashed for a client that has gone, is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(invocation: Invocation) -> Result<ExitCode, Failure> {
    let Invocation { command, values, admin_password } = invocation;
    match command {
        Command::Serve(args) => serve::run(&values, &args).await?,
        Command::Worker => worker::run(&values).await?,
        Command::Migrate => migrate::run(&values).await?,
        Command::Dev => dev::run(values).await?,
        Command::SeedDemo { products } => seed_demo::run(&values, products).await?,
        Command::CreateAdmin(args) => create_admin::run(&values, args, admin_password).await?,
        Command::Audit => return audit::run(&values).await,
        Command::Reconcile { older_than } => return reconcile::run(&values, older_than).await,
        Command::Outbox(command) => outbox::run(&values, &command).await?,
        Command::Events(command) => events::run(&values, &command).await?,
    }
    Ok(ExitCode::SUCCESS)
}
