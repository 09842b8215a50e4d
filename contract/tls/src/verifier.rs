//! Verifiers of certificates, and words for what they complain about.

use std::sync::{Arc, Mutex};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};

use crate::pin::{Pin, ServerCertificate};
use crate::trust::{TrustError, begin};

/// Believes one certificate by its hash, and what was issued under it.
#[derive(Debug)]
pub(crate) struct PinVerifier {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl PinVerifier {
    pub(crate) fn new(pin: Pin, provider: Arc<CryptoProvider>) -> Self {
        Self { pin, provider }
    }
}

/// The server showed other certificates than the pinned one.
#[derive(Debug, thiserror::Error)]
#[error("its certificate has the hash {seen}, but {pinned} was pinned")]
struct NotPinned {
    seen: Pin,
    pinned: Pin,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = Pin::of(end_entity);
        if seen == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        let Some(pinned) = intermediates.iter().find(|certificate| Pin::of(certificate) == self.pin) else {
            let why = NotPinned { seen, pinned: self.pin.clone() };
            return Err(CertificateError::Other(OtherError(Arc::new(why))).into());
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

/// Takes note of the certificate that a server shows and believes nobody: only for showing it to a person who decides.
#[derive(Debug)]
pub struct Onlooker {
    seen: Mutex<Option<Vec<u8>>>,
    schemes: Vec<SignatureScheme>,
}

impl Onlooker {
    /// Makes one, with the settings of a client for it. Each handshake with them fails, and nothing else is sent.
    ///
    /// # Errors
    /// Fails if TLS cannot be set up at all.
    pub fn new() -> Result<(Arc<Self>, ClientConfig), TrustError> {
        let (provider, builder) = begin()?;
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        let onlooker = Arc::new(Self { seen: Mutex::new(None), schemes });
        let verifier = Arc::clone(&onlooker) as Arc<dyn ServerCertVerifier>;
        let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Ok((onlooker, config))
    }

    /// The certificate that was shown last, if one was.
    pub fn seen(&self) -> Option<ServerCertificate> {
        let seen = self.seen.lock().expect("no holder of this lock panics");
        seen.as_deref().and_then(ServerCertificate::read)
    }
}

fn only_looked_at() -> rustls::Error {
    rustls::Error::General("it was only looked at".to_owned())
}

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().expect("no holder of this lock panics") = Some(end_entity.to_vec());
        Err(only_looked_at())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(only_looked_at())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(only_looked_at())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// Finds what was wrong with a server's certificate below other errors, in words that people understand; `None` when
/// something else was wrong.
pub fn distrust(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return match found {
            rustls::Error::General(text) => Some(text.clone()),
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
                Some(why.to_string())
            }
            rustls::Error::InvalidCertificate(why) => {
                Some(format!("its certificate is not trusted ({why:?})"))
            }
            _ => None,
        };
    }
    // An `io::Error` does not give what it wraps as its source.
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match wrapped {
        Some(wrapped) => distrust(wrapped),
        None => distrust(error.source()?),
    }
}
