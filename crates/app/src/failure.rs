//! Why a command ended without success.

use std::{error::Error, fmt};

use spicyjump_domain::failure::StoreFailure;

use crate::config::ConfigError;

/// Shown as one line on standard error.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit status 2.
    Config(ConfigError),
    /// Exit status 1.
    Run(String),
}

impl Failure {
    /// What was tried, and the whole chain of reasons why it failed.
    pub(crate) fn because(tried: impl fmt::Display, error: &dyn Error) -> Self {
        let mut line = tried.to_string();
        let mut cause = Some(error);
        while let Some(error) = cause {
            let reason = error.to_string();
            // Many errors repeat their source's text in their own.
            if !line.ends_with(&reason) {
                line = format!("{line}: {reason}");
            }
            cause = error.source();
        }
        Self::Run(line.replace('\n', " "))
    }

    /// A second Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self::Run("stopped before everything was finished".to_owned())
    }

    /// What was tried, and why the database did not do it.
    pub(crate) fn store(tried: impl fmt::Display, failure: &StoreFailure) -> Self {
        Self::Run(format!("{tried}: {}", reason(failure)))
    }
}

/// In one line: what failed, and the cause behind all causes. Those in between are the pool's and the driver's own.
pub(crate) fn reason(failure: &StoreFailure) -> String {
    let mut line = failure.to_string();
    if let Some(mut cause) = failure.source() {
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        line = format!("{line}: {cause}");
    }
    line.replace('\n', " ")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Run(line) => f.write_str(line),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
