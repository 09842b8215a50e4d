//! Places containers one after the other, with all that goes with it: chosen ports, new volumes, and the rows that
//! must still be as they were.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract_values::{ContainerId, HostId, Id, PortMapping, ProjectId};
use control_model::{Container, ContainerDecision, ContainerIntent, Host, ReasonCode, Row, Tables, Volume};

use super::set_reason;
use crate::placement::{Fleet, Wish, misfit_text, new_volumes};
use crate::ports::choose_ports;
use crate::settings::Settings;
use crate::storage::volume_intent;
use crate::supply::{Plan, Supply};

/// Whether a container found a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    Yes,
    No,
}

pub(crate) struct Placer<'a> {
    tables: &'a Tables,
    settings: &'a Settings,
    project: Option<ProjectId>,
    /// Read when it is first needed: most plans place nothing.
    fleet: Option<Fleet>,
    used: BTreeMap<i64, &'a Arc<Row<Host>>>,
    made: BTreeMap<(Option<ProjectId>, String), HostId>,
    made_on: BTreeSet<(String, HostId)>,
}

impl<'a> Placer<'a> {
    pub const fn new(tables: &'a Tables, settings: &'a Settings, project: Option<ProjectId>) -> Self {
        Self {
            tables,
            settings,
            project,
            fleet: None,
            used: BTreeMap::new(),
            made: BTreeMap::new(),
            made_on: BTreeSet::new(),
        }
    }

    pub fn fleet(&mut self) -> Option<&mut Fleet> {
        let project = self.project?;
        Some(self.fleet.get_or_insert_with(|| Fleet::read(self.tables, project)))
    }

    /// Whether a container would find a place if these made way.
    pub fn fits_without(&mut self, id: ContainerId, intent: &ContainerIntent, others: &[i64]) -> bool {
        let mut wish = Wish::of(self.tables, intent, &[]).ignoring(others.iter().map(|raw| Id::new(*raw)));
        wish = wish.ignoring([id]);
        wish.pin(&self.made, self.project);
        self.fleet().is_some_and(|fleet| fleet.fits(&wish))
    }

    /// Takes the room of a container that rested on its host again; says whether it is still to be had.
    pub fn take_back(&mut self, plan: &mut Plan, row: &Row<Container>, ports: &[PortMapping]) -> bool {
        let wish = Wish::of(self.tables, &row.intent, ports);
        let Some(host) = row.decision.host.filter(|_| wish.wants_room()) else { return true };
        let Some(fleet) = self.fleet() else { return true };
        let fits = fleet.take_back(host, row.id, &row.intent.name, &wish);
        plan.places |= fits;
        fits
    }

    /// Chooses public ports where none were asked for; also before there is a place, so that an upgrade keeps them.
    pub fn choose_ports(
        &self,
        intent: &ContainerIntent,
        siblings: &[PortMapping],
        decision: &mut ContainerDecision,
    ) {
        if decision.ports.is_empty() {
            decision.ports = choose_ports(self.tables, self.settings, intent, siblings);
        }
    }

    /// Places a container, or says in its decision why it has no place.
    pub fn place(
        &mut self,
        plan: &mut Plan,
        supply: &mut Supply,
        id: ContainerId,
        intent: &ContainerIntent,
        siblings: &[PortMapping],
        decision: &mut ContainerDecision,
    ) -> Placed {
        self.choose_ports(intent, siblings, decision);
        let mut wish = Wish::of(self.tables, intent, &decision.ports);
        wish.pin(&self.made, self.project);
        let Some(fleet) = self.fleet() else {
            return Placed::No;
        };
        match fleet.place(id, &intent.name, &wish) {
            Ok(host) => {
                decision.host = Some(host);
                decision.placed_at = Some(plan.tx.now);
                decision.incarnation.0 = decision.incarnation.0.max(1);
                if !decision.held {
                    decision.reason = None;
                }
                if let Some(row) = self.tables.hosts.get(host) {
                    self.used.insert(host.raw(), row);
                }
                self.make_volumes(plan, supply, intent, &wish, host);
                plan.places = true;
                Placed::Yes
            }
            Err(misfits) => {
                let code = if misfits.is_empty() { ReasonCode::NoHosts } else { ReasonCode::NoHostFits };
                let text = if misfits.is_empty() {
                    "the environment has no host".to_owned()
                } else {
                    misfit_text(&misfits)
                };
                set_reason(&mut decision.reason, plan.tx.now, code, text, false);
                plan.waits_for_room = true;
                Placed::No
            }
        }
    }

    fn make_volumes(
        &mut self,
        plan: &mut Plan,
        supply: &mut Supply,
        intent: &ContainerIntent,
        wish: &Wish,
        host: HostId,
    ) {
        for volume in new_volumes(wish, self.tables, intent, host) {
            if !self.made_on.insert((volume.name.clone(), host)) {
                continue;
            }
            self.made.insert((intent.project, volume.name.clone()), host);
            let (id, uuid) = supply.volume();
            plan.tx.insert::<Volume>(id, uuid, volume_intent(intent, host, volume));
        }
    }

    /// Demands that the hosts that were chosen are still as they were.
    pub fn conclude(self, plan: &mut Plan) {
        for row in self.used.into_values() {
            plan.tx.require(row);
        }
    }
}
