//! Faults on purpose, by which the simulation shows that its checks see faults.
//!
//! The plan is the one that ships; it only gets to see a picture that is wrong in one way.

use std::sync::Arc;

use contract_values::{ServiceId, Timestamp};
use control_controllers::Planner;
use control_model::{Container, Origin, Row, RunReport, Service, Stored, Tables};
use control_plan::{Demand, Plan, Settings, Supply};

/// A fault in the decisions on services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// Containers of lost hosts are not made anew.
    ForgetsLostHosts,
    /// An upgrade stops the old copy at once.
    StopsBeforeTheSuccessorRuns,
    /// What is above the scale stays.
    NeverScalesDown,
    /// Ports that are taken are given again.
    OverlooksPorts,
    /// What waits for a dependency waits for ever.
    NeverLetsGo,
}

impl Planner for Planted {
    fn service(
        &self,
        tables: &Tables,
        settings: &Settings,
        now: Timestamp,
        id: ServiceId,
        supply: &mut Supply,
    ) -> Result<Plan, Demand> {
        let mut wrong = tables.clone();
        if let Some(service) = tables.services.get(id) {
            self.distort(tables, service, &mut wrong);
        }
        control_plan::plan_service(&wrong, settings, now, id, supply)
    }
}

impl Planted {
    fn distort(self, tables: &Tables, service: &Row<Service>, wrong: &mut Tables) {
        match self {
            Self::ForgetsLostHosts => {
                for host in tables.hosts.iter().filter(|host| host.decision.lost_since.is_some()) {
                    put(wrong, host, |row| row.decision.lost_since = None);
                }
            }
            Self::StopsBeforeTheSuccessorRuns => {
                for row in tables.containers.of_service(service.id) {
                    let Origin::Service { launch_version, .. } = row.intent.origin else { continue };
                    if launch_version != service.intent.launch_version {
                        put(wrong, row, |row| row.observation.rank = RunReport::Starting);
                    }
                }
            }
            Self::NeverScalesDown => {
                let staying = |row: &Row<Container>| !row.is_going() && row.decision.retire_since.is_none();
                let count = tables.containers.of_service(service.id).filter(|row| staying(row)).count();
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                put(wrong, service, |row| row.intent.scale = row.intent.scale.max(count));
            }
            Self::OverlooksPorts => {
                for row in tables.containers.iter().filter(|row| row.keys().service != Some(service.id)) {
                    put(wrong, row, |row| {
                        row.intent.launch.ports.clear();
                        row.decision.ports.clear();
                        row.observation.ports.clear();
                    });
                }
            }
            Self::NeverLetsGo => {
                for row in tables.containers.iter().filter(|row| row.keys().service != Some(service.id)) {
                    put(wrong, row, |row| {
                        row.observation.rank = RunReport::Assigned;
                        row.observation.starts = 0;
                    });
                }
            }
        }
    }
}

fn put<O: Stored>(tables: &mut Tables, row: &Row<O>, change: impl FnOnce(&mut Row<O>)) {
    let mut row = row.clone();
    change(&mut row);
    tables.put(O::wrap(Arc::new(row)));
}
