//! Figures that plans go by, each a stored setting with a default.

use contract_values::{Duration, ProjectId};
use control_model::Tables;

/// Figures that plans go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a host may be away before its containers run elsewhere; an environment may say otherwise.
    pub host_grace: Duration,
    /// Hosts that vanish within this span count as vanishing together.
    pub mass_loss_window: Duration,
    /// For how long hosts that vanished together are not given up: more likely the server's own network broke.
    pub mass_loss_hold: Duration,
    /// The part of an environment's hosts, in percent, above which vanishing together counts as mass loss.
    pub mass_loss_percent: u32,
    /// How long a connected host may take, on top of the stop's own time, before a removal no longer waits for it.
    pub removal_slack: Duration,
    /// The first and last public port for ports without one.
    pub port_range: (u16, u16),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host_grace: Duration::seconds(60),
            mass_loss_window: Duration::seconds(60),
            mass_loss_hold: Duration::seconds(900),
            mass_loss_percent: 30,
            removal_slack: Duration::seconds(60),
            port_range: (49_153, 65_535),
        }
    }
}

impl Settings {
    /// The stored settings over these; what cannot be read as a number of the right size is left as it is.
    #[must_use]
    pub fn stored(mut self, tables: &Tables) -> Self {
        let text = |name: &str| tables.settings.by_unique(name).map(|row| row.intent.value.trim());
        let seconds = |name: &str, default: Duration| {
            text(name)
                .and_then(|value| value.parse::<u32>().ok())
                .map_or(default, |value| Duration::seconds(i64::from(value)))
        };
        self.host_grace = seconds("host.grace.seconds", self.host_grace);
        self.mass_loss_hold = seconds("host.mass.loss.hold.seconds", self.mass_loss_hold);
        self.removal_slack = seconds("container.removal.slack.seconds", self.removal_slack);
        if let Some((first, last)) = text("environment.services.port.range").and_then(parse_range) {
            self.port_range = (first, last);
        }
        self
    }

    pub(crate) fn grace_of(&self, tables: &Tables, project: Option<ProjectId>) -> Duration {
        project
            .and_then(|id| tables.projects.get(id))
            .and_then(|row| row.intent.host_grace_seconds)
            .map_or(self.host_grace, |seconds| Duration::seconds(i64::from(seconds)))
    }
}

fn parse_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once(['-', ':', '–'])?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (0 < first && first <= last).then_some((first, last))
}
