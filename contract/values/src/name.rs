//! The rules for names that become parts of DNS names.

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("the name is empty")]
    Empty,
    /// More than 63 characters.
    #[error("the name has {length} characters; at most 63 are allowed")]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// A character outside letters, digits and `-`.
    #[error("the name holds `{found}`; only letters, digits and `-` are allowed")]
    Character {
        /// The first such character.
        found: char,
    },
    /// A `-` where none may stand.
    #[error("the name starts or ends with `-`")]
    EdgeHyphen,
    /// Two `-` in a row.
    #[error("the name holds `--`")]
    DoubleHyphen,
}

/// Checks the name of a stack: letters, digits and `-`, 1 to 63, no `-` at either end.
///
/// # Errors
/// Returns the first rule that the name breaks.
pub fn check_stack_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if let Some(found) = name.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        return Err(NameError::Character { found });
    }
    if name.len() > 63 {
        return Err(NameError::TooLong { length: name.len() });
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err(NameError::EdgeHyphen);
    }
    Ok(())
}

/// Checks the name of a service: the rules of a stack's name, and no `--`.
///
/// # Errors
/// Returns the first rule that the name breaks.
pub fn check_dns_label(name: &str) -> Result<(), NameError> {
    check_stack_name(name)?;
    if name.contains("--") { Err(NameError::DoubleHyphen) } else { Ok(()) }
}
