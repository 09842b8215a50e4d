//! Hosts: what people may change, and how an agent registers one.

use contract_values::{CredentialId, HostId, Labels, ProjectId};
use control_model::state::credential_usable;
use control_model::{AgentLink, Credential, CredentialIntent, CredentialKind, Host, HostIntent, Row, Tables};

use crate::app::{AppError, Cx, ErrorCode};
use crate::auth::secret::{hash_key, new_public_value, new_secret_value};

fn live_host(tables: &Tables, id: HostId) -> Result<&Row<Host>, AppError> {
    tables.hosts.get(id).filter(|host| !host.is_going()).map(|host| &**host).ok_or_else(AppError::not_found)
}

/// What may be changed of a host.
#[derive(Clone, Debug, Default)]
pub struct HostUpdate {
    /// A new name, or none.
    pub name: Option<Option<String>>,
    /// A new note, or none.
    pub description: Option<Option<String>>,
    /// New labels in place of the old.
    pub labels: Option<Labels>,
}

/// Changes a host.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn update_host(cx: &Cx, id: HostId, update: HostUpdate) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let host = live_host(tables, id)?;
        let mut intent = host.intent.clone();
        if let Some(name) = &update.name {
            intent.name.clone_from(name);
        }
        if let Some(description) = &update.description {
            intent.description.clone_from(description);
        }
        if let Some(labels) = &update.labels {
            intent.labels.clone_from(labels);
        }
        if intent != host.intent {
            transaction.set_intent(host, intent);
        }
        Ok(())
    })
    .await
}

/// Lets a host take new work, or not.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn set_active(cx: &Cx, id: HostId, active: bool) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let host = live_host(tables, id)?;
        let intent = HostIntent {
            inactive: !active,
            evacuate: host.intent.evacuate && !active,
            ..host.intent.clone()
        };
        if intent != host.intent {
            transaction.set_intent(host, intent);
        }
        Ok(())
    })
    .await
}

/// Empties a host: it takes no new work, and what services run on it is made elsewhere, one after the other, before it
/// ends here. Containers of their own and those whose data is on this host stay.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone.
pub async fn evacuate(cx: &Cx, id: HostId) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let host = live_host(tables, id)?;
        if !host.intent.evacuate || !host.intent.inactive {
            transaction
                .set_intent(host, HostIntent { inactive: true, evacuate: true, ..host.intent.clone() });
        }
        Ok(())
    })
    .await
}

/// Asks for the removal of a host. Its agent's keys end at once.
///
/// # Errors
/// [`ErrorCode::NotFound`] when it is gone already.
pub async fn remove_host(cx: &Cx, id: HostId) -> Result<(), AppError> {
    cx.commit(|tables, transaction| {
        let host =
            tables.hosts.get(id).filter(|host| host.removed.is_none()).ok_or_else(AppError::not_found)?;
        if host.removal_asked.is_none() {
            transaction.ask_removal(&**host);
        }
        Ok(())
    })
    .await
}

/// What an agent says at its registration.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// The identity that the agent made for its host.
    pub uuid: String,
    /// The host's own name.
    pub hostname: String,
    /// Labels given to the agent.
    pub labels: Labels,
    /// The address that others shall use for the host.
    pub address: Option<std::net::IpAddr>,
}

/// What an agent gets at its registration.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Its host.
    pub host: HostId,
    /// Its keys.
    pub access_key: String,
    /// The secret half, shown this once.
    pub secret_key: contract_values::Secret,
}

/// Registers a host for its agent, or gives new keys to one that registers again.
///
/// Two agents with one identity (a cloned disk) would take each other's containers away. So while the agent of a
/// host is connected, another one that comes with the same identity is refused.
///
/// # Errors
/// [`ErrorCode::IdentityInUse`] for a second live agent; [`ErrorCode::InvalidFormat`] for a body that makes no sense.
pub async fn register_host(cx: &Cx, project: ProjectId, input: Registration) -> Result<Registered, AppError> {
    let plausible = (8..=64).contains(&input.uuid.len())
        && input.uuid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !plausible {
        return Err(AppError::field(
            ErrorCode::InvalidFormat,
            "uuid",
            "`uuid` is the identity of the agent: 8 to 64 letters, digits and `-`",
        ));
    }
    if input.hostname.is_empty() || input.hostname.len() > 255 {
        return Err(AppError::field(
            ErrorCode::InvalidFormat,
            "hostname",
            "`hostname` is the host's own name: 1 to 255 characters",
        ));
    }
    let fresh_host = cx.new_id::<Host>().await?;
    let credential = cx.new_id::<Credential>().await?;
    let (host_uuid, credential_uuid) = (cx.new_uuid(), cx.new_uuid());
    let access_key = new_public_value(&cx.shared.random);
    let secret_key = new_secret_value(&cx.shared.random);
    let host = cx
        .commit(|tables, transaction| {
            let known = tables.hosts.by_unique(&input.uuid);
            let host = match known {
                Some(known) if known.intent.project != Some(project) => {
                    return Err(AppError::new(
                        ErrorCode::IdentityInUse,
                        "this host is registered in another project; remove it there first, or remove the \
                         agent's state folder on the host to give it a new identity",
                    ));
                }
                Some(known) if known.removal_asked.is_some() => {
                    return Err(AppError::new(
                        ErrorCode::IdentityInUse,
                        "this host is being removed; try again when it is gone, or remove the agent's state \
                         folder on the host to give it a new identity",
                    ));
                }
                Some(known) if known.observation.link == AgentLink::Connected => {
                    return Err(AppError::new(
                        ErrorCode::IdentityInUse,
                        format!(
                            "two agents with one identity: the agent of host `{}` is connected; if this machine \
                             is a copy of that one, remove the agent's state folder here and register again",
                            known.intent.name.as_deref().unwrap_or(&known.intent.hostname)
                        ),
                    ));
                }
                Some(known) => {
                    let mut intent = known.intent.clone();
                    intent.hostname.clone_from(&input.hostname);
                    intent.labels.extend(input.labels.clone());
                    intent.address = input.address.or(intent.address);
                    if intent != known.intent {
                        transaction.set_intent(&**known, intent);
                    }
                    for old in tables.credentials.of_host(known.id).filter(|old| old.removed.is_none()) {
                        transaction.finish_removal(&**old);
                    }
                    known.id
                }
                None => {
                    let intent = HostIntent {
                        project: Some(project),
                        hostname: input.hostname.clone(),
                        agent_uuid: input.uuid.clone(),
                        labels: input.labels.clone(),
                        address: input.address,
                        ..HostIntent::default()
                    };
                    transaction.insert::<Host>(fresh_host, host_uuid.clone(), intent);
                    fresh_host
                }
            };
            let intent = agent_key(project, host, &access_key, &secret_key);
            transaction.insert::<Credential>(credential, credential_uuid.clone(), intent);
            Ok(host)
        })
        .await?;
    Ok(Registered { host, access_key, secret_key: contract_values::Secret::new(secret_key) })
}

fn agent_key(project: ProjectId, host: HostId, public: &str, secret: &str) -> CredentialIntent {
    CredentialIntent {
        kind: CredentialKind::AgentKey,
        project: Some(project),
        host: Some(host),
        public_value: public.to_owned(),
        secret_hash: hash_key(secret),
        ..CredentialIntent::default()
    }
}

/// The registration token that a project hands out, if it has one that works.
pub fn registration_token(cx: &Cx, project: ProjectId) -> Option<CredentialId> {
    cx.tables
        .credentials
        .of_project(project)
        .find(|credential| {
            !credential.is_going()
                && credential_usable(&credential.intent, cx.now)
                && credential.intent.kind == CredentialKind::RegistrationToken
        })
        .map(|credential| credential.id)
}
