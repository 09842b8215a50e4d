use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::config::{ServerConfig, TlsConfig};
use crate::{files, tls};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lariat-server-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config(folder: &Folder, tls: TlsConfig) -> ServerConfig {
    ServerConfig {
        data_dir: folder.0.clone(),
        listen: vec!["10.9.8.7:0".parse().unwrap()],
        database: None,
        tls,
        bootstrap_file: None,
        address_file: None,
        agent_programs: Default::default(),
        version: "0".into(),
    }
}

#[test]
fn a_certificate_is_made_once() {
    let folder = Folder::new("made");
    let config = config(&folder, TlsConfig::SelfSigned { names: vec!["lariat.example".into()] });
    let first = tls::prepare(&config).unwrap().unwrap();
    let again = tls::prepare(&config).unwrap().unwrap();
    assert_eq!(first.certificate_hash, again.certificate_hash);
    assert_eq!(first.certificate_hash.len(), 64);
    assert_eq!(first.public_key_hash.len(), 44);
    assert_eq!(first.authority_pem, std::fs::read_to_string(folder.0.join("tls/server.crt")).unwrap());
    let mode = std::fs::metadata(folder.0.join("tls/server.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_that_is_no_certificate_is_named() {
    let folder = Folder::new("wrong");
    let (certificate, key) = (folder.0.join("c.pem"), folder.0.join("k.pem"));
    std::fs::write(&certificate, "nonsense").unwrap();
    std::fs::write(&key, "nonsense").unwrap();
    let error = tls::prepare(&config(&folder, TlsConfig::Files { certificate: certificate.clone(), key }))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains(&certificate.display().to_string()), "{error}");
}

#[test]
fn the_key_is_made_once_and_a_broken_one_is_refused() {
    let folder = Folder::new("key");
    let first = files::ensure_key(&folder.0).unwrap();
    assert_eq!(files::ensure_key(&folder.0).unwrap(), first);
    let path = folder.0.join("installation.key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, "abc").unwrap();
    assert!(files::ensure_key(&folder.0).unwrap_err().to_string().contains("installation.key"));
}

#[test]
fn the_embedded_database_is_in_the_data_folder() {
    let folder = Folder::new("url");
    let mut config = config(&folder, TlsConfig::Off);
    assert_eq!(config.database_url(), format!("sqlite:{}/lariat.db", folder.0.display()));
    config.database = Some("postgres://db/lariat".into());
    assert_eq!(config.database_url(), "postgres://db/lariat");
}
