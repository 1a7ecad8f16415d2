//! What the program is told: read once at start, checked, then handed on as typed values.
//!
//! [`settings`] is the table of all settings, [`values`] decides whose word counts, [`parse`] knows the forms,
//! and [`sections`] are the result. A command reads only the sections that it uses.

mod dev;
mod error;
mod parse;
mod sections;
mod settings;
mod values;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use dev::{DEV_HOME, dev_defaults};
pub(crate) use error::ConfigError;
pub(crate) use sections::*;
pub(crate) use settings::{Group, SETTINGS};
pub(crate) use values::{Layer, Values, read_file};

/// Reads sections, after making sure that everything they need is there.
///
/// # Errors
/// All missing settings in one, else the first wrong one.
pub(crate) fn load<S: Section>(values: &Values) -> Result<S, ConfigError> {
    values.require(S::GROUPS)?;
    S::read(values)
}

/// Everything that the API needs, with its workers in the same process.
#[derive(Debug)]
pub(crate) struct ServeConfig {
    pub(crate) server: Server,
    pub(crate) accounts: Accounts,
    pub(crate) checkout: Checkout,
    pub(crate) images: Images,
    pub(crate) limits: Limits,
    pub(crate) worker: WorkerConfig,
}

impl Section for ServeConfig {
    const GROUPS: &[Group] = &[
        Group::Server,
        Group::Database,
        Group::Accounts,
        Group::Stripe,
        Group::Checkout,
        Group::Images,
        Group::Mail,
        Group::Limits,
        Group::Orders,
        Group::Outbound,
        Group::Log,
        Group::Telemetry,
    ];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        let server: Server = Section::read(values)?;
        let mut worker: WorkerConfig = Section::read(values)?;
        // A request that waits for a connection is to end as "overloaded" before it ends as "timeout".
        let database = &mut worker.payments.store.database;
        let margin = Duration::from_secs(1).min(server.request_timeout / 2);
        database.pool_timeout = database.pool_timeout.min(server.request_timeout.saturating_sub(margin));
        Ok(Self {
            server,
            accounts: Section::read(values)?,
            checkout: Section::read(values)?,
            images: Section::read(values)?,
            limits: Section::read(values)?,
            worker,
        })
    }
}

/// What the background workers need.
#[derive(Debug)]
pub(crate) struct WorkerConfig {
    pub(crate) payments: PaymentsConfig,
    pub(crate) mail: Mail,
    pub(crate) telemetry: Telemetry,
}

impl Section for WorkerConfig {
    const GROUPS: &[Group] = &[
        Group::Database,
        Group::Stripe,
        Group::Mail,
        Group::Orders,
        Group::Outbound,
        Group::Log,
        Group::Telemetry,
    ];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            payments: Section::read(values)?,
            mail: Section::read(values)?,
            telemetry: Section::read(values)?,
        })
    }
}

/// What it takes to ask Stripe about payments and to write down the answer.
#[derive(Debug)]
pub(crate) struct PaymentsConfig {
    pub(crate) store: StoreConfig,
    pub(crate) stripe: Stripe,
    pub(crate) orders: Orders,
}

impl Section for PaymentsConfig {
    const GROUPS: &[Group] = &[Group::Database, Group::Stripe, Group::Orders, Group::Outbound, Group::Log];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            store: Section::read(values)?,
            stripe: Section::read(values)?,
            orders: Section::read(values)?,
        })
    }
}

/// What it takes to apply an event that Stripe delivered.
#[derive(Debug)]
pub(crate) struct EventsConfig {
    pub(crate) store: StoreConfig,
    pub(crate) checkout: Checkout,
    /// Its key says whether events of live or of test mode are ours.
    pub(crate) stripe: Stripe,
    pub(crate) orders: Orders,
}

impl Section for EventsConfig {
    const GROUPS: &[Group] =
        &[Group::Database, Group::Checkout, Group::Stripe, Group::Orders, Group::Outbound, Group::Log];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            store: Section::read(values)?,
            checkout: Section::read(values)?,
            stripe: Section::read(values)?,
            orders: Section::read(values)?,
        })
    }
}

/// What a demo shop takes: pictures only where there is a bucket for them.
#[derive(Debug)]
pub(crate) struct SeedConfig {
    pub(crate) store: StoreConfig,
    pub(crate) images: Option<Images>,
}

impl Section for SeedConfig {
    const GROUPS: &[Group] = StoreConfig::GROUPS;

    fn read(values: &Values) -> Result<Self, ConfigError> {
        let has_bucket = values.require(Images::GROUPS).is_ok();
        Ok(Self {
            store: Section::read(values)?,
            images: has_bucket.then(|| Section::read(values)).transpose()?,
        })
    }
}

/// What a command needs that works on the database alone.
#[derive(Debug)]
pub(crate) struct StoreConfig {
    pub(crate) database: Database,
    pub(crate) outbound: Outbound,
    pub(crate) log: Log,
}

impl Section for StoreConfig {
    const GROUPS: &[Group] = &[Group::Database, Group::Outbound, Group::Log];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            database: Section::read(values)?,
            outbound: Section::read(values)?,
            log: Section::read(values)?,
        })
    }
}
