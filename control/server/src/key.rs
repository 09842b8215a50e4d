//! The installation's key, which is kept apart from the database on purpose: whoever has only one of the two has nothing.

use std::io;
use std::path::Path;

use contract_values::Secret;
use control_model::Random as _;

use crate::seams::SystemRandom;
use crate::tls::write;

/// The file in the data folder.
pub const FILE: &str = "installation.key";

/// Reads the installation's key, or makes one where there is none.
///
/// # Errors
/// Fails when the file cannot be read or written, or does not hold a key.
pub fn ensure(data_folder: &Path) -> io::Result<Secret> {
    let path = data_folder.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let text = text.trim();
            if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Ok(Secret::new(text.to_owned()));
            }
            let what = "it does not hold 64 hexadecimal digits; restore it from a backup";
            Err(io::Error::new(io::ErrorKind::InvalidData, what))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; 32];
            SystemRandom.fill(&mut bytes);
            let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            write(&path, text.as_bytes(), 0o600)?;
            Ok(Secret::new(text))
        }
        Err(error) => Err(error),
    }
}
