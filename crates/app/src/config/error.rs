//! Why the program cannot start as it is configured.

use super::values::Origin;

/// One clear line for the person who configures the program. Never shows a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// Settings without a value that the command cannot do without; all of them at once.
    #[error("missing: {}; set {} in the environment, as {} or in spicyjump.toml", names.join(", "),
        if names.len() == 1 { "it" } else { "them" }, if names.len() == 1 { "a flag" } else { "flags" })]
    Missing { names: Vec<&'static str> },
    /// A value that is not of the expected form.
    #[error("{name} ({origin}): expected {expected}{}", found.as_ref().map_or(String::new(), |found| format!(", found {found:?}")))]
    Wrong { name: &'static str, origin: Origin, expected: String, found: Option<String> },
    /// A value of the right form, of which no use can be made here.
    #[error("{name}: {reason}")]
    Useless { name: &'static str, reason: String },
    /// The TOML file cannot be used as a whole.
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
}
