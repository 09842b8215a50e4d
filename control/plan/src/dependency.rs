//! Whether what a service waits for has come.

use std::sync::Arc;

use control_model::{Container, Dependency, DependencyCondition, Row, RunReport, Service, Tables};

use crate::removal::{has_completed, has_failed, is_current, is_ready};
use crate::sealed::missing_secret;

/// How far a dependency is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is met.
    Met,
    /// It will be, if all goes well; the text says what is missing.
    Waits(String),
    /// It will not be without a person's help; the text says why.
    Failed(String),
}

/// Says whether a service may start: the first of its dependencies that is not met, a failed one before a slow one.
pub fn dependency_progress(tables: &Tables, service: &Row<Service>) -> Progress {
    let intent = &service.intent;
    if let Some(name) = missing_secret(tables, intent.project, &intent.launch.secrets) {
        return Progress::Failed(format!("the secret {name}, which it uses, does not exist any more"));
    }
    let mut waits = None;
    for dependency in &service.intent.depends_on {
        match one(tables, service, dependency) {
            Progress::Met => {}
            Progress::Waits(text) => waits = waits.or(Some(text)),
            Progress::Failed(_) if dependency.optional => {}
            Progress::Failed(text) => return Progress::Failed(text),
        }
    }
    waits.map_or(Progress::Met, Progress::Waits)
}

fn one(tables: &Tables, service: &Row<Service>, dependency: &Dependency) -> Progress {
    let name = &dependency.service;
    let stack = service.intent.stack;
    let unique = stack.map(|stack| format!("{}/{}", stack.raw(), name.to_lowercase()));
    let found = unique.and_then(|unique| tables.services.by_unique(&unique)).filter(|row| !row.is_going());
    let Some(other) = found else {
        return Progress::Failed(format!("service {name}, which it depends on, does not exist"));
    };
    if other.id == service.id {
        return Progress::Met;
    }
    if !other.intent.active {
        let text = format!("service {name}, which it depends on, is not active");
        return if dependency.optional { Progress::Failed(text) } else { Progress::Waits(text) };
    }
    let copies: Vec<&Arc<Row<Container>>> = tables
        .containers
        .of_service(other.id)
        .filter(|row| !row.is_going() && row.decision.retire_since.is_none())
        .collect();
    let scale = if other.intent.launch.global() { 1 } else { other.intent.scale };
    if scale == 0 {
        return Progress::Met;
    }
    let enough = copies.len() >= usize::try_from(scale).unwrap_or(usize::MAX);
    let (done, what) = match dependency.condition {
        DependencyCondition::Started => (copies.iter().all(|row| has_started(row)), "has not started yet"),
        DependencyCondition::Healthy => {
            (copies.iter().all(|row| is_ready(tables, row)), "is not healthy yet")
        }
        DependencyCondition::CompletedSuccessfully => {
            (copies.iter().all(|row| has_completed(tables, row)), "has not completed yet")
        }
    };
    if enough && done {
        return Progress::Met;
    }
    let failed = copies.iter().find(|row| has_failed(tables, row));
    match (failed, dependency.condition) {
        // It did start: that it has ended badly since is its own trouble.
        (None, _) | (Some(_), DependencyCondition::Started) => {
            Progress::Waits(format!("waits for service {name}, which {what}"))
        }
        (Some(row), DependencyCondition::Healthy | DependencyCondition::CompletedSuccessfully) => {
            let code = row.observation.exit_code.unwrap_or(-1);
            Progress::Failed(format!("{} of service {name} ended with exit code {code}", row.intent.name))
        }
    }
}

fn has_started(row: &Row<Container>) -> bool {
    is_current(row)
        && match row.observation.rank {
            RunReport::Running | RunReport::Stopping => true,
            RunReport::Assigned | RunReport::Preparing => row.observation.starts > 1,
            RunReport::Starting | RunReport::Stopped | RunReport::Gone => {
                row.observation.started_at.is_some()
            }
        }
}

#[cfg(test)]
mod tests;
