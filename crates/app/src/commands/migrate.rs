//! `spicyjump migrate`

use spicyjump_postgres::Database;

use crate::{
    adapters,
    config::{self, StoreConfig, Values},
    failure::Failure,
    logging::{self, Terminal},
};

/// Brings the schema up to date.
pub(super) async fn run(values: &Values) -> Result<(), Failure> {
    let config: StoreConfig = config::load(values)?;
    let _log = logging::start(&config.log, Terminal::Stderr)?;
    apply(&adapters::database(&config)?).await
}

/// Applies what is missing. Must not run on a worker of the HTTP server: it blocks in place.
///
/// # Errors
/// When the database is away or refuses.
pub(super) async fn apply(database: &Database) -> Result<(), Failure> {
    let applied = database.migrate().await.map_err(|failure| Failure::store("migrations", &failure))?;
    match applied.as_slice() {
        [] => tracing::info!("the database's schema is up to date"),
        names => tracing::info!("migrated: {}", names.join(", ")),
    }
    Ok(())
}

/// Leaves the schema to somebody else, but makes sure that the database is there.
///
/// # Errors
/// When it is away or refuses.
pub(super) async fn look(database: &Database) -> Result<(), Failure> {
    let migrated = database.is_migrated().await.map_err(|failure| Failure::store("database", &failure))?;
    if !migrated {
        tracing::warn!("the database's schema is older than this program: run `spicyjump migrate`");
    }
    Ok(())
}
