//! Sessions and tokens that end by themselves.

use contract_values::{CredentialId, Timestamp};
use control_model::{Kind, Tables};
use control_plan::{Demand, Plan, Settings, Supply};
use control_store::Change;

use crate::field::Field;
use crate::queue::Wakes;
use crate::{Controller, Planner};

pub(crate) struct CredentialController;

impl Controller for CredentialController {
    const NAME: &'static str = "credential";
    const WRITES: &'static [Field] = &[Field::CredentialRemoval];
    type Key = CredentialId;

    fn keys(tables: &Tables) -> Vec<CredentialId> {
        tables.credentials.live().filter(|row| row.intent.expires.is_some()).map(|row| row.id).collect()
    }

    fn wakes(_: &Tables, after: &Tables, change: &Change, wake: &mut Wakes<CredentialId>) {
        if change.kind != Kind::Credential {
            return;
        }
        let row = after.credentials.get_raw(change.id);
        if let Some(row) = row.filter(|row| row.removed.is_none() && row.intent.expires.is_some()) {
            wake.key(row.id);
        }
    }

    fn plan(
        planner: &dyn Planner,
        tables: &Tables,
        _: &Settings,
        now: Timestamp,
        key: CredentialId,
        _: &mut Supply,
    ) -> Result<Plan, Demand> {
        Ok(planner.credential(tables, now, key))
    }
}
