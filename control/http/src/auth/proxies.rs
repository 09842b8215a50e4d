//! Which machines may say how a client reached us.
//!
//! `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` are words of whoever sends them. They are believed from the
//! proxies that the operator names, and from this very machine unless he says otherwise; from all others they are taken
//! off the request before anything reads it. Who the caller is never stands in such a header at all.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::HeaderMap;

/// The headers that only a trusted proxy may set.
const FORWARDED: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"];

/// A block of addresses, as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressBlock {
    base: IpAddr,
    bits: u8,
}

/// A text that names no block of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address and no block of addresses such as 10.0.0.0/8")]
pub struct AddressBlockError {
    text: String,
}

impl FromStr for AddressBlock {
    type Err = AddressBlockError;

    fn from_str(text: &str) -> Result<Self, AddressBlockError> {
        let wrong = || AddressBlockError { text: text.to_owned() };
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return Err(wrong());
        }
        Ok(Self { base, bits })
    }
}

impl AddressBlock {
    /// Whether an address lies in the block. An IPv4 address that comes in IPv6 clothes counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        fn same(one: u128, other: u128, width: u8, bits: u8) -> bool {
            bits == 0 || one >> (width - bits) == other >> (width - bits)
        }
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                same(base.to_bits().into(), address.to_bits().into(), 32, self.bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                same(base.to_bits(), address.to_bits(), 128, self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// The proxies whose word is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies {
    blocks: Vec<AddressBlock>,
}

impl Default for TrustedProxies {
    /// This machine alone.
    fn default() -> Self {
        let blocks = ["127.0.0.0/8", "::1"];
        Self { blocks: blocks.map(|block| block.parse().expect("these are blocks")).into() }
    }
}

impl TrustedProxies {
    /// Trusts these blocks and no others.
    pub fn new(blocks: Vec<AddressBlock>) -> Self {
        Self { blocks }
    }

    /// Reads a list of addresses and blocks; `none` trusts nobody, an empty list means the default.
    ///
    /// # Errors
    /// Repeats the text that is neither.
    pub fn parse(list: &[String]) -> Result<Self, AddressBlockError> {
        let texts: Vec<&str> = list
            .iter()
            .flat_map(|text| text.split(','))
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .collect();
        match texts[..] {
            [] => Ok(Self::default()),
            ["none"] => Ok(Self { blocks: Vec::new() }),
            _ => texts.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self::new),
        }
    }

    /// Whether the word of an address is taken.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.blocks.iter().any(|block| block.contains(address))
    }

    /// Takes the forwarded headers off a request whose sender is not trusted.
    pub fn cleanse(&self, headers: &mut HeaderMap, sender: IpAddr) {
        if self.trusts(sender) {
            return;
        }
        for name in FORWARDED {
            headers.remove(name);
        }
    }

    /// The address of the caller: the nearest one that is no trusted proxy. Each proxy adds the address that it saw at
    /// the end, so everything left of the first unknown address is hearsay.
    pub fn client(&self, headers: &HeaderMap, sender: IpAddr) -> IpAddr {
        let mut client = sender.to_canonical();
        let lines: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
        for text in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            match address_of(text.trim()) {
                Some(address) => client = address.to_canonical(),
                None => break,
            }
        }
        client
    }
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn address_of(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip())).or_else(
        || {
            text.strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .and_then(|inner| inner.parse().ok())
        },
    )
}

#[cfg(test)]
mod tests;
