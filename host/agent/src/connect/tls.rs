//! How the server proves that it is the server.
//!
//! Either by a certificate that the system trusts, or by one whose hash was given in the command that registered
//! this host. A pinned certificate that the server presents as its own proves itself by the key behind it. A pinned
//! certificate further up the chain is no proof by being there, since anyone can send it along: then the server's
//! own certificate must have been issued under it.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

/// What is trusted.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// What the system trusts.
    System,
    /// The certificate with this SHA-256.
    Pin([u8; 32]),
}

impl Trust {
    /// Reads `sha256:<64 hexadecimal digits>`.
    pub(crate) fn parse(pin: Option<&str>) -> Result<Self, String> {
        let Some(pin) = pin else { return Ok(Self::System) };
        let wrong = || format!("the pin `{pin}` is not of the form sha256:<64 hexadecimal digits>");
        let hex = pin.strip_prefix("sha256:").ok_or_else(wrong)?;
        let digits: String = hex.chars().filter(|&c| c != ':').collect();
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(wrong());
        }
        let mut hash = [0; 32];
        for (place, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self::Pin(hash))
    }

    pub(crate) fn is_pinned(&self) -> bool {
        matches!(self, Self::Pin(_))
    }

    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be used: {error}"))?;
        let config = match self {
            Self::System => {
                let mut roots = RootCertStore::empty();
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    return Err(
                        "this system trusts no certificates (the package ca-certificates is missing?); \
                                use the pin that the server's command shows"
                            .to_owned(),
                    );
                }
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            Self::Pin(hash) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned { hash: *hash, provider }))
                .with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

#[derive(Debug)]
struct Pinned {
    hash: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn matches(&self, certificate: &CertificateDer<'_>) -> bool {
        Sha256::digest(certificate.as_ref()).as_slice() == self.hash
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.matches(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let Some(pinned) = intermediates.iter().find(|certificate| self.matches(certificate)) else {
            return Err(CertificateError::Other(rustls::OtherError(Arc::new(NotPinned))).into());
        };
        let mut roots = RootCertStore::empty();
        roots.add(pinned.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("none of its certificates is the pinned one")]
struct NotPinned;
