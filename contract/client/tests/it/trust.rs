use std::net::SocketAddr;
use std::sync::Arc;

use contract_client::{
    Client, ClientError, ClientOptions, Credentials, Pin, Proxies, Query, ServerAddress, Stack, Trust,
    peek_certificate,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

pub struct TlsServer {
    pub address: SocketAddr,
    pub certificate: rcgen::CertifiedKey<rcgen::KeyPair>,
    task: JoinHandle<()>,
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers every request over TLS with an empty list.
pub async fn serve() -> TlsServer {
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key)
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).await.unwrap_or(0) > 0 {
                let body = r#"{"data":[],"pagination":null}"#;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    TlsServer { address, certificate, task }
}

fn client(server: &TlsServer, trust: Trust) -> Client {
    let address = ServerAddress::parse(&format!("https://{}", server.address)).unwrap();
    Client::new(ClientOptions { trust, ..ClientOptions::new(address, Credentials::None) }).unwrap()
}

async fn ask(client: &Client) -> Result<Vec<Stack>, ClientError> {
    client.list(&Query::all()).await
}

#[tokio::test]
async fn a_pinned_certificate_is_believed_and_no_other() {
    let server = serve().await;
    let pin = Pin::of(server.certificate.cert.der());
    let right = client(&server, Trust::Pin(pin.clone()));
    assert_eq!(ask(&right).await.unwrap().len(), 0);

    let seen = right.server_certificate().await.unwrap().unwrap();
    assert_eq!(seen.pin, pin);
    assert!(seen.public_key_pin.starts_with("sha256//"), "{}", seen.public_key_pin);

    let error = ask(&client(&server, Trust::Pin(Pin::of(b"other")))).await.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted { .. }), "{error:?}");
    assert!(error.to_string().contains(&pin.to_string()), "{error}");
    assert!(!error.is_passing());
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let server = serve().await;
    let error = ask(&client(&server, Trust::System)).await.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn an_authority_of_the_users_is_believed() {
    let server = serve().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, server.certificate.cert.pem()).unwrap();
    ask(&client(&server, Trust::CaFile(path))).await.unwrap();

    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    let address = ServerAddress::parse("https://h").unwrap();
    let options =
        ClientOptions { trust: Trust::CaFile(empty), ..ClientOptions::new(address, Credentials::None) };
    let error = Client::new(options).unwrap_err();
    assert!(error.to_string().contains("holds no certificate"), "{error}");
}

#[tokio::test]
async fn a_certificate_can_be_looked_at_without_believing_it() {
    let server = serve().await;
    let address = ServerAddress::parse(&format!("https://{}", server.address)).unwrap();
    let seen = peek_certificate(&address, &Proxies::default()).await.unwrap();
    assert_eq!(seen.pin, Pin::of(server.certificate.cert.der()));
}
