//! Credentials that end by themselves.

use contract_values::{CredentialId, Duration, Timestamp};
use control_model::{CredentialKind, Tables};

use crate::supply::Plan;

/// How long a registration token is kept after its end, so that who still uses it is told what happened.
const TOLD_FOR: Duration = Duration::seconds(7 * 86_400);

/// Decides on a credential: one that has ended goes, and leaves nothing that could pile up.
pub fn plan_credential(tables: &Tables, now: Timestamp, id: CredentialId) -> Plan {
    let mut plan = Plan::new(now);
    let Some(row) = tables.credentials.get(id).filter(|row| row.removed.is_none()) else { return plan };
    let Some(expires) = row.intent.expires else { return plan };
    let goes = match row.intent.kind {
        CredentialKind::RegistrationToken => expires + TOLD_FOR,
        CredentialKind::ApiKey
        | CredentialKind::AgentKey
        | CredentialKind::Password
        | CredentialKind::Session
        | CredentialKind::RegistryLogin => expires,
    };
    if goes <= now {
        plan.tx.finish_removal(&**row);
    } else {
        plan.wake_at(goes);
    }
    plan
}

#[cfg(test)]
mod tests;
