//! `spicyjump reconcile`

use std::{process::ExitCode, sync::Arc};

use spicyjump_domain::{caretaker::Caretaker, ids::OrderId, payments::PaymentError};
use time::Duration;

use crate::{
    adapters,
    config::{self, PaymentsConfig, Values},
    failure::Failure,
    logging::{self, Terminal},
    printer,
    wiring::{self, NoPage},
};

/// Orders read at once.
const BATCH: u32 = 100;

/// Asks Stripe about every payment that has been open for `older_than_seconds`, and applies the answers.
pub(super) async fn run(values: &Values, older_than_seconds: u64) -> Result<ExitCode, Failure> {
    let config: PaymentsConfig = config::load(values)?;
    let _log = logging::start(&config.store.log, Terminal::Stderr)?;
    let database = adapters::database(&config.store)?;
    let caretaker = wiring::caretaker(&config, &database, Arc::new(NoPage))?;
    let older_than = wiring::span(std::time::Duration::from_secs(older_than_seconds));
    let Tally { asked, changed, failed } = reconcile(&caretaker, older_than).await?;
    printer::line(format_args!("{asked} open payments asked about: {changed} changed, {failed} failed"));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Tally {
    asked: usize,
    changed: usize,
    failed: usize,
}

async fn reconcile(caretaker: &Caretaker, older_than: Duration) -> Result<Tally, Failure> {
    let desk = &caretaker.payments.desk;
    // Fixed at the start: what is asked about now does not come up again.
    let before = desk.clock.now().checked_sub(older_than).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let mut tally = Tally::default();
    let mut last: Option<OrderId> = None;
    loop {
        let orders = desk.store.with_open_payments(before, last, BATCH).await;
        let orders = orders.map_err(|failure| Failure::store("reconcile", &failure))?;
        let Some(id) = orders.last() else { return Ok(tally) };
        last = Some(*id);
        for id in orders {
            tally.asked += 1;
            match caretaker.reconcile(id).await {
                Ok(changed) => tally.changed += usize::from(changed),
                Err(error) => {
                    tally.failed += 1;
                    report(id, &error);
                }
            }
        }
    }
}

fn report(id: OrderId, error: &PaymentError) {
    printer::line(Failure::because(format_args!("order {id}"), error));
}
