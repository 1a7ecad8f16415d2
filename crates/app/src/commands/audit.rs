//! `spicyjump audit`

use std::process::ExitCode;

use spicyjump_domain::audit::{Audit as _, Discrepancy};
use spicyjump_postgres::PgAudit;

use crate::{
    adapters,
    config::{self, StoreConfig, Values},
    failure::Failure,
    logging::{self, Terminal},
    printer,
};

/// Names every difference in the books; any makes the command fail.
pub(super) async fn run(values: &Values) -> Result<ExitCode, Failure> {
    let config: StoreConfig = config::load(values)?;
    let _log = logging::start(&config.log, Terminal::Stderr)?;
    let audit = PgAudit::new(adapters::database(&config)?);
    let found = audit.run().await.map_err(|failure| Failure::store("audit", &failure))?;
    if found.is_empty() {
        printer::line("the books balance");
        return Ok(ExitCode::SUCCESS);
    }
    for Discrepancy { rule, subject, detail } in &found {
        printer::line(format_args!("{rule}: {subject}: {detail}"));
    }
    Ok(ExitCode::FAILURE)
}
