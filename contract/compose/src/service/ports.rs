//! Published ports: the short and the long form, and ranges.

use std::net::IpAddr;

use contract_values::{PortMapping, PortNumber, Transport};

use super::{Draft, unknown};
use crate::error::shorten;
use crate::field::Field;
use crate::project::Context;
use crate::support;
use crate::words;

/// What is wrong with a port, and the remedy.
type Fault = (String, String);

pub(super) fn read(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let items: Vec<_> = field.items(&mut cx.report).collect();
    let mut ports: Vec<PortMapping> = Vec::new();
    for item in items {
        let mut says_tcp = false;
        let read = if item.node.as_map().is_some() {
            long(&item, cx)
        } else {
            let Some(text) = item.filled_text(&mut cx.report) else { continue };
            says_tcp = text.ends_with("/tcp");
            short(&text)
        };
        let new = match read {
            Ok(new) => new,
            Err((message, remedy)) => {
                if !message.is_empty() {
                    item.error(&mut cx.report, message, remedy);
                }
                continue;
            }
        };
        if ports.len() + new.len() > cx.input.limits.ports {
            item.error(
                &mut cx.report,
                format!("the service publishes more than {} ports", cx.input.limits.ports),
                "use the network of the host: `network_mode: host`",
            );
            break;
        }
        for port in new {
            if says_tcp {
                draft.tcp_ports.insert(port.private.get());
            }
            if ports.contains(&port) {
                continue;
            }
            let clash = ports.iter().find(|old| {
                old.public.is_some()
                    && old.public == port.public
                    && old.transport == port.transport
                    && (old.address == port.address || old.address.is_none() || port.address.is_none())
            });
            if let (Some(_), Some(public)) = (clash, port.public) {
                item.error(
                    &mut cx.report,
                    format!("the public port {public}/{} is published twice", port.transport),
                    "give one of the two another public port",
                );
                continue;
            }
            ports.push(port);
        }
    }
    draft.config().ports = ports;
}

/// A first and a last port.
#[derive(Clone, Copy)]
struct Range(PortNumber, PortNumber);

impl Range {
    fn len(self) -> usize {
        usize::from(self.1.get() - self.0.get()) + 1
    }

    fn ports(self) -> impl Iterator<Item = PortNumber> {
        (self.0.get()..=self.1.get()).filter_map(PortNumber::new)
    }
}

/// Reads `80` or `80-90`.
fn range(text: &str, side: &str) -> Result<Range, Fault> {
    let number = |part: &str| {
        part.trim().parse::<PortNumber>().map_err(|_| {
            (
                format!("the {side} port `{}` is not a number from 1 to 65535", shorten(part)),
                "use a port from 1 to 65535".to_owned(),
            )
        })
    };
    let range = match text.split_once('-') {
        None => number(text).map(|port| Range(port, port))?,
        Some((first, last)) => Range(number(first)?, number(last)?),
    };
    if range.0 > range.1 {
        return Err((
            format!("the range `{}` of {side} ports ends before it begins", shorten(text)),
            format!("write `{}-{}`", range.1, range.0),
        ));
    }
    Ok(range)
}

fn transport(text: &str) -> Result<Transport, Fault> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Transport::Tcp),
        "udp" => Ok(Transport::Udp),
        _ => Err((
            format!("the protocol `{}` is neither tcp nor udp", shorten(text)),
            "write `tcp` or `udp`".to_owned(),
        )),
    }
}

/// Reads `[address:][public:]private[/protocol]`; both sides may be ranges of the same length.
pub(super) fn short(text: &str) -> Result<Vec<PortMapping>, Fault> {
    let (rest, transport) = match text.split_once('/') {
        None => (text, Transport::Tcp),
        Some((rest, protocol)) => (rest, transport(protocol)?),
    };
    let form = || {
        (
            format!("`{}` is not of the form [ip:][public:]private[/tcp|udp]", shorten(text)),
            "write `80`, `8080:80` or `127.0.0.1:8080:80`".to_owned(),
        )
    };
    let (address, rest) = if let Some(after) = rest.strip_prefix('[') {
        let (address, rest) = after.split_once("]:").ok_or_else(form)?;
        (Some(address), rest)
    } else {
        match rest.rmatch_indices(':').nth(1) {
            Some((colon, _)) => (Some(&rest[..colon]), &rest[colon + 1..]),
            None => (None, rest),
        }
    };
    let address = match address {
        None | Some("") => None,
        Some(text) => Some(parse_address(text)?),
    };
    let (public, private) = match rest.split_once(':') {
        Some(("", private)) => (None, private),
        Some((public, private)) => (Some(range(public, "public")?), private),
        None => (None, rest),
    };
    mappings(address, public, range(private, "private")?, transport)
}

fn parse_address(text: &str) -> Result<IpAddr, Fault> {
    text.parse::<IpAddr>().map_err(|_| {
        (
            format!("`{}` is no address of a host", shorten(text)),
            "write an address as `127.0.0.1`, or leave it out for all".to_owned(),
        )
    })
}

fn mappings(
    address: Option<IpAddr>,
    public: Option<Range>,
    private: Range,
    transport: Transport,
) -> Result<Vec<PortMapping>, Fault> {
    let one = |public, private| PortMapping { address, public, private, transport };
    match public {
        None => Ok(private.ports().map(|private| one(None, private)).collect()),
        Some(public) if public.len() == private.len() => Ok(public
            .ports()
            .zip(private.ports())
            .map(|(public, private)| one(Some(public), private))
            .collect()),
        Some(public) if private.len() == 1 => Err((
            format!("a range of {} public ports for one private port", public.len()),
            "name one public port, or none for a free one".to_owned(),
        )),
        Some(public) => Err((
            format!("{} public ports for {} private ones", public.len(), private.len()),
            "make both ranges equally long".to_owned(),
        )),
    }
}

fn long(field: &Field<'_>, cx: &mut Context<'_>) -> Result<Vec<PortMapping>, Fault> {
    const KNOWN: &[&str] = &["target", "published", "protocol", "mode", "host_ip", "name", "app_protocol"];
    let (mut address, mut public, mut private, mut protocol) = (None, None, None, Transport::Tcp);
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    let mut broken = false;
    for (key, at, value) in entries {
        let mut keep = |result: Result<(), Fault>| {
            if let Err((message, remedy)) = result {
                value.error(&mut cx.report, message, remedy);
                broken = true;
            }
        };
        match key {
            _ if value.is_null() && KNOWN.contains(&key) => {}
            "target" | "published" | "protocol" | "host_ip" => {
                let Some(text) = value.node.as_text() else {
                    keep(Err((
                        "a single value is expected here".to_owned(),
                        "write a number or a text".to_owned(),
                    )));
                    continue;
                };
                match key {
                    "target" => keep(range(text, "private").map(|range| private = Some(range))),
                    "published" if text.is_empty() => {}
                    "published" => keep(range(text, "public").map(|range| public = Some(range))),
                    "protocol" => keep(transport(text).map(|read| protocol = read)),
                    _ => keep(parse_address(text).map(|read| address = Some(read))),
                }
            }
            "mode" => match value.node.as_text() {
                Some("host" | "ingress") => {
                    let why = support::PORT_MODE;
                    let message = format!("`mode` has no effect: {why}");
                    cx.report.notice_once("port mode", value.at(), value.path, message);
                }
                other => value.error(
                    &mut cx.report,
                    "the mode of a port is `host` or `ingress`",
                    words::did_you_mean(other.unwrap_or(""), &["host", "ingress"]),
                ),
            },
            "name" | "app_protocol" => {
                if value.text(&mut cx.report).is_some() {
                    let message = format!("`{key}` has no effect: {}", support::PORT_NAME);
                    cx.report.notice_once(&format!("port {key}"), value.at(), value.path, message);
                }
            }
            _ => unknown(key, at, value.path, KNOWN, cx),
        }
    }
    if broken {
        return Err((String::new(), String::new()));
    }
    let Some(private) = private else {
        return Err((
            "the port has no `target`".to_owned(),
            "add `target: PORT`, the port in the container".to_owned(),
        ));
    };
    mappings(address, public, private, protocol)
}

/// Reads the items of `expose`: ports and ranges, without a public side.
pub(super) fn expose(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let items: Vec<_> = field.items(&mut cx.report).collect();
    for item in items {
        let Some(text) = item.filled_text(&mut cx.report) else { continue };
        let pair = text.split_once(':').filter(|_| super::old_words(cx));
        let read = if let Some((source, target)) = pair {
            // A balancer of the old sort: where it listens, and the port of its targets.
            let (source, target) = (short(source), short(target));
            if let (Ok([source]), Ok([target])) = (source.as_deref(), target.as_deref()) {
                draft.exposed_targets.insert(source.private.get(), target.private.get());
                if target.transport == Transport::Tcp && text.ends_with("/tcp") {
                    draft.tcp_ports.insert(source.private.get());
                }
            }
            source
        } else if text.contains(':') {
            Err((
                format!("`{}` publishes a port, which `expose` does not", shorten(&text)),
                "write it below `ports`".to_owned(),
            ))
        } else {
            short(&text)
        };
        match read {
            Ok(ports) if draft.config().expose.len() + ports.len() > cx.input.limits.ports => item.error(
                &mut cx.report,
                format!("the service exposes more than {} ports", cx.input.limits.ports),
                "remove `expose`: services reach each other on every port",
            ),
            Ok(ports) => {
                if text.ends_with("/tcp") {
                    draft.tcp_ports.extend(ports.iter().map(|port| port.private.get()));
                }
                for port in ports {
                    let text = match port.transport {
                        Transport::Tcp => port.private.to_string(),
                        Transport::Udp => format!("{}/udp", port.private),
                    };
                    if !draft.config().expose.contains(&text) {
                        draft.config().expose.push(text);
                    }
                }
            }
            Err((message, remedy)) => item.error(&mut cx.report, message, remedy),
        }
    }
}
