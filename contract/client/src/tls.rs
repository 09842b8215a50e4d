//! Whom a client believes to be its server.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};

use crate::address::ServerAddress;
use crate::error::ClientError;

/// The SHA-256 of a server's certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin([u8; 32]);

/// Text that is no pin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pin: `sha256:` and 64 hexadecimal digits are expected")]
pub struct PinError(String);

impl Pin {
    /// The pin of a certificate.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl std::str::FromStr for Pin {
    type Err = PinError;
    fn from_str(text: &str) -> Result<Self, PinError> {
        let fail = || PinError(text.to_owned());
        let digits: Vec<u8> = text
            .strip_prefix("sha256:")
            .ok_or_else(fail)?
            .bytes()
            // `openssl x509 -fingerprint` puts colons between the bytes.
            .filter(|byte| *byte != b':')
            .collect();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(fail());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| fail())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| fail())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

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
    /// The one certificate with this hash, whoever signed it, whatever name or age it has.
    Pin(Pin),
}

impl Trust {
    pub(crate) fn config(&self) -> Result<ClientConfig, TrustError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Tls)?;
        Ok(match self {
            Self::Pin(pin) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(PinVerifier { pin: pin.clone(), provider }))
                .with_no_client_auth(),
            Self::CaFile(path) => {
                let shown = path.display().to_string();
                let mut roots = RootCertStore::empty();
                let certificates = CertificateDer::pem_file_iter(path)
                    .map_err(|source| TrustError::CaFile { path: shown.clone(), source: Box::new(source) })?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|source| TrustError::CaFile {
                        path: shown.clone(),
                        source: Box::new(source),
                    })?;
                    roots.add(certificate).map_err(|source| TrustError::CaFile {
                        path: shown.clone(),
                        source: Box::new(source),
                    })?;
                }
                if roots.is_empty() {
                    return Err(TrustError::CaEmpty { path: shown });
                }
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            Self::System => {
                let mut roots = RootCertStore::empty();
                // A certificate of the system that cannot be read vouches for nobody; the others still do.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                builder.with_root_certificates(roots).with_no_client_auth()
            }
        })
    }
}

/// For a client that speaks no TLS: nobody is believed.
pub(crate) fn no_tls() -> Result<ClientConfig, TrustError> {
    Ok(ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Tls)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// Accepts one certificate by its hash. The handshake still proves that the server holds its key.
#[derive(Debug)]
struct PinVerifier {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = Pin::of(end_entity);
        if seen == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General(format!(
            "its certificate has the hash {seen}, but {} was pinned",
            self.pin
        )))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes note of a certificate and believes nobody.
#[derive(Debug)]
struct Onlooker {
    seen: Mutex<Option<Vec<u8>>>,
    schemes: Vec<SignatureScheme>,
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
        Err(rustls::Error::General("it was only looked at".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("it was only looked at".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("it was only looked at".to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// Looks at the certificate that a server shows, without believing it and without sending anything: only for showing it to
/// a person who decides.
///
/// # Errors
/// Fails if nobody answers with TLS at the address.
pub async fn peek_certificate(address: &ServerAddress) -> Result<ServerCertificate, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let onlooker = Arc::new(Onlooker { seen: Mutex::new(None), schemes });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&onlooker) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| ClientError::Unreachable {
        url: address.to_string(),
        source,
    };
    let name =
        ServerName::try_from(address.host().to_owned()).map_err(|error| unreachable(Box::new(error)))?;
    let look = async {
        let stream = tokio::net::TcpStream::connect((address.host(), address.port())).await?;
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    let outcome = tokio::time::timeout(Duration::from_secs(10), look).await;
    let seen = onlooker.seen.lock().expect("no holder of this lock panics").take();
    match (seen.and_then(|certificate| ServerCertificate::read(&certificate)), outcome) {
        (Some(certificate), _) => Ok(certificate),
        (None, Ok(Err(error))) => Err(unreachable(Box::new(error))),
        (None, _) => Err(unreachable("it showed no certificate".into())),
    }
}

/// What a server's certificate looks like to programs that pin it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    /// For `--pin` of our own programs.
    pub pin: Pin,
    /// For `curl --pinnedpubkey`: the hash of the public key.
    pub public_key_pin: String,
}

impl ServerCertificate {
    /// Reads a certificate in DER form.
    pub fn read(certificate: &[u8]) -> Option<Self> {
        let der = CertificateDer::from(certificate);
        let parsed = webpki::EndEntityCert::try_from(&der).ok()?;
        let key = parsed.subject_public_key_info();
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(key.as_ref()));
        Some(Self { pin: Pin::of(certificate), public_key_pin: format!("sha256//{hash}") })
    }
}

/// Finds what rustls complained about below other errors, for a message that people understand.
pub(crate) fn distrust(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return match found {
            rustls::Error::General(text) => Some(text.clone()),
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
