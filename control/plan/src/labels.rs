//! Labels of the platform: those that users steer it by, and those that it writes on containers.

use contract_values::Labels;
use control_model::{Container, ContainerIntent, Origin, Row, Tables};

const HOSTNAME_OVERRIDE: &str = "io.rancher.container.hostname_override";
const PULL_IMAGE: &str = "io.rancher.container.pull_image";

/// Whether the user demands a fetch of the image before each creation.
pub(crate) fn always_pulls(labels: &Labels) -> bool {
    labels.get(PULL_IMAGE).is_some_and(|value| value.eq_ignore_ascii_case("always"))
}

/// The host name inside: as asked for, or the container's name where the label says so.
pub(crate) fn hostname(intent: &ContainerIntent) -> Option<String> {
    let by_name = intent.launch.labels.get(HOSTNAME_OVERRIDE).is_some_and(|v| v == "container_name");
    if by_name { Some(shortened(&intent.name)) } else { intent.launch.hostname.clone() }
}

/// Cuts a name to the 64 characters that a host name may have, so that the number at its end survives.
fn shortened(name: &str) -> String {
    const MOST: usize = 64;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    let tail = name.rfind('-').map_or("", |at| &name[at..]);
    let keep = MOST.saturating_sub(tail.chars().count());
    name.chars().take(keep).chain(tail.chars()).take(MOST).collect()
}

/// The name of a container in the engine, as the compatible platform gives it: two copies of one name, which an
/// upgrade has for a while, do not clash.
pub(crate) fn engine_name(name: &str, uuid: &str) -> String {
    let fits = name.len() > 1
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if fits {
        let short: String = uuid.chars().take(8).collect();
        format!("r-{name}-{short}")
    } else {
        format!("r-{uuid}")
    }
}

/// The labels of a container in the engine: the user's, and over them the platform's.
pub(crate) fn container_labels(tables: &Tables, row: &Row<Container>) -> Labels {
    let intent = &row.intent;
    let mut labels = intent.launch.labels.clone();
    let mut set = |key: &str, value: String| {
        labels.insert(key.to_owned(), value);
    };
    set("io.rancher.container.uuid", row.uuid.clone());
    set("io.rancher.container.name", intent.name.clone());
    if intent.system {
        set("io.rancher.container.system", "true".to_owned());
    }
    if let Some(project) = intent.project.and_then(|id| tables.projects.get(id)) {
        set("io.rancher.environment.uuid", project.uuid.clone());
    }
    if let Some(stack) = intent.stack.and_then(|id| tables.stacks.get(id)) {
        let name = &stack.intent.name;
        set("io.rancher.stack.name", name.clone());
        set("io.rancher.project.name", name.clone());
        if let Origin::Service { service, .. } = intent.origin
            && let Some(service) = tables.services.get(service)
        {
            let full = format!("{name}/{}", service.intent.name);
            set("io.rancher.stack_service.name", full.clone());
            set("io.rancher.project_service.name", full);
            set("io.rancher.service.deployment.unit", row.uuid.clone());
            set("io.rancher.service.launch.config", "io.rancher.service.primary.launch.config".to_owned());
            if let Some(host) = intent.requested_host {
                set("io.rancher.service.requested.host.id", host.raw().to_string());
            }
        }
    }
    labels
}

#[cfg(test)]
mod tests;
