//! `spicyjump events`

use std::sync::Arc;

use spicyjump_domain::webhooks::{Handled, WebhookFailure, Webhooks};

use crate::{
    adapters,
    cli::EventsCommand,
    clock::SystemClock,
    config::{self, EventsConfig, Values},
    failure::Failure,
    logging::{self, Terminal},
    printer, wiring,
};

/// Applies a stored event once more.
pub(super) async fn run(values: &Values, command: &EventsCommand) -> Result<(), Failure> {
    let config: EventsConfig = config::load(values)?;
    let _log = logging::start(&config.store.log, Terminal::Stderr)?;
    let database = adapters::database(&config.store)?;
    let webhooks = Webhooks {
        desk: wiring::desk(&database, &config.orders),
        verifier: Arc::new(adapters::webhooks(&config.checkout, &config.stripe)?),
        clock: Arc::new(SystemClock),
    };
    let EventsCommand::Replay { id } = command;
    let handled = webhooks.replay(id).await.map_err(|error| match error {
        WebhookFailure::Store(failure) => Failure::store(id, &failure),
        WebhookFailure::Invalid(_) | WebhookFailure::UnknownEvent => Failure::because(id, &error),
    })?;
    printer::line(match handled {
        Handled::Applied | Handled::Known => format!("{id}: applied"),
        Handled::Foreign => format!("{id}: is about nothing of ours"),
    });
    Ok(())
}
