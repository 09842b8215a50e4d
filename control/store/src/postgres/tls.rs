//! The address of a PostgreSQL server, and how the way there is kept secret.
//!
//! `sslmode` means what it means for PostgreSQL's own programs: `disable`, `prefer` (the default) and `require`
//! encrypt or not without looking at the certificate; `verify-ca` and `verify-full`, or a `sslrootcert` with
//! `require`, demand a certificate of a trusted authority that bears the host's name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Cause, OpenError};
use crate::options::StoreOptions;
use crate::store::IntoCause;

/// Where Debian and its relatives keep the authorities that the system trusts.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where to connect, and how.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    /// For messages: without the password.
    pub(super) place: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    Verify,
}

/// Reads `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…`.
pub(super) fn parse(url: &str, options: &StoreOptions) -> Result<Address, OpenError> {
    let (plain, query) = url.split_once('?').unwrap_or((url, ""));
    let mut mode = Mode::Prefer;
    let mut roots = options.root_certificates.clone();
    let mut rest = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", "disable")) => mode = Mode::Disable,
            Some(("sslmode", "allow" | "prefer")) => mode = Mode::Prefer,
            Some(("sslmode", "require")) => mode = Mode::Require,
            Some(("sslmode", "verify-ca" | "verify-full")) => mode = Mode::Verify,
            Some(("sslrootcert", path)) => roots = Some(PathBuf::from(path)),
            _ => rest.push(pair),
        }
    }
    if mode == Mode::Require && roots.is_some() {
        mode = Mode::Verify;
    }
    let url = match rest.is_empty() {
        true => plain.to_owned(),
        false => format!("{plain}?{}", rest.join("&")),
    };
    let mut config: Config =
        url.parse().map_err(|e: tokio_postgres::Error| OpenError::Address(e.into_cause()))?;
    config.ssl_mode(match mode {
        Mode::Disable => SslMode::Disable,
        Mode::Prefer => SslMode::Prefer,
        Mode::Require | Mode::Verify => SslMode::Require,
    });
    if config.get_target_session_attrs() == TargetSessionAttrs::Any {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    let place = place(&config);
    let tls = connector(mode, roots.as_deref())
        .map_err(|cause| OpenError::Unavailable { place: place.clone(), cause })?;
    Ok(Address { config, tls, place })
}

fn place(config: &Config) -> String {
    use tokio_postgres::config::Host;
    let hosts: Vec<_> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    format!("{} at {}", config.get_dbname().unwrap_or("of the user"), hosts.join(", "))
}

fn connector(mode: Mode, roots: Option<&Path>) -> Result<MakeRustlsConnect, Cause> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(IntoCause::into_cause)?;
    let config = if mode == Mode::Verify {
        let mut store = RootCertStore::empty();
        let path = roots.unwrap_or(Path::new(SYSTEM_ROOTS));
        for certificate in CertificateDer::pem_file_iter(path).map_err(IntoCause::into_cause)? {
            // One odd certificate among the system's many is no reason to trust none.
            let _ = store.add(certificate.map_err(IntoCause::into_cause)?);
        }
        builder.with_root_certificates(store).with_no_client_auth()
    } else {
        let unchecked = Arc::new(Unchecked { provider });
        builder.dangerous().with_custom_certificate_verifier(unchecked).with_no_client_auth()
    };
    Ok(MakeRustlsConnect::new(config))
}

/// Takes every certificate: against listeners, not against impostors, as `sslmode=require` says.
#[derive(Debug)]
struct Unchecked {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
