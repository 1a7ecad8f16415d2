//! Whom we trust: the system's certificate authorities, and those that the operator adds.

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::config::SmtpConfigError;

/// The system's root certificates and the extra ones, each once.
pub(crate) fn trusted(extra_pem: Option<&[u8]>) -> Result<Vec<CertificateDer<'static>>, SmtpConfigError> {
    let mut roots = system();
    if let Some(pem) = extra_pem {
        let unreadable = |reason: String| SmtpConfigError::Roots(reason);
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
    Ok(roots)
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
    // A file that the system's owner put there by mistake must not keep all mail back.
    roots.retain(|root| RootCertStore::empty().add(root.clone()).is_ok());
    roots
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
            assert!(matches!(trusted(Some(pem)), Err(SmtpConfigError::Roots(_))));
        }
    }
}
