//! What containers of ordinary people may not have, where an administrator says so.
//!
//! Whoever may give a container the host's file system has the host. Some installations want that, so the setting
//! `container.refused.powers` is empty at first; an administrator lists there what only administrators may give. The
//! rule looks at the rows that a request is about to write, at the one door through which all writes go, and not at
//! the request: so it holds for every field and every way in, those included that come later. What a row had
//! before stays, so that nobody who changes a note is refused for what somebody else allowed.

use std::collections::BTreeSet;

use contract_api::{ErrorCode, Role};
use control_model::{
    AccountKind, AnyRow, LaunchSpec, Mount, MountKind, NetworkMode, Part, Tables, Transaction,
};

use crate::app::{AppError, Cx, setting};
use crate::auth::Caller;

/// The setting that lists the refused powers.
pub const SETTING: &str = "container.refused.powers";

/// A power over the host that a container can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Power {
    /// All rights on the host.
    Privileged,
    /// The host's processes, network or other name spaces.
    Namespaces,
    /// More capabilities than the engine gives.
    Capabilities,
    /// The host's devices.
    Devices,
    /// The host's files, as a mount or through a volume's driver.
    Paths,
    /// Less confinement than the engine's: security options, control groups, kernel settings, runtimes.
    Confinement,
}

impl Power {
    /// Every power.
    pub const ALL: [Self; 6] = [
        Self::Privileged,
        Self::Namespaces,
        Self::Capabilities,
        Self::Devices,
        Self::Paths,
        Self::Confinement,
    ];

    /// Its word in the setting.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Namespaces => "namespaces",
            Self::Capabilities => "capabilities",
            Self::Devices => "devices",
            Self::Paths => "paths",
            Self::Confinement => "confinement",
        }
    }
}

/// The powers in a setting's text, and the words in it that are none.
pub fn read(text: &str) -> (BTreeSet<Power>, Vec<String>) {
    let mut powers = BTreeSet::new();
    let mut unknown = Vec::new();
    for word in text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()) {
        match Power::ALL.into_iter().find(|power| power.word() == word) {
            Some(power) => {
                powers.insert(power);
            }
            None if word == "all" => powers.extend(Power::ALL),
            None => unknown.push(word.to_owned()),
        }
    }
    (powers, unknown)
}

/// What is refused to the caller.
pub fn refused(cx: &Cx, tables: &Tables) -> BTreeSet<Power> {
    let administrator = matches!(cx.caller, Caller::Account { kind: AccountKind::Admin, .. })
        || matches!(cx.scope.role, Role::Admin);
    if administrator {
        return BTreeSet::new();
    }
    setting::value(tables, SETTING).map(|text| read(&text).0).unwrap_or_default()
}

/// Looks through the rows that are about to be written.
///
/// # Errors
/// [`ErrorCode::Forbidden`] when one has a power that is refused to the caller and that it had not before.
pub fn check(cx: &Cx, tables: &Tables, transaction: &Transaction) -> Result<(), AppError> {
    let refused = refused(cx, tables);
    if refused.is_empty() {
        return Ok(());
    }
    for write in transaction.writes.iter().filter(|write| matches!(write.part, Part::Insert | Part::Intent)) {
        let (name, after) = powers_of(&write.row);
        let before =
            tables.any(write.row.kind(), write.row.id()).map(|row| powers_of(&row).1).unwrap_or_default();
        if let Some(power) = after.iter().find(|power| refused.contains(power) && !before.contains(power)) {
            return Err(AppError::new(
                ErrorCode::Forbidden,
                format!(
                    "`{name}` would have the power `{}` over its host, which only administrators may give here \
                     (setting {SETTING})",
                    power.word()
                ),
            ));
        }
    }
    Ok(())
}

/// The name of a row and the powers that it gives.
fn powers_of(row: &AnyRow) -> (&str, BTreeSet<Power>) {
    match row {
        AnyRow::Service(row) => (&row.intent.name, of_launch(&row.intent.launch)),
        AnyRow::Container(row) => (&row.intent.name, of_launch(&row.intent.launch)),
        AnyRow::Volume(row) => (&row.intent.name, of_volume(&row.intent.driver_options)),
        AnyRow::Stack(row) => {
            let volumes = row.intent.volumes.values().flat_map(|volume| of_volume(&volume.driver_options));
            (&row.intent.name, volumes.collect())
        }
        AnyRow::Account(_)
        | AnyRow::Credential(_)
        | AnyRow::Project(_)
        | AnyRow::Member(_)
        | AnyRow::Setting(_)
        | AnyRow::Host(_)
        | AnyRow::SealedSecret(_)
        | AnyRow::Certificate(_)
        | AnyRow::Registry(_)
        | AnyRow::AuditEntry(_)
        | AnyRow::ProjectTemplate(_) => ("", BTreeSet::new()),
    }
}

/// Whether a volume is a piece of the host's file system in disguise.
fn of_volume(options: &std::collections::BTreeMap<String, String>) -> BTreeSet<Power> {
    let disguised = options.iter().any(|(name, value)| {
        // Every option of a driver that mounts is either the thing that is mounted or how; the harmless ones are few.
        match name.to_ascii_lowercase().as_str() {
            "o" | "options" | "mountoptions" => {
                value.to_ascii_lowercase().split(',').any(|option| matches!(option.trim(), "bind" | "rbind"))
                    || value.contains('/')
            }
            "device" | "mountpoint" | "source" | "path" | "share" => value.starts_with('/'),
            _ => false,
        }
    });
    disguised.then_some(Power::Paths).into_iter().collect()
}

/// The powers that a container of this specification has. Every field is named, so that a new one is thought about.
pub fn of_launch(spec: &LaunchSpec) -> BTreeSet<Power> {
    let LaunchSpec {
        image: _,
        pull: _,
        build: _,
        command: _,
        entrypoint: _,
        environment: _,
        labels: _,
        hostname: _,
        domain_name: _,
        user: _,
        working_dir: _,
        tty: _,
        stdin_open: _,
        init: _,
        ports: _,
        expose: _,
        publish_all_ports: _,
        network,
        network_aliases: _,
        mac_address: _,
        dns: _,
        dns_options: _,
        dns_search: _,
        extra_hosts: _,
        mounts,
        volumes_from: _,
        volume_driver: _,
        devices,
        device_cgroup_rules,
        device_requests,
        privileged,
        read_only: _,
        cap_add,
        cap_drop: _,
        group_add: _,
        security_options,
        sysctls,
        ulimits: _,
        pid_mode,
        ipc_mode,
        uts_mode,
        userns_mode,
        cgroupns_mode,
        cgroup_parent,
        isolation: _,
        runtime,
        annotations: _,
        platform: _,
        storage_options,
        resources,
        shm_size: _,
        stop_signal: _,
        stop_timeout: _,
        restart: _,
        health: _,
        log: _,
        secrets: _,
        files: _,
        kept: _,
    } = spec;
    let mut powers = BTreeSet::new();
    let mut give = |given: bool, power: Power| {
        if given {
            powers.insert(power);
        }
    };
    give(*privileged, Power::Privileged);
    let elsewhere = |mode: &Option<String>| {
        mode.as_deref().is_some_and(|mode| !matches!(mode, "" | "private" | "shareable" | "none"))
    };
    let modes = [pid_mode, ipc_mode, uts_mode, userns_mode, cgroupns_mode];
    give(modes.into_iter().any(elsewhere) || *network == NetworkMode::Host, Power::Namespaces);
    give(!cap_add.is_empty(), Power::Capabilities);
    give(
        !devices.is_empty() || !device_cgroup_rules.is_empty() || !device_requests.is_empty(),
        Power::Devices,
    );
    let of_host = |mount: &Mount| mount.kind == MountKind::Bind || mount.source.starts_with('/');
    give(mounts.iter().any(of_host), Power::Paths);
    let loose = cgroup_parent.is_some()
        || runtime.is_some()
        || !security_options.is_empty()
        || !sysctls.is_empty()
        || !storage_options.is_empty();
    give(loose || resources.oom_score_adj.is_some_and(|adjust| adjust < 0), Power::Confinement);
    powers
}

#[cfg(test)]
mod tests;
