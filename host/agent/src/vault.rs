//! What is secret is sealed before it goes to the disk.
//!
//! The ledger holds the assignment, and the assignment holds the contents of secrets and the passwords of registries: a
//! host must be able to start its containers again without a server. They are sealed with a key that lies in a file of
//! its own, readable by root only, so that a ledger that is copied, backed up or sent to somebody for help gives
//! nothing away.
//!
//! Sealing is AES-256-GCM with a random number for each seal.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_protocol::{AssignmentChange, ContainerAssignment};
use contract_values::Secret;
use host_driver::{Disk, Random};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::journal::Record;

/// The file with the key.
pub(crate) const FILE: &str = "key";
/// How long a key is.
const KEY: usize = 32;
/// What a seal begins with.
const FORMAT: &str = "sealed:v1:";
/// What a seal is for: one that is moved elsewhere does not open there.
const PURPOSE: &[u8] = b"lariat ledger";

/// Seals and opens.
pub(crate) struct Vault {
    disk: Arc<dyn Disk>,
    random: Arc<dyn Random>,
    /// Made when there is something to seal for the first time.
    key: Option<LessSafeKey>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(***)")
    }
}

/// A seal does not open: the key is missing or another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is sealed in it cannot be opened")]
pub(crate) struct Unreadable;

impl Vault {
    /// Reads the key, if there is one.
    pub(crate) async fn open(disk: Arc<dyn Disk>, random: Arc<dyn Random>) -> io::Result<Self> {
        let bytes = disk.read(FILE).await?;
        let key = bytes.as_deref().and_then(key_of);
        if bytes.is_some() && key.is_none() {
            tracing::error!("the file with the key of the ledger is damaged; another key will be made");
        }
        Ok(Self { disk, random, key })
    }

    /// The records as they may be written.
    pub(crate) async fn seal<'a>(&mut self, records: &'a [Record]) -> io::Result<Cow<'a, [Record]>> {
        let mut sealed = Cow::Borrowed(records);
        if records.iter().all(|record| !has_secrets(record)) {
            return Ok(sealed);
        }
        if self.key.is_none() {
            let bytes: Vec<u8> = (0..KEY / 8).flat_map(|_| self.random.next_u64().to_le_bytes()).collect();
            // Before anything is sealed with it.
            self.disk.replace(FILE, bytes.clone()).await?;
            self.key = key_of(&bytes);
        }
        let key = self.key.as_ref().expect("a key was made just above");
        for secret in sealed.to_mut().iter_mut().flat_map(secrets) {
            *secret = self.seal_one(key, secret);
        }
        Ok(sealed)
    }

    fn seal_one(&self, key: &LessSafeKey, secret: &Secret) -> Secret {
        let mut nonce = [0; NONCE_LEN];
        let (low, high) = (self.random.next_u64(), self.random.next_u64());
        nonce[..8].copy_from_slice(&low.to_le_bytes());
        nonce[8..].copy_from_slice(&high.to_le_bytes()[..NONCE_LEN - 8]);
        let mut bytes = secret.expose().as_bytes().to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(PURPOSE), &mut bytes)
            .expect("a text is far shorter than what the cipher takes");
        let whole = [&nonce[..], &bytes].concat();
        Secret::new(format!("{FORMAT}{}", STANDARD.encode(whole)))
    }

    /// Opens what was read.
    pub(crate) fn unseal(&self, records: &mut [Record]) -> Result<(), Unreadable> {
        for secret in records.iter_mut().flat_map(secrets) {
            let Some(text) = secret.expose().strip_prefix(FORMAT) else { continue };
            *secret = self.open_one(text).ok_or(Unreadable)?;
        }
        Ok(())
    }

    fn open_one(&self, text: &str) -> Option<Secret> {
        let whole = STANDARD.decode(text).ok()?;
        let (nonce, bytes) = whole.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = bytes.to_vec();
        let opened = self.key.as_ref()?.open_in_place(nonce, Aad::from(PURPOSE), &mut bytes).ok()?;
        Some(Secret::new(std::str::from_utf8(opened).ok()?.to_owned()))
    }
}

fn key_of(bytes: &[u8]) -> Option<LessSafeKey> {
    // The cipher checks the length.
    Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?))
}

fn of_container(container: &mut ContainerAssignment) -> impl Iterator<Item = &mut Secret> {
    let spec = &mut container.spec;
    let files = spec.files.iter_mut().map(|file| &mut file.content);
    files.chain(spec.registry_login.as_mut().map(|login| &mut login.password))
}

/// Everything in a record that is secret.
fn secrets(record: &mut Record) -> Vec<&mut Secret> {
    match record {
        Record::Complete { assignment, .. } => {
            assignment.containers.values_mut().flat_map(of_container).collect()
        }
        Record::Changes { changes, .. } => changes
            .iter_mut()
            .filter_map(|change| match change {
                AssignmentChange::Container { to, .. } => to.as_deref_mut(),
                AssignmentChange::Network { .. }
                | AssignmentChange::Volume { .. }
                | AssignmentChange::Native { .. }
                | AssignmentChange::VolumeOrder { .. }
                | AssignmentChange::Unknown => None,
            })
            .flat_map(of_container)
            .collect(),
        Record::Fence { .. } | Record::Seen { .. } | Record::Forget { .. } | Record::Demand { .. } => {
            Vec::new()
        }
    }
}

fn has_secrets(record: &Record) -> bool {
    let holds = |container: &ContainerAssignment| {
        !container.spec.files.is_empty() || container.spec.registry_login.is_some()
    };
    match record {
        Record::Complete { assignment, .. } => assignment.containers.values().any(holds),
        Record::Changes { changes, .. } => changes
            .iter()
            .any(|change| matches!(change, AssignmentChange::Container { to: Some(to), .. } if holds(to))),
        Record::Fence { .. } | Record::Seen { .. } | Record::Forget { .. } | Record::Demand { .. } => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
