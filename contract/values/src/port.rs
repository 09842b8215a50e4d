//! Published ports.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A port number, 1 to 65535.
pub type PortNumber = NonZeroU16;

/// What runs above IP on a published port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// One published port: `[ip:][public:]private[/tcp|udp]`, an IPv6 address in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortMapping {
    /// The host address to bind; all addresses when absent.
    pub address: Option<IpAddr>,
    /// The port on the host; chosen by the platform when absent.
    pub public: Option<PortNumber>,
    /// The port in the container.
    pub private: PortNumber,
    /// TCP or UDP.
    pub transport: Transport,
}

/// Why a text is no port mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The whole has another shape.
    #[error("`{text}` is not of the form [ip:][public:]private[/tcp|udp]")]
    Format {
        /// The text given.
        text: String,
    },
    /// The host port is no number from 1 to 65535.
    #[error("the public port `{port}` is not a number from 1 to 65535")]
    Public {
        /// The text in its place.
        port: String,
    },
    /// The container port is no number from 1 to 65535.
    #[error("the private port `{port}` is not a number from 1 to 65535")]
    Private {
        /// The text in its place.
        port: String,
    },
    /// Neither `tcp` nor `udp`.
    #[error("the protocol `{protocol}` is neither tcp nor udp")]
    Protocol {
        /// The text in its place.
        protocol: String,
    },
}

impl FromStr for PortMapping {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let format = || PortError::Format { text: text.to_owned() };
        let (rest, transport) = match text.split_once('/') {
            None => (text, Transport::Tcp),
            Some((rest, "tcp")) => (rest, Transport::Tcp),
            Some((rest, "udp")) => (rest, Transport::Udp),
            Some((_, other)) => return Err(PortError::Protocol { protocol: other.to_owned() }),
        };
        let (address, ports) = if let Some(after) = rest.strip_prefix('[') {
            let (ip, ports) = after.split_once("]:").ok_or_else(format)?;
            (Some(ip.parse().map_err(|_| format())?), ports)
        } else {
            match rest.rsplitn(3, ':').collect::<Vec<_>>()[..] {
                [_, _, ip] => (Some(ip.parse::<IpAddr>().map_err(|_| format())?), &rest[ip.len() + 1..]),
                _ => (None, rest),
            }
        };
        let (public, private) = match ports.split_once(':') {
            Some(("", private)) if address.is_some() => (None, private),
            Some((public, private)) => {
                let number = public.parse().map_err(|_| PortError::Public { port: public.to_owned() })?;
                (Some(number), private)
            }
            None => (None, ports),
        };
        let private = private.parse().map_err(|_| PortError::Private { port: private.to_owned() })?;
        Ok(Self { address, public, private, transport })
    }
}

impl fmt::Display for PortMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            Some(IpAddr::V4(ip)) => write!(f, "{ip}:")?,
            None => {}
        }
        match self.public {
            Some(public) => write!(f, "{public}:")?,
            None if self.address.is_some() => f.write_str(":")?,
            None => {}
        }
        write!(f, "{}/{}", self.private, self.transport)
    }
}

impl TryFrom<String> for PortMapping {
    type Error = PortError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PortMapping> for String {
    fn from(port: PortMapping) -> Self {
        port.to_string()
    }
}
