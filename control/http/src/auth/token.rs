//! Signed tokens: sessions, sockets and registrations.
//!
//! All are signed with keys derived from the one key of the installation, each for its purpose, so that a token of
//! one sort is never taken for another.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use contract_values::{Secret, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A person's session.
    Session,
    /// One interactive socket.
    Socket,
    /// Registering hosts.
    Registration,
    /// Guarding a browser's forms.
    Csrf,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Socket => "socket",
            Self::Registration => "registration",
            Self::Csrf => "csrf",
        }
    }
}

/// Signs and checks tokens.
#[derive(Clone)]
pub struct Signer {
    key: Secret,
}

impl Signer {
    /// Takes the key of the installation.
    pub fn new(key: Secret) -> Self {
        Self { key }
    }

    fn mac(&self, purpose: Purpose) -> Hmac<Sha256> {
        let mut derive = keyed(self.key.expose().as_bytes());
        derive.update(purpose.label().as_bytes());
        keyed(&derive.finalize().into_bytes())
    }

    fn signature(&self, purpose: Purpose, text: &str) -> Vec<u8> {
        let mut mac = self.mac(purpose);
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    fn signed(&self, purpose: Purpose, text: &str, signature: &[u8]) -> bool {
        let mut mac = self.mac(purpose);
        mac.update(text.as_bytes());
        mac.verify_slice(signature).is_ok()
    }

    /// Makes a compact JWT with the claims and an end.
    pub fn jwt(&self, purpose: Purpose, mut claims: Map<String, Value>, expires: Timestamp) -> String {
        claims.insert("exp".to_owned(), (expires.0 / 1000).into());
        let header = json!({ "alg": "HS256", "typ": "JWT" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&header), part(&Value::Object(claims)));
        let signature = URL_SAFE_NO_PAD.encode(self.signature(purpose, &text));
        format!("{text}.{signature}")
    }

    /// Reads the claims of a JWT that we signed for that purpose and that has not ended.
    pub fn read_jwt(&self, purpose: Purpose, token: &str, now: Timestamp) -> Option<Map<String, Value>> {
        let (text, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !self.signed(purpose, text, &signature) {
            return None;
        }
        let (_, payload) = text.split_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
        (claims.get("exp")?.as_i64()? * 1000 > now.0).then_some(claims)
    }

    /// The text of a registration token: `<public value>:<milliseconds>:<signature>`.
    ///
    /// The time is the first day of the year, so that the text stays the same all year long.
    pub fn registration(&self, public: &str, secret_hash: &str, now: Timestamp) -> String {
        let year = now.to_string()[..4].to_owned();
        let since = contract_api::parse_date(&format!("{year}-01-01T00:00:00Z")).map_or(0, |at| at.0);
        let signature = self.registration_signature(public, secret_hash, since);
        format!("{public}:{since}:{signature}")
    }

    /// Whether a registration token was signed for the credential with that hash.
    pub fn is_registration(&self, token: &str, public: &str, secret_hash: &str) -> bool {
        use subtle::ConstantTimeEq;
        let mut parts = token.splitn(3, ':');
        let (Some(given), Some(since), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let Ok(since) = since.parse::<i64>() else { return false };
        let right = self.registration_signature(public, secret_hash, since);
        given == public && bool::from(right.as_bytes().ct_eq(signature.as_bytes()))
    }

    fn registration_signature(&self, public: &str, secret_hash: &str, since: i64) -> String {
        let text = format!("{public}:{since}:{secret_hash}");
        // Without the letters that mean something in a URL or a shell.
        STANDARD
            .encode(self.signature(Purpose::Registration, &text))
            .chars()
            .filter(|c| c.is_ascii_alphanumeric())
            .collect()
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(***)")
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length")
}
