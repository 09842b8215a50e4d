//! Ids are types: `HostId` cannot be passed where a `ServiceId` is wanted, and each prints with its kind.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names a kind of object at the type level.
pub trait IdKind: Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// The word printed before the number, as in `host-7`.
    const WORD: &'static str;
}

/// The row number of an object of kind `K`.
pub struct Id<K> {
    raw: i64,
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// Wraps a row number.
    pub const fn new(raw: i64) -> Self {
        Self { raw, kind: PhantomData }
    }

    /// Returns the bare row number.
    pub const fn raw(self) -> i64 {
        self.raw
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.raw.cmp(&other.raw)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw.hash(state);
    }
}
impl<K: IdKind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", K::WORD, self.raw)
    }
}
impl<K: IdKind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.raw)
    }
}
impl<'de, K> Deserialize<'de> for Id<K> {
    /// Takes a number, or its digits as text: JSON keys are text, and serde's buffered enums hand them on as such.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = i64;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of an object")
            }
            fn visit_i64<E: de::Error>(self, raw: i64) -> Result<i64, E> {
                Ok(raw)
            }
            fn visit_u64<E: de::Error>(self, raw: u64) -> Result<i64, E> {
                i64::try_from(raw).map_err(|_| E::custom("the number of an object is too large"))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Number).map(Self::new)
    }
}

/// The kinds that have ids.
pub mod kind {
    use super::IdKind;

    macro_rules! kinds {
        ($($name:ident $word:literal),* $(,)?) => {$(
            #[doc = concat!("Marks the id of a ", $word, ".")]
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub enum $name {}
            impl IdKind for $name {
                const WORD: &'static str = $word;
            }
        )*};
    }

    kinds! {
        Account "account", Credential "credential", Project "project", Member "member", Setting "setting",
        Host "host", Stack "stack", Service "service", Container "container", Volume "volume", Secret "secret",
        Certificate "certificate", Registry "registry", AuditEntry "audit-entry", ProjectTemplate "project-template",
    }
}

/// The id of an account: a person, a program or an agent that may sign in.
pub type AccountId = Id<kind::Account>;
/// The id of a credential: an API key, a registration token, a password.
pub type CredentialId = Id<kind::Credential>;
/// The id of an environment, which the API calls a project.
pub type ProjectId = Id<kind::Project>;
/// The id of a membership of an account in an environment.
pub type MemberId = Id<kind::Member>;
/// The id of a stored setting.
pub type SettingId = Id<kind::Setting>;
/// The id of a host.
pub type HostId = Id<kind::Host>;
/// The id of a stack.
pub type StackId = Id<kind::Stack>;
/// The id of a service.
pub type ServiceId = Id<kind::Service>;
/// The id of a container.
pub type ContainerId = Id<kind::Container>;
/// The id of a volume.
pub type VolumeId = Id<kind::Volume>;
/// The id of a secret.
pub type SecretId = Id<kind::Secret>;
/// The id of a certificate.
pub type CertificateId = Id<kind::Certificate>;
/// The id of a registry.
pub type RegistryId = Id<kind::Registry>;
/// The id of an entry of the audit log.
pub type AuditEntryId = Id<kind::AuditEntry>;
/// The id of a draft of environments.
pub type ProjectTemplateId = Id<kind::ProjectTemplate>;
