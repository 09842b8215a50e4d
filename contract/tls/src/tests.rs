use std::sync::Arc;

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use time::{Duration, OffsetDateTime};

use super::*;

/// A certificate with what was issued above it, and its key.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Shown {
    fn pin(&self) -> Pin {
        Pin::of(&self.chain[0])
    }

    /// Sends a certificate along, whether it has to do with it or not.
    fn with(mut self, other: &CertificateDer<'static>) -> Self {
        self.chain.push(other.clone());
        self
    }
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    fn pin(&self) -> Pin {
        Pin::of(&self.der())
    }

    fn issue(&self, name: &str) -> Shown {
        self.issue_with(name, |_| {})
    }

    fn issue_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Shown {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        Shown { chain: vec![params.signed_by(&key, &self.0).unwrap().der().clone()], key }
    }
}

fn expired(params: &mut CertificateParams) {
    let now = OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - Duration::days(20), now - Duration::days(10));
}

fn self_signed(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Shown {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut params);
    Shown { chain: vec![params.self_signed(&key).unwrap().der().clone()], key }
}

fn server_config(shown: &Shown) -> ServerConfig {
    let key = PrivateKeyDer::try_from(shown.key.serialize_der()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(shown.chain.clone(), key)
        .unwrap()
}

/// Shakes hands, the client having dialled `127.0.0.1`; gives what the client distrusts.
async fn meet(client: ClientConfig, shown: &Shown) -> Result<(), String> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server_config(shown)));
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let (dialled, accepted) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    match dialled {
        Ok(_) => {
            accepted.unwrap();
            Ok(())
        }
        Err(error) => Err(distrust(&error).unwrap_or_else(|| panic!("no words for {error:?}"))),
    }
}

async fn check(trust: &Trust, shown: &Shown, expected: Result<(), &str>) {
    let found = meet(trust.client_config().unwrap(), shown).await;
    match expected {
        Ok(()) => assert_eq!(found, Ok(()), "{trust:?}"),
        Err(part) => {
            let why = found.expect_err("it must not be believed");
            assert!(why.contains(part), "{trust:?}: `{why}` does not say `{part}`");
        }
    }
}

const HERE: &str = "127.0.0.1";
const ELSEWHERE: &str = "other.example";

#[tokio::test]
async fn a_pinned_certificate_is_proof_whatever_its_name_and_age() {
    for shown in [
        self_signed(HERE, |_| {}),
        self_signed(ELSEWHERE, |_| {}),
        self_signed(ELSEWHERE, expired),
        Authority::new("one").issue(ELSEWHERE),
    ] {
        check(&Trust::Pin(shown.pin()), &shown, Ok(())).await;
    }
    let shown = self_signed(HERE, |_| {});
    let other = self_signed(HERE, |_| {});
    let error = meet(Trust::Pin(other.pin()).client_config().unwrap(), &shown).await.unwrap_err();
    let (seen, pinned) = (shown.pin(), other.pin());
    assert_eq!(error, format!("its certificate has the hash {seen}, but {pinned} was pinned"));
}

#[tokio::test]
async fn who_shows_a_pinned_certificate_must_have_its_key() {
    let real = self_signed(HERE, |_| {});
    let thief = Shown { chain: real.chain.clone(), key: KeyPair::generate().unwrap() };
    let key = PrivateKeyDer::try_from(thief.key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let signing = provider.key_provider.load_private_key(key).unwrap();
    let stolen = Arc::new(rustls::sign::CertifiedKey::new(thief.chain, signing));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(stolen)));
    let (near, far) = tokio::io::duplex(64 * 1024);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let client = Trust::Pin(real.pin()).client_config().unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from(HERE).unwrap();
    let (dialled, _) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    let error = dialled.unwrap_err();
    assert!(distrust(&error).is_some_and(|why| why.contains("BadSignature")), "{error:?}");
}

#[tokio::test]
async fn under_a_pinned_authority_name_time_and_issuer_count() {
    let authority = Authority::new("one");
    let trust = Trust::Pin(authority.pin());
    check(&trust, &authority.issue(HERE).with(&authority.der()), Ok(())).await;
    let wrong_name = authority.issue(ELSEWHERE).with(&authority.der());
    check(&trust, &wrong_name, Err("NotValidForName")).await;
    check(&trust, &authority.issue_with(HERE, expired).with(&authority.der()), Err("Expired")).await;
    // Anybody can send the authority's certificate along with his own.
    let forged = self_signed(HERE, |_| {}).with(&authority.der());
    check(&trust, &forged, Err("UnknownIssuer")).await;
    let other = Authority::new("two").issue(HERE).with(&authority.der());
    check(&trust, &other, Err("UnknownIssuer")).await;
    let namesake = Authority::new("one").issue(HERE).with(&authority.der());
    check(&trust, &namesake, Err("BadSignature")).await;
    // Without the pinned certificate there is nothing to hold on to.
    check(&trust, &authority.issue(HERE), Err("was pinned")).await;
    // A sound certificate of the authority cannot issue others.
    let leaf = authority.issue(HERE);
    let leaf_pin = Trust::Pin(leaf.pin());
    let forged = self_signed(HERE, |_| {}).with(&leaf.chain[0]);
    assert!(meet(leaf_pin.client_config().unwrap(), &forged).await.is_err());
}

#[tokio::test]
async fn an_authority_in_a_file_vouches_for_names_and_times() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("one");
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, authority.0.pem()).unwrap();
    let trust = Trust::CaFile(path.clone());
    check(&trust, &authority.issue(HERE), Ok(())).await;
    check(&trust, &authority.issue(ELSEWHERE), Err("NotValidForName")).await;
    check(&trust, &authority.issue_with(HERE, expired), Err("Expired")).await;
    check(&trust, &Authority::new("two").issue(HERE), Err("UnknownIssuer")).await;
    check(&trust, &Authority::new("one").issue(HERE), Err("BadSignature")).await;
    check(&trust, &self_signed(HERE, |_| {}), Err("UnknownIssuer")).await;
    // Several in one file, as when one takes over from another.
    let next = Authority::new("two");
    std::fs::write(&path, format!("{}{}", authority.0.pem(), next.0.pem())).unwrap();
    check(&trust, &authority.issue(HERE), Ok(())).await;
    check(&trust, &next.issue(HERE), Ok(())).await;
}

#[tokio::test]
async fn what_no_authority_of_the_system_signed_is_refused() {
    for shown in [self_signed(HERE, |_| {}), Authority::new("one").issue(HERE)] {
        check(&Trust::System, &shown, Err("UnknownIssuer")).await;
        assert!(meet(trust_nobody().unwrap(), &shown).await.is_err());
    }
}

#[tokio::test]
async fn a_certificate_can_be_looked_at_without_believing_it() {
    let shown = self_signed(HERE, |_| {});
    let (onlooker, config) = Onlooker::new().unwrap();
    assert_eq!(onlooker.seen(), None);
    assert_eq!(meet(config, &shown).await.unwrap_err(), "it was only looked at");
    let seen = onlooker.seen().unwrap();
    assert_eq!(seen.pin, shown.pin());
    assert!(seen.public_key_pin.starts_with("sha256//"), "{}", seen.public_key_pin);
}

#[test]
fn files_that_hold_no_authority_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let error = || {
        let error = Trust::CaFile(path.clone()).client_config().unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
        error
    };
    assert!(matches!(error(), TrustError::CaFile { .. }));
    std::fs::write(&path, "nothing").unwrap();
    assert!(matches!(error(), TrustError::CaEmpty { .. }));
    let block = |text: &str| format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    std::fs::write(&path, block("AAAA")).unwrap();
    assert!(matches!(error(), TrustError::CaFile { .. }));
    std::fs::write(&path, block("%%%")).unwrap();
    assert!(matches!(error(), TrustError::CaFile { .. }));
}

#[test]
fn pins_are_read_with_and_without_colons() {
    let pin = Pin::of(b"certificate");
    assert_eq!(pin.to_string().parse::<Pin>().unwrap(), pin);
    let hex = pin.to_string().trim_start_matches("sha256:").to_uppercase();
    let pairs: Vec<&str> = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
    assert_eq!(format!("sha256:{}", pairs.join(":")).parse::<Pin>().unwrap(), pin);
    for wrong in ["", "sha256:", "sha256:ab", &hex, &format!("md5:{hex}"), &format!("sha256:{hex}ä")] {
        let error = wrong.parse::<Pin>().unwrap_err().to_string();
        assert!(error.contains("64 hexadecimal digits"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_pin_or_an_error(text in "(sha256:)?[0-9a-fA-F:]{0,100}|.{0,40}") {
        if let Ok(pin) = text.parse::<Pin>() {
            prop_assert_eq!(pin.to_string().parse::<Pin>().unwrap(), pin);
        }
    }

    #[test]
    fn any_bytes_are_a_certificate_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = ServerCertificate::read(&bytes);
    }
}
