//! Why a host does not fit, and how that is said of many.

use std::fmt;

/// Why one host does not fit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misfit {
    /// A public port is taken.
    PortTaken {
        /// The port with its transport.
        port: String,
        /// The container that holds it.
        holder: String,
    },
    /// A volume that the container mounts is on other hosts.
    VolumeElsewhere {
        /// The volume.
        volume: String,
        /// Where it is.
        hosts: Vec<String>,
    },
    /// What the container shares network or volumes with is on another host.
    JoinedElsewhere {
        /// The other container or service.
        name: String,
        /// Where it is.
        host: String,
    },
    /// What the container shares network or volumes with is not placed.
    JoinedNowhere {
        /// The other container or service.
        name: String,
    },
    /// The memory that is set aside there leaves too little.
    Memory,
    /// The CPU time that is set aside there leaves too little.
    Cpu,
    /// It lacks a label, or has one that it must not have.
    Label {
        /// Such as `disk=ssd`.
        rule: String,
        /// Whether the label is there and must not be.
        unwanted: bool,
    },
    /// It was switched off for new work.
    Inactive,
    /// Its agent is not connected.
    Away,
    /// Its agent has never been connected.
    NeverConnected,
    /// It is being removed.
    Going,
    /// Another host was asked for.
    NotRequested,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Say { misfit: self, who: Who::One("the host") }.fmt(f)
    }
}

enum Who<'a> {
    One(&'a str),
    Many(usize),
}

struct Say<'a> {
    misfit: &'a Misfit,
    who: Who<'a>,
}

impl fmt::Display for Say<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (who, is, has, does) = match self.who {
            Who::One(name) => (name.to_owned(), "is", "has", "does"),
            Who::Many(count) => (format!("{count} hosts"), "are", "have", "do"),
        };
        match self.misfit {
            Misfit::PortTaken { port, holder } => match self.who {
                Who::One(name) => write!(f, "port {port} is taken on {name} by {holder}"),
                Who::Many(count) => write!(f, "port {port} is taken on {count} hosts"),
            },
            Misfit::VolumeElsewhere { volume, hosts } => {
                write!(f, "volume {volume} is on {}, not on {who}", hosts.join(" and "))
            }
            Misfit::JoinedElsewhere { name, host } => {
                write!(f, "{name}, which it joins, is on {host}, not on {who}")
            }
            Misfit::JoinedNowhere { name } => write!(f, "{name}, which it joins, has no host yet"),
            Misfit::Memory => write!(f, "{who} {has} too little memory left"),
            Misfit::Cpu => write!(f, "{who} {has} too little CPU left"),
            Misfit::Label { rule, unwanted: false } => write!(f, "{who} {does} not have the label {rule}"),
            Misfit::Label { rule, unwanted: true } => write!(f, "{who} {has} the label {rule}"),
            Misfit::Inactive => write!(f, "{who} {is} switched off for new work"),
            Misfit::Away => write!(f, "{who} {is} not connected"),
            Misfit::NeverConnected => write!(f, "{who} {has} never connected"),
            Misfit::Going => write!(f, "{who} {is} being removed"),
            Misfit::NotRequested => write!(f, "{who} {is} not the one asked for"),
        }
    }
}

/// How many hosts are named one by one.
const NAMED: usize = 4;

/// Says of all hosts why they do not fit, in one line.
pub(crate) fn explain(misfits: &[(String, Misfit)]) -> String {
    // Where one host was asked for, the others are of no interest.
    let telling: Vec<_> = misfits.iter().filter(|(_, misfit)| *misfit != Misfit::NotRequested).collect();
    if telling.is_empty() {
        return "the host that was asked for is not there".to_owned();
    }
    let mut groups: Vec<(Misfit, Vec<&str>)> = Vec::new();
    for (name, misfit) in telling {
        let key = match misfit {
            // Of many hosts, who holds the port is of no interest.
            Misfit::PortTaken { port, .. } if misfits.len() > NAMED => {
                Misfit::PortTaken { port: port.clone(), holder: String::new() }
            }
            other => other.clone(),
        };
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, names)) => names.push(name),
            None => groups.push((key, vec![name])),
        }
    }
    groups.sort();
    let mut parts = Vec::new();
    for (misfit, names) in &groups {
        if matches!(misfit, Misfit::JoinedNowhere { .. }) {
            parts.push(misfit.to_string());
        } else if misfits.len() > NAMED && names.len() > 1 {
            parts.push(Say { misfit, who: Who::Many(names.len()) }.to_string());
        } else {
            parts.extend(names.iter().map(|name| Say { misfit, who: Who::One(name) }.to_string()));
        }
    }
    parts.join("; ")
}
