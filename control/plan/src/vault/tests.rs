use contract_values::Secret;

use super::{Vault, VaultError, certificate_place, secret_place};

fn vault(key: &str) -> Vault {
    Vault::new(&Secret::new(key.to_owned()))
}

#[test]
fn what_is_sealed_opens_in_its_place_only() {
    let (ours, theirs) = (vault("07"), vault("08"));
    let text = Secret::new("hunter2".to_owned());
    let sealed = ours.seal(&secret_place("a"), &text, [1; Vault::NONCE]);
    assert!(!sealed.expose().contains("hunter2"));
    assert_eq!(ours.open(&secret_place("a"), &sealed).unwrap(), text);
    assert_eq!(ours.open(&secret_place("b"), &sealed), Err(VaultError::Key));
    assert_eq!(ours.open(&certificate_place("a"), &sealed), Err(VaultError::Key));
    assert_eq!(theirs.open(&secret_place("a"), &sealed), Err(VaultError::Key));
    let another = ours.seal(&secret_place("a"), &text, [2; Vault::NONCE]);
    assert_ne!(another, sealed, "equal texts do not show as equal");
    let mut altered = sealed.expose().to_owned();
    let last = altered.pop().unwrap();
    altered.push(if last == 'A' { 'B' } else { 'A' });
    assert!(ours.open(&secret_place("a"), &Secret::new(altered)).is_err());
    for wrong in ["", "v1:", "v1:AAAA", "v2:AAAA", "hunter2"] {
        assert!(ours.open(&secret_place("a"), &Secret::new(wrong.to_owned())).is_err(), "{wrong}");
    }
    assert_eq!(format!("{ours:?}"), "Vault(***)");
}
