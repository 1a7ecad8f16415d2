//! Why a command ended without success.

use std::{error::Error, fmt};

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
