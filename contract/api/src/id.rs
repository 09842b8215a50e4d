//! Ids as people see them: `1` + prefix of the root type + row number, as in `1h7`.

use std::fmt;
use std::str::FromStr;

use contract_values::{Id, IdKind, kind};

/// Gives each kind of id its prefix in the API.
pub trait ApiKind: IdKind {
    /// The prefix with its leading `1`, as in `1st`.
    const PREFIX: &'static str;
}

macro_rules! prefixes {
    ($($kind:ident $prefix:literal),* $(,)?) => {$(
        impl ApiKind for kind::$kind {
            const PREFIX: &'static str = $prefix;
        }
    )*};
}

// Accounts and projects are rows of one kind in the API, so both say `1a`.
prefixes! {
    Account "1a", Project "1a", Credential "1c", Member "1pm", Setting "1as",
    Host "1h", Stack "1st", Service "1s", Container "1i", Volume "1v",
    Secret "1se", Certificate "1c", Registry "1sp", AuditEntry "1al", ProjectTemplate "1pt",
}

/// Writes an id as the API shows it.
pub fn format_id<K: ApiKind>(id: Id<K>) -> String {
    format!("{}{}", K::PREFIX, id.raw())
}

/// Reads an id given for kind `K`.
///
/// The letters are not compared with the kind: clients count on `GET /services/1i5` answering with service row 5,
/// whose reported id then differs from what they asked for.
///
/// # Errors
/// Says so when the text is not `1`, letters, digits.
pub fn parse_id<K: ApiKind>(text: &str) -> Result<Id<K>, IdError> {
    let parsed: ApiId = text.parse()?;
    Ok(Id::new(parsed.number))
}

/// Reads an id of kind `K` and insists on the letters of that kind: for references inside bodies and filters.
///
/// # Errors
/// Says so when the text is no id, or one of another kind.
pub fn parse_reference<K: ApiKind>(text: &str) -> Result<Id<K>, IdError> {
    let parsed: ApiId = text.parse()?;
    // The v1 name of a stack is an environment, and its ids say so.
    let v1_stack = K::PREFIX == "1st" && parsed.prefix == "1e";
    if parsed.prefix == K::PREFIX || v1_stack {
        Ok(Id::new(parsed.number))
    } else {
        Err(IdError { text: text.to_owned() })
    }
}

/// An id taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiId {
    /// The leading `1` and the letters.
    pub prefix: String,
    /// The row number.
    pub number: i64,
}

/// A text that is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form `1h7`")]
pub struct IdError {
    text: String,
}

impl FromStr for ApiId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || IdError { text: text.chars().take(64).collect() };
        let rest = text.strip_prefix('1').ok_or_else(fail)?;
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let digits = &rest[letters..];
        if letters == 0 || letters > 12 || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(fail());
        }
        let number = digits.parse().map_err(|_| fail())?;
        Ok(Self { prefix: format!("1{}", rest[..letters].to_ascii_lowercase()), number })
    }
}

impl fmt::Display for ApiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix, self.number)
    }
}
