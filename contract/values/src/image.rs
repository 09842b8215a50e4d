//! References to container images.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A reference to an image as people write it: `[registry/]repository[:tag][@digest]`.
///
/// The platform's API writes it with a leading `docker:`, which parsing drops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    /// Registry and path, without tag and digest.
    pub repository: String,
    /// The tag, if one was written.
    pub tag: Option<String>,
    /// The digest, as `sha256:…`, if one was written.
    pub digest: Option<String>,
}

/// Why a text is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {reason}")]
pub struct ImageRefError {
    text: String,
    reason: &'static str,
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |reason| Err(ImageRefError { text: text.to_owned(), reason });
        let bare = text.strip_prefix("docker:").unwrap_or(text);
        let (rest, digest) = match bare.split_once('@') {
            Some((rest, digest)) => {
                let hex = digest.split_once(':').map(|(_, hex)| hex);
                if !hex.is_some_and(|hex| hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())) {
                    return fail("its digest is not of the form `sha256:<hex>`");
                }
                (rest, Some(digest.to_owned()))
            }
            None => (bare, None),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (rest, None),
        };
        if repository.is_empty() {
            return fail("it names no repository");
        }
        if repository.len() > 255 {
            return fail("its repository has more than 255 characters");
        }
        let (path, registry) = match repository.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (path, Some(first)),
            _ => (repository, None),
        };
        if registry.is_some_and(|r| !r.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))) {
            return fail("its registry holds a character that a host name cannot have");
        }
        for part in path.split('/') {
            let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
            if !edge(part.as_bytes().first()) || !edge(part.as_bytes().last()) {
                return fail("each part of its repository begins and ends with a letter or digit");
            }
            if !part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b)) {
                return fail(
                    "its repository may hold lower-case letters, digits, `.`, `_`, `-` and `/` only",
                );
            }
        }
        if let Some(tag) = tag {
            let first = tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !first
                || tag.len() > 128
                || !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            {
                return fail("its tag is not 1 to 128 letters, digits, `.`, `_` or `-`");
            }
        }
        Ok(Self { repository: repository.to_owned(), tag: tag.map(str::to_owned), digest })
    }
}

impl ImageRef {
    /// The tag that an engine would take: the written one, or `latest`.
    pub fn tag_or_latest(&self) -> &str {
        self.tag.as_deref().unwrap_or("latest")
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for ImageRef {
    type Error = ImageRefError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> Self {
        image.to_string()
    }
}
