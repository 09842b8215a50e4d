//! What hosts get to see of what is sealed: the secrets and logins of the containers that they run, and no others.

use contract_protocol::{FileSpec, RegistryLogin};
use contract_values::{CredentialId, ImageRef, ProjectId, RegistryId, Secret};
use control_model::{Container, Credential, CredentialKind, FileMount, Registry, Row, SecretMount, Tables};

use crate::vault::{Vault, credential_place, secret_place};

/// The registry of images that name none.
const DEFAULT_REGISTRY: &str = "index.docker.io";
/// Where secrets are.
const SECRETS: &str = "/run/secrets/";

/// The files of a container: its secrets, opened, and its configs. A secret that is gone is left out; a container that
/// was made with it keeps its copy.
pub(crate) fn files(tables: &Tables, vault: &Vault, row: &Row<Container>) -> Vec<FileSpec> {
    let launch = &row.intent.launch;
    let secrets = launch.secrets.iter().filter_map(|mount| {
        let SecretMount { secret, name, target, uid, gid, mode } = mount;
        let found = tables.secrets.get((*secret)?)?;
        if found.removed.is_some() || found.intent.project != row.intent.project {
            return None;
        }
        let content = vault.open(&secret_place(&found.uuid), &found.intent.sealed).ok()?;
        let file = if target.is_empty() { name } else { target };
        let path = if file.starts_with('/') { file.clone() } else { format!("{SECRETS}{file}") };
        Some(FileSpec { path, content, uid: *uid, gid: *gid, mode: *mode })
    });
    let configs = launch.files.iter().map(|mount| {
        let FileMount { config: _, target, content, uid, gid, mode } = mount;
        FileSpec {
            path: target.clone(),
            content: Secret::new(content.clone()),
            uid: *uid,
            gid: *gid,
            mode: *mode,
        }
    });
    // One file has one content: the last that names it, as with mounts.
    let mut files: Vec<FileSpec> = Vec::new();
    for file in secrets.chain(configs) {
        match files.iter_mut().find(|known| known.path == file.path) {
            Some(known) => *known = file,
            None => files.push(file),
        }
    }
    files
}

/// The first secret of a launch configuration that is not there any more.
pub(crate) fn missing_secret<'a>(
    tables: &Tables,
    project: Option<ProjectId>,
    secrets: &'a [SecretMount],
) -> Option<&'a str> {
    let there = |mount: &SecretMount| {
        let row = mount.secret.and_then(|id| tables.secrets.get(id));
        row.is_some_and(|row| !row.is_going() && row.intent.project == project)
    };
    secrets.iter().find(|mount| !there(mount)).map(|mount| mount.name.as_str())
}

/// What opens the registry of a container's image: the credential that the container names, or else the newest that
/// works of the environment's registry with that address.
pub(crate) fn registry_login(tables: &Tables, vault: &Vault, row: &Row<Container>) -> Option<RegistryLogin> {
    let project = row.intent.project?;
    let server = registry_of(row.intent.launch.image.as_ref()?);
    let usable = |credential: &Row<Credential>, registry: RegistryId| {
        credential.intent.kind == CredentialKind::RegistryLogin
            && credential.intent.registry == Some(registry)
            && !credential.is_going()
            && !credential.intent.inactive
            && credential.intent.sealed.is_some()
    };
    let registry: &Row<Registry> = tables.registries.by_unique(&format!("{}/{server}", project.raw()))?;
    if registry.is_going() || registry.intent.inactive {
        return None;
    }
    let named = row.intent.launch.kept.get("registryCredentialId").and_then(|id| credential_id(id.as_str()?));
    let all = || tables.credentials.of_project(project).filter(|row| usable(row, registry.id));
    let credential =
        named.and_then(|id| all().find(|row| row.id == id)).or_else(|| all().max_by_key(|row| row.id))?;
    let sealed = credential.intent.sealed.as_ref()?;
    let password = vault.open(&credential_place(&credential.uuid), sealed).ok()?;
    Some(RegistryLogin {
        server: registry.intent.server.clone(),
        username: credential.intent.public_value.clone(),
        password,
    })
}

/// The number in `1c7`.
fn credential_id(text: &str) -> Option<CredentialId> {
    text.strip_prefix("1c")?.parse().ok().map(CredentialId::new)
}

/// The address of an image's registry, as registries are stored.
fn registry_of(image: &ImageRef) -> String {
    let first = image.repository.split_once('/').map(|(first, _)| first);
    match first.filter(|first| first.contains(['.', ':']) || *first == "localhost") {
        None | Some("docker.io" | "registry-1.docker.io") => DEFAULT_REGISTRY.to_owned(),
        Some(registry) => registry.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests;
