//! `spicyjump migrate`

use std::process::ExitCode;

use spicyjump_postgres::Database;

use crate::{
    adapters,
    config::{self, StoreConfig, Values},
    failure::Failure,
    logging,
};

/// Brings the schema up to date.
pub(super) async fn run(values: &Values) -> Result<ExitCode, Failure> {
    let config: StoreConfig = config::load(values)?;
    let _log = logging::start(&config.log)?;
    apply(&adapters::database(&config)?).await?;
    Ok(ExitCode::SUCCESS)
}

/// Applies what is missing. Must not run on a worker of the HTTP server: it blocks in place.
///
/// # Errors
/// When the database is away or refuses.
pub(super) async fn apply(database: &Database) -> Result<(), Failure> {
    let applied = database.migrate().await.map_err(|error| Failure::because("migrations", &error))?;
    match applied.as_slice() {
        [] => tracing::info!("the database's schema is up to date"),
        names => tracing::info!("migrated: {}", names.join(", ")),
    }
    Ok(())
}
