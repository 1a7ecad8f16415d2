//! Puts the use cases on their adapters: the same for every command.

use std::{sync::Arc, time::Duration as StdDuration};

use spicyjump_domain::{
    caretaker::Caretaker,
    orders::OrderDesk,
    payment::Payment,
    payments::{CheckoutLinks, Payments},
    upkeep::Policy,
};
use spicyjump_postgres::{Database, PgOrders};
use time::Duration;

use crate::{
    adapters,
    clock::SystemClock,
    config::{Orders, PaymentsConfig},
    failure::Failure,
};

/// The domain's measure of time; what does not fit is for ever anyway.
pub(crate) fn span(duration: StdDuration) -> Duration {
    Duration::try_from(duration).unwrap_or(Duration::MAX)
}

/// How orders change.
pub(crate) fn desk(database: &Database, orders: &Orders) -> OrderDesk {
    OrderDesk {
        store: Arc::new(PgOrders::new(database.clone())),
        clock: Arc::new(SystemClock),
        policy: Policy {
            payment_window: span(orders.payment_window),
            reconcile_after: span(orders.reconcile_after),
        },
    }
}

/// What looks after orders and their money, and with it the use cases of payments.
///
/// # Errors
/// A setting that only Stripe's adapter can check.
pub(crate) fn caretaker(
    config: &PaymentsConfig,
    database: &Database,
    links: Arc<dyn CheckoutLinks>,
) -> Result<Caretaker, Failure> {
    let gateway = adapters::stripe(&config.stripe, &config.store.outbound, Arc::new(SystemClock))?;
    let payments = Payments {
        desk: desk(database, &config.orders),
        gateway: Arc::new(gateway),
        links,
        minimums: config.stripe.minimums,
    };
    Ok(Caretaker { payments, retry_after: span(config.orders.reconcile_interval) })
}

/// For background work, which confirms no payment and therefore sends nobody to a page.
pub(crate) struct NoPage;

impl CheckoutLinks for NoPage {
    fn checkout_url(&self, _: &Payment) -> String {
        String::new()
    }
}
