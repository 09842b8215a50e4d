#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use contract_values::{Secret, Timestamp};
use serde_json::{Map, json};

use super::limit::LoginLimit;
use super::secret::{
    hash_key, hash_of_nobody, hash_password, new_public_value, new_secret_value, new_uuid, verify,
};
use super::token::{Purpose, Signer};
use crate::Random;

fn random() -> Random {
    let next = AtomicU8::new(0);
    Arc::new(move |bytes: &mut [u8]| {
        for byte in bytes {
            *byte = next.fetch_add(37, Ordering::Relaxed);
        }
    })
}

#[test]
fn keys_have_the_form_that_clients_know() {
    let random = random();
    let public = new_public_value(&random);
    assert!(public.len() == 20 && public.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)));
    let secret = new_secret_value(&random);
    assert!(secret.len() == 40 && secret.bytes().all(|b| b.is_ascii_alphanumeric()));
    assert_eq!(new_uuid(&random).len(), 36);
    assert_ne!(new_uuid(&random), new_uuid(&random));
}

#[test]
fn the_hash_of_nobody_is_as_slow_as_any_and_fits_nothing() {
    let random: crate::Random = std::sync::Arc::new(|bytes: &mut [u8]| bytes.fill(7));
    let (nobody, somebody) = (hash_of_nobody(&random), hash_password("right", &random));
    let cost = |hash: &str| hash.split('$').nth(3).map(str::to_owned);
    assert_eq!(cost(&nobody), cost(&somebody));
    assert!(verify("right", &somebody) && !verify("right", &nobody) && !verify("", &nobody));
}

#[test]
fn secrets_are_compared_with_their_hash() {
    let random = random();
    for hash in [hash_key("right"), hash_password("right", &random)] {
        assert!(verify("right", &hash), "{hash}");
        assert!(!verify("wrong", &hash), "{hash}");
        assert!(!hash.contains("right"));
    }
    assert!(!verify("", ""));
    assert!(!verify("x", "md5:x"));
}

#[test]
fn a_token_holds_for_its_purpose_and_time_only() {
    let signer = Signer::new(Secret::new("key".to_owned()));
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!("x"));
    let token = signer.jwt(Purpose::Session, claims, Timestamp(10_000));
    assert_eq!(signer.read_jwt(Purpose::Session, &token, Timestamp(9_000)).unwrap()["sub"], "x");
    assert!(signer.read_jwt(Purpose::Session, &token, Timestamp(10_000)).is_none(), "it has ended");
    assert!(signer.read_jwt(Purpose::Socket, &token, Timestamp(9_000)).is_none(), "it is for something else");
    let other = Signer::new(Secret::new("other".to_owned()));
    assert!(other.read_jwt(Purpose::Session, &token, Timestamp(9_000)).is_none(), "somebody else signed it");
    for wrong in ["", ".", "..", "a.b.c", &token[1..], &token[..token.len() - 1]] {
        assert!(signer.read_jwt(Purpose::Session, wrong, Timestamp(0)).is_none(), "{wrong}");
    }
}

#[test]
fn a_registration_token_is_the_same_all_year_and_bound_to_its_credential() {
    let signer = Signer::new(Secret::new("key".to_owned()));
    let at = |text| contract_api::parse_date(text).unwrap();
    let token = signer.registration("AB", "hash", at("2026-03-01T00:00:00Z"));
    assert_eq!(token, signer.registration("AB", "hash", at("2026-12-31T00:00:00Z")));
    assert!(token.starts_with("AB:1767225600000:"));
    assert!(signer.is_registration(&token, "AB", "hash"));
    assert!(!signer.is_registration(&token, "AB", "other"));
    assert!(!signer.is_registration(&token, "AC", "hash"));
    assert!(!signer.is_registration("AB", "AB", "hash"));
    assert!(!signer.is_registration(&token.replace("1767", "1768"), "AB", "hash"));
}

#[test]
fn guessing_gets_slower_and_slower() {
    let limit = LoginLimit::default();
    let keys = vec!["name:a".to_owned(), "ip:1".to_owned()];
    let mut now = Timestamp(0);
    for _ in 0..5 {
        assert!(limit.check(&keys, now).is_ok());
        limit.note(&keys, false, now);
    }
    let wait = limit.check(&keys, now).unwrap_err();
    assert_eq!(wait.0, 2000);
    assert!(limit.check(&["name:b".to_owned()], now).is_ok(), "others are not held up");
    now = Timestamp(2000);
    limit.note(&keys, false, now);
    assert_eq!(limit.check(&keys, now).unwrap_err().0, 4000);
    limit.note(&keys, true, now);
    assert!(limit.check(&keys, now).is_ok(), "a right one clears it");
}
