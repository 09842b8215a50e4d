//! Named volumes: what they are called on the host, and which host holds them.

use contract_values::{HostId, Labels};
use control_model::{ContainerIntent, Mount, MountKind, Origin, Tables, VolumeIntent};

/// A named volume that a container mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedVolume {
    /// Its name on the host.
    pub name: String,
    /// Its name in the stack's files, if they define it.
    pub template: Option<String>,
    /// The engine's driver.
    pub driver: String,
    /// Its options.
    pub options: std::collections::BTreeMap<String, String>,
    /// Its labels.
    pub labels: Labels,
    /// Whether it is there by itself.
    pub external: bool,
}

impl NamedVolume {
    /// Whether its data is on one host only.
    pub fn is_local(&self) -> bool {
        self.driver == "local"
    }
}

/// The name on the host of what a mount calls `mount.source`; `None` for what is no named volume.
pub(crate) fn volume_of(tables: &Tables, intent: &ContainerIntent, mount: &Mount) -> Option<NamedVolume> {
    if mount.kind != MountKind::Volume || mount.source.is_empty() {
        return None;
    }
    let source = &mount.source;
    let default_driver = || intent.launch.volume_driver.clone().unwrap_or_else(|| "local".to_owned());
    let stack = intent.stack.and_then(|id| tables.stacks.get(id));
    let defined = stack.and_then(|stack| Some((stack, stack.intent.volumes.get(source)?)));
    // One that was made by itself says how.
    let by_itself = || {
        let mut rows = tables.volumes.named(source).filter(|row| !row.is_going());
        rows.find(|row| row.intent.project == intent.project && row.intent.template.is_none())
    };
    let Some((stack, template)) = defined else {
        let made = by_itself().map(|row| &row.intent);
        return Some(NamedVolume {
            name: source.clone(),
            template: None,
            driver: made.map_or_else(default_driver, |made| made.driver.clone()),
            options: made.map(|made| made.driver_options.clone()).unwrap_or_default(),
            labels: made.map(|made| made.labels.clone()).unwrap_or_default(),
            external: false,
        });
    };
    let index = match intent.origin {
        Origin::Service { index, .. } if template.per_container => Some(index),
        Origin::Service { .. } | Origin::Standalone | Origin::Native { .. } => None,
    };
    // The row remembers the name from the day on which the volume was made, whatever the stack is called now.
    let made = || {
        let rows = tables.volumes.of_stack(stack.id);
        let mut rows = rows.filter(|row| !row.is_going() && row.intent.template.as_ref() == Some(source));
        rows.next().map(|row| row.intent.name.clone())
    };
    let name = match (&template.name, index) {
        (Some(name), None) => name.clone(),
        (Some(name), Some(index)) => format!("{name}_{index}"),
        (None, _) if template.external => source.clone(),
        (None, Some(index)) => format!("{}_{source}_{index}", stack.intent.name),
        (None, None) => made().unwrap_or_else(|| format!("{}_{source}", stack.intent.name)),
    };
    Some(NamedVolume {
        name,
        template: Some(source.clone()),
        driver: template.driver.clone().filter(|driver| !driver.is_empty()).unwrap_or_else(default_driver),
        options: template.driver_options.clone(),
        labels: template.labels.clone(),
        external: template.external,
    })
}

/// The named volumes of a container, each once.
pub(crate) fn volumes_of(tables: &Tables, intent: &ContainerIntent) -> Vec<NamedVolume> {
    let mut volumes: Vec<NamedVolume> = Vec::new();
    for volume in intent.launch.mounts.iter().filter_map(|mount| volume_of(tables, intent, mount)) {
        if !volumes.iter().any(|known| known.name == volume.name) {
            volumes.push(volume);
        }
    }
    volumes
}

/// The hosts that hold a volume of this name in the container's environment.
pub(crate) fn holders(tables: &Tables, intent: &ContainerIntent, volume: &NamedVolume) -> Vec<HostId> {
    tables
        .volumes
        .named(&volume.name)
        .filter(|row| !row.is_going() && row.intent.project == intent.project)
        .filter_map(|row| row.intent.host)
        .collect()
}

/// The row of a volume that is first used on a host.
pub(crate) fn volume_intent(intent: &ContainerIntent, host: HostId, volume: NamedVolume) -> VolumeIntent {
    let NamedVolume { name, template, driver, options, labels, external } = volume;
    VolumeIntent {
        project: intent.project,
        stack: intent.stack.filter(|_| template.is_some()),
        host: Some(host),
        name,
        template,
        description: None,
        driver,
        driver_options: options,
        external,
        labels,
    }
}
