//! Whom a client believes, and the TLS settings that follow.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use crate::pin::Pin;
use crate::verifier::PinVerifier;

/// Why trust settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file of authorities cannot be read.
    #[error("could not read the authorities in `{path}`")]
    CaFile {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file holds no certificate.
    #[error("`{path}` holds no certificate in PEM form")]
    CaEmpty {
        /// The file.
        path: String,
    },
    /// TLS itself cannot be set up.
    #[error("could not set up TLS")]
    Tls(#[source] rustls::Error),
}

/// Whom a client believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The authorities of this machine.
    #[default]
    System,
    /// The authorities in a PEM file, and no other.
    CaFile(PathBuf),
    /// The certificate with this hash, or what was issued under it, and no other.
    Pin(Pin),
}

impl Trust {
    /// The settings of a client that believes so.
    ///
    /// # Errors
    /// Fails if the file of authorities cannot be used.
    pub fn client_config(&self) -> Result<ClientConfig, TrustError> {
        let (provider, builder) = begin()?;
        let roots = match self {
            Self::Pin(pin) => {
                let verifier = Arc::new(PinVerifier::new(pin.clone(), provider));
                let config = builder.dangerous().with_custom_certificate_verifier(verifier);
                return Ok(config.with_no_client_auth());
            }
            Self::CaFile(path) => authorities_in(path)?,
            Self::System => system_authorities(),
        };
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// The settings of a client that speaks no TLS: nobody is believed.
///
/// # Errors
/// Fails if TLS cannot be set up at all.
pub fn trust_nobody() -> Result<ClientConfig, TrustError> {
    let (_, builder) = begin()?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// Whether this machine knows any authority; without the package of authorities it does not.
pub fn system_vouches_for_anybody() -> bool {
    !system_authorities().is_empty()
}

pub(crate) fn begin() -> Result<(Arc<CryptoProvider>, ConfigBuilder<ClientConfig, WantsVerifier>), TrustError>
{
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Tls)?;
    Ok((provider, builder))
}

fn system_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A certificate of the system that cannot be read vouches for nobody; the others still do.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn authorities_in(path: &Path) -> Result<RootCertStore, TrustError> {
    let shown = || path.display().to_string();
    let unreadable =
        |source: Box<dyn std::error::Error + Send + Sync>| TrustError::CaFile { path: shown(), source };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|source| unreadable(Box::new(source)))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|source| unreadable(Box::new(source)))?;
        roots.add(certificate).map_err(|source| unreadable(Box::new(source)))?;
    }
    if roots.is_empty() { Err(TrustError::CaEmpty { path: shown() }) } else { Ok(roots) }
}
