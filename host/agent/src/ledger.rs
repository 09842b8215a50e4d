//! Keeps the journal on the disk.

use std::io;
use std::sync::Arc;

use host_driver::{Disk, Random};

use crate::journal::{Record, Scan, encode, scan};
use crate::vault::Vault;

/// The journal's file.
pub(crate) const FILE: &str = "ledger";
/// A journal that has grown so far beyond its last snapshot is written anew.
const GROWTH: usize = 4;
/// A journal below this size is left alone.
const SMALL: usize = 256 * 1024;

/// The journal.
#[derive(Debug)]
pub(crate) struct Ledger {
    disk: Arc<dyn Disk>,
    vault: Vault,
    length: usize,
    snapshot: usize,
    /// A write failed, so what is there may lack something: only a snapshot makes it whole again.
    has_gap: bool,
}

/// What opening the ledger has found.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) ledger: Ledger,
    pub(crate) records: Vec<Record>,
    /// Where a corrupt ledger was put.
    pub(crate) put_aside: Option<String>,
}

impl Ledger {
    /// Reads the journal; a corrupt one is put aside under a name with `stamp` in it.
    pub(crate) async fn open(disk: Arc<dyn Disk>, random: Arc<dyn Random>, stamp: i64) -> io::Result<Opened> {
        let bytes = disk.read(FILE).await?.unwrap_or_default();
        let vault = Vault::open(Arc::clone(&disk), random).await?;
        let mut put_aside = None;
        let (records, length) = match read(&vault, &bytes) {
            Scan::Sound { records, length } => {
                if length < bytes.len() {
                    tracing::warn!(
                        torn.bytes = bytes.len() - length,
                        "the ledger ends in a torn record, which was cut off"
                    );
                    disk.truncate(FILE, length as u64).await?;
                }
                (records, length)
            }
            Scan::Corrupt { at, reason } => {
                let name = format!("{FILE}.corrupt-{stamp}");
                tracing::error!(
                    ledger.position = at,
                    ledger.kept_as = name,
                    "the ledger is damaged ({reason}); it was put aside, and nothing is removed before the server \
                     has sent everything anew"
                );
                disk.rename(FILE, &name).await?;
                put_aside = Some(name);
                (Vec::new(), 0)
            }
        };
        let ledger = Self { disk, vault, length, snapshot: length, has_gap: false };
        Ok(Opened { ledger, records, put_aside })
    }

    /// Adds records; they survive a crash once this has returned.
    pub(crate) async fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let result = self.append_now(records).await;
        self.has_gap |= result.is_err();
        result
    }

    async fn append_now(&mut self, records: &[Record]) -> io::Result<()> {
        let bytes = self.encode(records).await?;
        let length = bytes.len();
        self.disk.append(FILE, bytes).await?;
        self.length += length;
        Ok(())
    }

    async fn encode(&mut self, records: &[Record]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.vault.seal(records).await?.iter().for_each(|record| encode(record, &mut bytes));
        Ok(bytes)
    }

    /// Whether a snapshot should take the place of all records.
    pub(crate) fn wants_snapshot(&self) -> bool {
        self.has_gap || self.length > SMALL.max(self.snapshot.saturating_mul(GROWTH))
    }

    /// Whether something that was to be written is not there.
    pub(crate) fn has_gap(&self) -> bool {
        self.has_gap
    }

    /// Writes the journal anew.
    pub(crate) async fn rewrite(&mut self, records: &[Record]) -> io::Result<()> {
        let bytes = self.encode(records).await?;
        let length = bytes.len();
        self.disk.replace(FILE, bytes).await?;
        self.length = length;
        self.snapshot = length;
        self.has_gap = false;
        Ok(())
    }
}

/// Reads all records, and opens what is sealed in them.
fn read(vault: &Vault, bytes: &[u8]) -> Scan {
    match scan(bytes) {
        Scan::Sound { mut records, length } => match vault.unseal(&mut records) {
            Ok(()) => Scan::Sound { records, length },
            Err(_) => {
                Scan::Corrupt { at: 0, reason: "its secrets cannot be opened with the key that is there" }
            }
        },
        corrupt @ Scan::Corrupt { .. } => corrupt,
    }
}
