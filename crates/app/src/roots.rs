//! Whom outbound TLS trusts: the system's certificate authorities, and those that the operator adds.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::failure::Failure;

/// A client that trusts the system's roots and those in `extra_pem`.
///
/// # Errors
/// When the TLS library refuses its own defaults.
pub(crate) fn client(extra_pem: Option<&[u8]>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    // Where SSL_CERT_FILE is set, the call above reads that file *instead of* the system's certificates. An operator
    // who adds a private authority still wants the public ones.
    for directory in openssl_probe::candidate_cert_dirs() {
        roots.add_parsable_certificates(
            rustls_native_certs::load_certs_from_paths(None, Some(directory)).certs,
        );
    }
    // Read and checked with the rest of the configuration.
    let extra = extra_pem.into_iter().flat_map(CertificateDer::pem_slice_iter).flatten();
    roots.add_parsable_certificates(extra);
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
        .map_err(|error| Failure::because("TLS for outbound connections", &error))
}
