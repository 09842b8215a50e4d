//! The server's certificate: the operator's, or one of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use rustls::ServerConfig as RustlsConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsMode;

/// Why the certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("could not read `{path}`")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file holds no certificate.
    #[error("`{path}` holds no certificate in PEM form")]
    Empty {
        /// The file.
        path: String,
    },
    /// Our own certificate cannot be kept.
    #[error("could not write `{path}`")]
    Write {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Our own certificate cannot be made.
    #[error("could not make a certificate")]
    Make(#[source] rcgen::Error),
    /// Certificate and key do not belong together, or are of a kind that is not known.
    #[error("the certificate and its key cannot be used")]
    Use(#[source] rustls::Error),
}

/// What is needed to listen, and what clients may be told.
pub struct Certificate {
    /// Takes connections.
    pub acceptor: TlsAcceptor,
    /// The SHA-256 of the certificate in hex.
    pub hash: String,
    /// The SHA-256 of its public key in base64.
    pub public_key_hash: Option<String>,
    /// The certificate that vouches for it, in PEM, where machines do not know it by themselves.
    pub authority: Option<String>,
    /// Whether clients must pin it, because nobody else vouches for it.
    pub own: bool,
}

/// Loads the certificate, or makes one.
///
/// # Errors
/// Names the file that is wrong.
pub fn load(mode: &TlsMode, data_folder: &Path) -> Result<Option<Certificate>, TlsError> {
    let (certificate, key, authority, own) = match mode {
        TlsMode::Off => return Ok(None),
        TlsMode::Files { certificate, key, authority } => {
            (certificate.clone(), key.clone(), authority.clone(), false)
        }
        TlsMode::Auto => {
            let (certificate, key) = own(data_folder)?;
            (certificate.clone(), key, Some(certificate), true)
        }
    };
    let read = |path: &Path, source: Box<dyn std::error::Error + Send + Sync>| TlsError::Read {
        path: path.display().to_string(),
        source,
    };
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| read(&certificate, Box::new(error)))?;
    let Some(first) = chain.first() else {
        return Err(TlsError::Empty { path: certificate.display().to_string() });
    };
    let hash = Sha256::digest(first).iter().map(|byte| format!("{byte:02x}")).collect();
    let public_key_hash = webpki::EndEntityCert::try_from(first).ok().map(|parsed| {
        let key = parsed.subject_public_key_info();
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(key.as_ref()))
    });
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|error| read(&key, Box::new(error)))?;
    let authority = match authority {
        Some(path) => Some(std::fs::read_to_string(&path).map_err(|error| read(&path, Box::new(error)))?),
        None => None,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = RustlsConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Use)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(TlsError::Use)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(Certificate {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        hash,
        public_key_hash,
        authority,
        own,
    }))
}

/// The server's own certificate, made once: its hash is what clients know.
fn own(data_folder: &Path) -> Result<(PathBuf, PathBuf), TlsError> {
    let folder = data_folder.join("tls");
    let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
    if certificate.is_file() && key.is_file() {
        return Ok((certificate, key));
    }
    let fail = |path: &Path, source| TlsError::Write { path: path.display().to_string(), source };
    std::fs::create_dir_all(&folder).map_err(|error| fail(&folder, error))?;
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if let Ok(name) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        names.push(name.trim().to_owned());
    }
    let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::Make)?;
    // The key first: a certificate without its key would be taken for whole after a crash.
    write(&key, made.signing_key.serialize_pem().as_bytes(), 0o600).map_err(|error| fail(&key, error))?;
    write(&certificate, made.cert.pem().as_bytes(), 0o644).map_err(|error| fail(&certificate, error))?;
    Ok((certificate, key))
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    // What a crash left behind may have another mode.
    let _ = std::fs::remove_file(&unfinished);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    sync_folder(path)
}

/// Removes a file, if it is there, for good.
pub fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_folder(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A name in a folder is safe only when the folder is.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
