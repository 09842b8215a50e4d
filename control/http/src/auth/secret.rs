//! Keys, passwords and their hashes.
//!
//! An API secret has more randomness than anybody can try, so one round of SHA-256 is enough and a request stays
//! cheap. A password has not, so it gets Argon2id. Both hashes name their algorithm, and both are compared in
//! constant time.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Random;

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";
const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Makes the public half of a key: 20 characters of `0-9A-F`.
pub fn new_public_value(random: &Random) -> String {
    pick(random, UPPER_HEX, 20)
}

/// Makes the secret half of a key: 40 letters and digits.
pub fn new_secret_value(random: &Random) -> String {
    pick(random, ALPHANUMERIC, 40)
}

fn pick(random: &Random, alphabet: &[u8], length: usize) -> String {
    // Bytes that would favour the first letters are thrown away.
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 64];
    while text.len() < length {
        random(&mut bytes);
        text.extend(
            bytes
                .iter()
                .map(|byte| usize::from(*byte))
                .filter(|byte| *byte < fair)
                .map(|byte| char::from(alphabet[byte % alphabet.len()]))
                .take(length - text.len()),
        );
    }
    text
}

/// Makes a random UUID.
pub fn new_uuid(random: &Random) -> String {
    let mut bytes = [0; 16];
    random(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Writes bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from_digit(u32::from(digit), 16).expect("four bits are a hex digit"))
        .collect()
}

/// Hashes a secret that was made by [`new_secret_value`].
pub fn hash_key(secret: &str) -> String {
    format!("sha256:{}", hex(&Sha256::digest(secret.as_bytes())))
}

/// Memory in KiB, rounds and lanes: as strong as 19 MiB and 2 rounds by OWASP's table, and so little memory that the
/// allocator gives it back.
const COST: (u32, u32, u32) = (7 * 1024, 5, 1);

fn argon2() -> Argon2<'static> {
    let (memory, rounds, lanes) = COST;
    let params = Params::new(memory, rounds, lanes, None).expect("the cost is within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes a password that a person chose. Slow on purpose: call it where nothing waits.
///
/// # Panics
/// When Argon2 refuses a salt of 16 bytes, which it does not.
pub fn hash_password(password: &str, random: &Random) -> String {
    let mut salt = [0; 16];
    random(&mut salt);
    argon2()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .expect("the cost and a salt of 16 bytes are valid")
        .to_string()
}

/// A hash that no password has, and that takes as long to check as any.
pub fn hash_of_nobody(random: &Random) -> String {
    let (mut salt, mut hash) = ([0; 16], [0; 32]);
    random(&mut salt);
    random(&mut hash);
    let (memory, rounds, lanes) = COST;
    let text = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
    format!("$argon2id$v=19$m={memory},t={rounds},p={lanes}${}${}", text(&salt), text(&hash))
}

/// Whether checking against a hash takes long.
pub fn is_slow(hash: &str) -> bool {
    hash.starts_with("$argon2")
}

/// Whether a secret belongs to a hash; an unknown algorithm belongs to nothing.
pub fn verify(secret: &str, hash: &str) -> bool {
    if hash.starts_with("sha256:") {
        return bool::from(hash_key(secret).as_bytes().ct_eq(hash.as_bytes()));
    }
    match PasswordHash::new(hash) {
        Ok(hash) => Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok(),
        Err(_) => false,
    }
}
