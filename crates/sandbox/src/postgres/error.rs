//! What can go wrong with a cluster, said so that a person can act on it.

use std::path::PathBuf;

/// Why a cluster could not be started, used or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No directory with `postgres` and `initdb` was found.
    #[error("PostgreSQL's server programs are not installed: type `apt-get install postgresql`")]
    NotInstalled,
    /// The data was written by a major version that is not installed.
    #[error(
        "{} belongs to PostgreSQL {found}, but only {installed} is installed: install postgresql-{found}, or move the folder away to start afresh",
        data.display()
    )]
    OtherVersion {
        /// The cluster's folder.
        data: PathBuf,
        /// The major version that wrote it.
        found: u32,
        /// The newest major version on this machine.
        installed: u32,
    },
    /// The data belongs to another user, and we are not root.
    #[error("{} belongs to user {owner}: run as that user, or move the folder away to start afresh", data.display())]
    OtherOwner {
        /// The cluster's folder.
        data: PathBuf,
        /// The owner's number.
        owner: u32,
    },
    /// Root may not run the server, and there is neither a user `postgres` nor `nobody` to run it instead.
    #[error("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it as")]
    NoAccount,
    /// The data exists, but the server's user can't reach it.
    #[error("the server's user {user} can't reach {}: make its parent folders searchable, or move it away", data.display())]
    Unreachable {
        /// The cluster's folder.
        data: PathBuf,
        /// The number of the user that runs the server.
        user: u32,
    },
    /// The server did not come up.
    #[error("PostgreSQL did not start: {detail}")]
    Start {
        /// What it said last.
        detail: String,
    },
    /// The server belongs to another running program.
    #[error("another program runs this PostgreSQL")]
    NotOurs,
    /// The operating system refused something.
    #[error("can't {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The server refused a connection or a statement.
    #[error("PostgreSQL answered: {0}")]
    Postgres(#[from] tokio_postgres::Error),
}

/// Gives an I/O error the words for what was tried: `can't {what}: …`.
pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> ClusterError {
    let what = what.into();
    move |source| ClusterError::Io { what, source }
}
