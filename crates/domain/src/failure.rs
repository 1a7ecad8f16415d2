//! Technical failures, opaque to the rules: what could not be reached, and never why in a way that a caller could leak.

/// The store could not do what was asked. Nothing was written, unless `Interrupted` says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum StoreFailure {
    /// No connection became free in time: the shop is busy.
    #[error("no database connection became free in time")]
    Overloaded,
    /// The database refuses or drops connections.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database answered with something that the program did not expect: a defect.
    #[error("the database answered unexpectedly")]
    Unexpected(#[source] Box<dyn std::error::Error + Send + Sync>),
}
