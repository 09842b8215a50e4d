//! What must not be read in the database is sealed with the installation's key, which is not in it.
//!
//! Sealing is AES-256-GCM. The text that names the row is bound to the seal, so that a sealed value that is copied into
//! another row does not open there. Randomness is an argument, as everywhere in this crate.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_values::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

/// The form of a seal.
const FORMAT: &str = "v1:";

/// Why a seal does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// It is no seal that this version knows.
    #[error("this is no sealed value")]
    Format,
    /// It was sealed with another key, for another row, or was altered.
    #[error("this was not sealed here")]
    Key,
}

/// Seals and opens with the installation's key.
#[derive(Clone)]
pub struct Vault {
    key: Arc<LessSafeKey>,
}

impl Vault {
    /// The random bytes that a seal takes.
    pub const NONCE: usize = NONCE_LEN;

    /// Derives the key for sealing from the installation's key.
    pub fn new(installation_key: &Secret) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, installation_key.expose().as_bytes());
        let derived = hmac::sign(&master, b"lariat vault v1");
        let key = UnboundKey::new(&AES_256_GCM, derived.as_ref()).expect("a SHA-256 has the size of a key");
        Self { key: Arc::new(LessSafeKey::new(key)) }
    }

    /// Seals a text for the row that `place` names.
    pub fn seal(&self, place: &str, text: &Secret, nonce: [u8; NONCE_LEN]) -> Secret {
        let mut bytes = text.expose().as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut bytes,
            )
            .expect("a text is far shorter than what the cipher takes");
        let mut whole = nonce.to_vec();
        whole.append(&mut bytes);
        Secret::new(format!("{FORMAT}{}", STANDARD.encode(whole)))
    }

    /// Opens what was sealed for the row that `place` names.
    ///
    /// # Errors
    /// Fails for anything else.
    pub fn open(&self, place: &str, sealed: &Secret) -> Result<Secret, VaultError> {
        let text = sealed.expose().strip_prefix(FORMAT).ok_or(VaultError::Format)?;
        let mut whole = STANDARD.decode(text).map_err(|_| VaultError::Format)?;
        if whole.len() < NONCE_LEN {
            return Err(VaultError::Format);
        }
        let mut bytes = whole.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&whole).map_err(|_| VaultError::Format)?;
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut bytes)
            .map_err(|_| VaultError::Key)?;
        let text = std::str::from_utf8(opened).map_err(|_| VaultError::Format)?;
        Ok(Secret::new(text.to_owned()))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(***)")
    }
}

/// Names the value of a secret, by the uuid of its row.
pub fn secret_place(uuid: &str) -> String {
    format!("secret/{uuid}")
}

/// Names the key of a certificate, by the uuid of its row.
pub fn certificate_place(uuid: &str) -> String {
    format!("certificate/{uuid}")
}

/// Names the password of a credential, by the uuid of its row.
pub fn credential_place(uuid: &str) -> String {
    format!("credential/{uuid}")
}

#[cfg(test)]
mod tests;
