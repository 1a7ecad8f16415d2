//! Whom we trust: the system's certificate authorities, and those that the operator adds.

use aws_smithy_http_client::tls::TrustStore;
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::config::S3ConfigError;

/// The system's root certificates and the extra ones.
pub(crate) fn trusted(extra_pem: Option<&[u8]>) -> Result<TrustStore, S3ConfigError> {
    let mut roots = system();
    if let Some(pem) = extra_pem {
        let unreadable = |reason: String| S3ConfigError::Roots(reason);
        let extra: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| unreadable(error.to_string()))?;
        if extra.is_empty() {
            return Err(unreadable("there is none".to_owned()));
        }
        for root in &extra {
            RootCertStore::empty().add(root.clone()).map_err(|error| unreadable(error.to_string()))?;
        }
        roots.extend(extra);
    }
    // The SDK panics at certificates that it cannot read, but all of these were read above.
    Ok(roots.iter().fold(TrustStore::empty(), |store, root| store.with_pem_certificate(pem(root))))
}

fn system() -> Vec<CertificateDer<'static>> {
    let mut roots = rustls_native_certs::load_native_certs().certs;
    // Where SSL_CERT_FILE is set, the call above reads that file *instead of* the system's certificates. An
    // operator who adds a private authority still wants the public ones.
    for directory in openssl_probe::candidate_cert_dirs() {
        roots.extend(rustls_native_certs::load_certs_from_paths(None, Some(directory)).certs);
    }
    roots.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
    roots.dedup();
    // A file that the system's owner put there by mistake must not keep all images back.
    roots.retain(|root| RootCertStore::empty().add(root.clone()).is_ok());
    roots
}

/// RFC 7468, on one line, which the SDK's reader takes.
fn pem(root: &CertificateDer<'_>) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        for pem in [
            &b""[..],
            b"not a certificate",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert!(matches!(trusted(Some(pem)), Err(S3ConfigError::Roots(_))));
        }
    }

    #[test]
    fn what_is_handed_to_the_sdk_reads_back_as_the_same_certificate() {
        let root = CertificateDer::from(vec![0x30; 1000]);
        assert_eq!(CertificateDer::from_pem_slice(pem(&root).as_bytes()).unwrap(), root);
    }
}
