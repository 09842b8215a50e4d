//! `lariat port`: where ports are published.

use clap::Args;
use serde_json::json;

use crate::error::{CliError, FAILED};
use crate::names::{Directory, Kind, Target};
use crate::output::Listing;
use crate::session::Session;

const KINDS: &[Kind] = &[Kind::Service, Kind::Container, Kind::Host];

/// Show where the ports of containers and services are published
#[derive(Debug, Args)]
pub struct Port {
    /// A container, or a service (stack/service)
    name: String,
    /// Only this port of the container, such as 80 or 53/udp
    port: Option<String>,
}

/// A published port, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Published {
    private: u16,
    protocol: String,
    address: Option<String>,
    public: u16,
}

impl Port {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let client = session.client().await?;
        let directory = Directory::load(&client, KINDS).await?;
        let target = directory.resolve(&self.name, &KINDS[..2])?;
        let containers = match &target {
            Target::Container(container) => vec![container],
            target => directory.containers_of(&target.meta().id),
        };
        let wanted = match &self.port {
            Some(text) => Some(private_port(text)?),
            None => None,
        };
        let mut listing = Listing::new(&["CONTAINER", "PORT", "PUBLISHED AT"]);
        let mut addresses = Vec::new();
        for container in containers {
            let host = container.host_id.as_ref().and_then(|id| directory.hosts.get(id));
            let of_host = host.and_then(|host| host.agent_ip_address.clone());
            for port in container.ports.iter().filter_map(|port| published(port)) {
                let own = (port.private, port.protocol.clone());
                if wanted.as_ref().is_some_and(|wanted| *wanted != own) {
                    continue;
                }
                let address = port.address.clone().or_else(|| of_host.clone()).unwrap_or_default();
                let at = if address.contains(':') {
                    format!("[{address}]:{}", port.public)
                } else {
                    format!("{address}:{}", port.public)
                };
                let name = container.meta.title();
                let private = format!("{}/{}", port.private, port.protocol);
                listing.add(
                    &at,
                    vec![name.to_owned(), private, at.clone()],
                    json!({
                        "container": name, "port": port.private, "protocol": port.protocol,
                        "address": address, "publicPort": port.public,
                    }),
                );
                addresses.push(at);
            }
        }
        match (&self.port, addresses.is_empty()) {
            (Some(port), true) => Err(CliError {
                code: FAILED,
                ..CliError::new(format!("the port {port} of {} is not published", self.name))
            }),
            // Who asks for one port wants its address and nothing else.
            (Some(_), false) if !session.is_machine() => {
                addresses.iter().try_for_each(|address| session.io.line(address))
            }
            _ => listing.print(session),
        }
    }
}

fn private_port(text: &str) -> Result<(u16, String), CliError> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match number.parse() {
        Ok(number) => Ok((number, protocol.to_lowercase())),
        Err(_) => Err(CliError::usage(format!("`{text}` is no port")).hint("write it as 80 or 53/udp")),
    }
}

/// Reads `[address:]public:private[/protocol]`.
fn published(text: &str) -> Option<Published> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (rest, private) = ports.rsplit_once(':')?;
    let (address, public) = match rest.rsplit_once(':') {
        Some((address, public)) => (Some(address.trim_matches(['[', ']']).to_owned()), public),
        None => (None, rest),
    };
    Some(Published {
        private: private.parse().ok()?,
        protocol: protocol.to_owned(),
        address: address.filter(|address| !matches!(address.as_str(), "" | "0.0.0.0" | "::")),
        public: public.parse().ok()?,
    })
}

#[cfg(test)]
mod tests;
