use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use contract_values::Secret;
use host_agent::{AgentConfig, AgentError, run};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::server::Server;

fn config(server: &str, folder: &Path) -> AgentConfig {
    AgentConfig {
        server: server.to_owned(),
        token: Some(Secret::new("token-1".into())),
        data_dir: folder.to_owned(),
        run_dir: folder.join("run"),
        docker: "unix:///nowhere/docker.sock".into(),
        address: Some("192.0.2.1".parse().unwrap()),
        labels: [("zone".to_owned(), "a".to_owned())].into(),
        pin: None,
        ca_file: None,
        version: "1.2.3".into(),
    }
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), AgentError>>,
}

fn start(config: AgentConfig) -> Running {
    let stop = CancellationToken::new();
    Running { task: tokio::spawn(run(config, stop.clone())), stop }
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_host_registers_once_and_connects() {
    let server = Server::start(None).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/", server.address);
    let agent = start(config(&url, folder.path()));
    server.until("a greeting", |state| state.hellos.len() == 1).await;
    server.until("a heartbeat", |state| state.heartbeats > 0).await;
    agent.stop().await;
    {
        let state = server.lock();
        let body: serde_json::Value = serde_json::from_str(&state.bodies[0]).unwrap();
        assert_eq!(body["labels"]["zone"], "a");
        assert_eq!(
            (body["address"].as_str(), body["agentVersion"].as_str()),
            (Some("192.0.2.1"), Some("1.2.3"))
        );
        assert_eq!(body["uuid"], state.hellos[0].host_uuid.as_str());
        let hello = &state.hellos[0];
        assert_eq!((hello.ledger, hello.version.as_str()), (None, "1.2.3"));
        assert!(hello.facts.memory_total > 0 && hello.facts.labels["zone"] == "a", "{hello:?}");
        // base64 of registrationToken:token-1 and key:s3cret
        assert!(
            state.heads[0].contains("authorization: Basic cmVnaXN0cmF0aW9uVG9rZW46dG9rZW4tMQ=="),
            "{}",
            state.heads[0]
        );
        let connect = &state.heads[1];
        assert!(connect.starts_with("GET /v1/agent/connect "), "{connect}");
        assert!(
            connect.to_lowercase().contains("authorization: basic a2v5onmzy3jldA==".to_lowercase().as_str()),
            "{connect}"
        );
    }
    let identity = folder.path().join("agent/identity.json");
    assert_eq!(std::fs::metadata(&identity).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&identity).unwrap();
    assert!(!text.contains("token-1"), "a token is not kept: {text}");

    // The same command again, as after a reboot, and one without the token.
    let mut again = config(&url, folder.path());
    again.token = None;
    for config in [config(&url, folder.path()), again] {
        let greetings = server.lock().hellos.len();
        let agent = start(config);
        server.until("a greeting", |state| state.hellos.len() > greetings).await;
        agent.stop().await;
    }
    assert_eq!(server.lock().bodies.len(), 1, "registered once");
    {
        let state = server.lock();
        assert!(state.hellos.iter().all(|hello| hello.host_uuid == state.hellos[0].host_uuid));
        assert_ne!(state.hellos[0].run_id, state.hellos[1].run_id);
        assert!(state.hellos[1].ledger.is_some(), "the assignment was kept");
    }

    // A new token registers the same host anew.
    let mut fresh = config(&url, folder.path());
    fresh.token = Some(Secret::new("token-2".into()));
    let agent = start(fresh);
    server.until("a greeting", |state| state.hellos.len() == 4).await;
    agent.stop().await;
    let state = server.lock();
    assert_eq!(state.bodies.len(), 2);
    assert_eq!(state.hellos[3].host_uuid, state.hellos[0].host_uuid);
}

#[tokio::test]
async fn a_token_that_is_refused_ends_the_agent_with_the_servers_words() {
    let server = Server::start(None).await;
    server.lock().refuse = Some((401, "the token has expired"));
    let folder = tempfile::tempdir().unwrap();
    let error =
        start(config(&format!("http://{}", server.address), folder.path())).task.await.unwrap().unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(matches!(error, AgentError::Registration(_)), "{error:?}");
    assert!(cause.contains("401") && cause.contains("the token has expired"), "{cause}");
    assert!(!format!("{error:?}").contains("token-1"));
}

#[tokio::test]
async fn a_registered_host_goes_on_when_the_server_no_longer_knows_it() {
    let server = Server::start(None).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}", server.address);
    let agent = start(config(&url, folder.path()));
    server.until("a greeting", |state| state.hellos.len() == 1).await;
    agent.stop().await;
    server.lock().refuse = Some((401, "no such key"));
    let mut again = config(&url, folder.path());
    again.token = Some(Secret::new("expired".into()));
    let agent = start(again);
    server.until("another try", |state| state.heads.len() >= 4).await;
    agent.stop().await;
}

#[tokio::test]
async fn two_agents_cannot_share_a_folder() {
    let server = Server::start(None).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}", server.address);
    let first = start(config(&url, folder.path()));
    server.until("a greeting", |state| state.hellos.len() == 1).await;
    let error = start(config(&url, folder.path())).task.await.unwrap().unwrap_err();
    assert!(matches!(error, AgentError::Folder { .. }), "{error:?}");
    first.stop().await;
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let expect = async |change: fn(&mut AgentConfig), part: &str| {
        let mut config = config("https://127.0.0.1:1", folder.path());
        change(&mut config);
        let error = start(config).task.await.unwrap().unwrap_err();
        assert!(matches!(error, AgentError::Configuration(_)) && error.to_string().contains(part), "{error}");
    };
    expect(|c| c.server = "server.example".into(), "`server.example`").await;
    expect(|c| c.server = "ftp://server.example".into(), "neither http:// nor https://").await;
    expect(|c| c.pin = Some("md5:ab".into()), "64 hexadecimal digits").await;
    expect(|c| c.docker = "tcp://1.2.3.4".into(), "unix:///").await;
    expect(
        |c| {
            c.server = "http://127.0.0.1:1".into();
            c.pin = Some(format!("sha256:{}", "0".repeat(64)));
        },
        "is not https",
    )
    .await;
    expect(
        |c| {
            c.pin = Some(format!("sha256:{}", "0".repeat(64)));
            c.token = None;
        },
        "--token",
    )
    .await;
}

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// A server with a certificate for 127.0.0.1 of this authority, which it sends along.
    fn server(&self) -> Arc<rustls::ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &self.issuer).unwrap();
        server_config(vec![leaf.der().clone(), self.der()], &key)
    }

    fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }
}

fn server_config(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<rustls::ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

fn pin_of(certificate: &CertificateDer<'_>) -> String {
    let hex: String = Sha256::digest(certificate.as_ref()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Whether an agent with this pin registers with a server that has this certificate.
async fn is_accepted(tls: Arc<rustls::ServerConfig>, pin: Option<String>) -> Result<(), String> {
    is_accepted_with(tls, |config| config.pin = pin).await
}

/// Whether an agent with these settings registers with a server that has this certificate.
async fn is_accepted_with(
    tls: Arc<rustls::ServerConfig>,
    change: impl FnOnce(&mut AgentConfig),
) -> Result<(), String> {
    let server = Server::start(Some(tls)).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&format!("https://{}", server.address), folder.path());
    change(&mut config);
    let mut agent = start(config);
    tokio::select! {
        ended = &mut agent.task => {
            let error = ended.unwrap().unwrap_err();
            assert!(server.lock().heads.is_empty(), "nothing was told to a server that is not trusted");
            Err(format!("{error:?}"))
        }
        () = server.until("a greeting", |state| state.hellos.len() == 1) => {
            agent.stop().await;
            Ok(())
        }
    }
}

#[tokio::test]
async fn a_pinned_certificate_is_proof_and_nothing_else_is() {
    // Its own certificate, signed by itself and for another name.
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["other.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let own = own.der().clone();
    is_accepted(server_config(vec![own.clone()], &key), Some(pin_of(&own))).await.unwrap();

    // One that the pinned authority has issued.
    let authority = Authority::new();
    is_accepted(authority.server(), Some(pin_of(&authority.der()))).await.unwrap();

    // Another one.
    let other = pin_of(&Authority::new().der());
    let error = is_accepted(authority.server(), Some(other)).await.unwrap_err();
    assert!(error.contains("Untrusted"), "{error}");

    // Anybody can send the authority's certificate along with his own.
    let forger = KeyPair::generate().unwrap();
    let forged = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&forger).unwrap();
    let chain = vec![forged.der().clone(), authority.der()];
    let error = is_accepted(server_config(chain, &forger), Some(pin_of(&authority.der()))).await.unwrap_err();
    assert!(error.contains("Untrusted"), "{error}");
}

#[tokio::test]
async fn an_authority_in_a_file_is_believed_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, authority.issuer.pem()).unwrap();
    let use_file = |config: &mut AgentConfig| config.ca_file = Some(path.clone());
    is_accepted_with(authority.server(), use_file).await.unwrap();
    let error = is_accepted_with(Authority::new().server(), use_file).await.unwrap_err();
    assert!(error.contains("Untrusted") && error.contains("is not trusted"), "{error}");

    // The system knows neither.
    let error = is_accepted_with(authority.server(), |_| {}).await.unwrap_err();
    assert!(error.contains("UnknownIssuer") || error.contains("ca-certificates"), "{error}");

    // A file that is not there, or holds nothing, is told before anything is dialled.
    let missing = folder.path().join("missing.pem");
    let error =
        is_accepted_with(authority.server(), |config| config.ca_file = Some(missing)).await.unwrap_err();
    assert!(error.contains("Configuration") && error.contains("missing.pem"), "{error}");
    std::fs::write(&path, "").unwrap();
    let error = is_accepted_with(authority.server(), use_file).await.unwrap_err();
    assert!(error.contains("holds no certificate"), "{error}");
}

#[tokio::test]
async fn an_engine_that_is_away_is_told_and_waited_for() {
    let server = Server::start(None).await;
    let folder = tempfile::tempdir().unwrap();
    let agent = start(config(&format!("http://{}", server.address), folder.path()));
    server
        .until("the trouble", |state| {
            let told = state.facts.as_ref().or(state.hellos.first().map(|hello| &hello.facts));
            told.is_some_and(|facts| facts.troubles.contains_key("engine_unreachable"))
        })
        .await;
    agent.stop().await;
}
