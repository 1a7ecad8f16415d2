//! Keys and passwords for one machine, made at the first start and kept.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the shop and its stand-ins agree on. Worth nothing elsewhere, yet nobody else's business.
#[derive(Serialize, Deserialize)]
pub(super) struct Secrets {
    pub(super) jwt_secret: String,
    pub(super) stripe_secret_key: String,
    pub(super) stripe_publishable_key: String,
    pub(super) stripe_webhook_secret: String,
    pub(super) s3_access_key_id: String,
    pub(super) s3_secret_access_key: String,
}

impl Secrets {
    /// Those of an earlier start, else new ones, so that sessions and stored payments outlive a restart.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds something else.
    pub(super) fn load_or_make(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(json) => serde_json::from_slice(&json).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make().kept_in(path),
            Err(error) => Err(error),
        }
    }

    fn make() -> Self {
        Self {
            jwt_secret: random(),
            stripe_secret_key: format!("sk_test_{}", random()),
            stripe_publishable_key: format!("pk_test_{}", random()),
            stripe_webhook_secret: format!("whsec_{}", random()),
            s3_access_key_id: "spicyjump-dev".to_owned(),
            s3_secret_access_key: random(),
        }
    }

    fn kept_in(self, path: &Path) -> io::Result<Self> {
        let json = serde_json::to_vec_pretty(&self)?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(&json)?;
        Ok(self)
    }
}

/// 244 random bits as 64 hexadecimal digits.
fn random() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn are_kept_between_starts_and_readable_by_their_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets.json");
        let first = Secrets::load_or_make(&path).unwrap();
        let second = Secrets::load_or_make(&path).unwrap();
        assert_eq!(first.jwt_secret, second.jwt_secret);
        assert!(first.jwt_secret.len() >= 32);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
