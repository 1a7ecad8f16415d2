//! Certificates made on the spot, for servers that only this machine talks to.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate for some names, and the authority of its own that signed it.
///
/// Two certificates, because rustls takes none that is its own authority (`CaUsedAsEndEntity`).
#[derive(Clone, Debug)]
pub struct SelfMadeTls {
    // All three as PEM.
    authority: String,
    certificate: String,
    key: String,
}

/// Why a certificate could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A name is no host name.
    #[error("can't make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The result is refused by rustls.
    #[error("can't use the certificate: {0}")]
    Use(String),
}

impl SelfMadeTls {
    /// Makes a certificate for `names`: host names and IP addresses.
    ///
    /// # Errors
    /// When a name can't stand in a certificate.
    pub fn generate(names: &[&str]) -> Result<Self, TlsError> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "SpicyJump sandbox authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut leaf = CertificateParams::new(names)?;
        leaf.distinguished_name.push(DnType::CommonName, "SpicyJump sandbox");
        let key = KeyPair::generate()?;
        let leaf = leaf.signed_by(&key, &authority)?;
        Ok(Self { authority: authority.pem(), certificate: leaf.pem(), key: key.serialize_pem() })
    }

    /// The authority's certificate: what a client must trust, by `SSL_CERT_FILE` or in its own settings.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.authority
    }

    /// The server's certificate.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The server's private key.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key
    }

    /// These certificates, for a rustls server without client certificates.
    ///
    /// # Errors
    /// When rustls refuses them.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let refused = |error: &dyn std::fmt::Display| TlsError::Use(error.to_string());
        let certificate =
            CertificateDer::from_pem_slice(self.certificate.as_bytes()).map_err(|error| refused(&error))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|error| refused(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key));
        Ok(Arc::new(config.map_err(|error| refused(&error))?))
    }
}
