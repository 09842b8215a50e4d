//! Hashes of certificates.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin([u8; 32]);

/// Text that is no pin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pin: `sha256:` and 64 hexadecimal digits are expected")]
pub struct PinError(String);

impl Pin {
    /// The pin of a certificate in DER form.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl FromStr for Pin {
    type Err = PinError;
    fn from_str(text: &str) -> Result<Self, PinError> {
        let fail = || PinError(text.chars().take(200).collect());
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
