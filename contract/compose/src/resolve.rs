//! What relates the parts of a stack: sidekicks, dependencies, links, shared volumes and networks.
//!
//! Names are checked here, when all services are known, so that a wrong one can be told from a missing file.

mod balancers;
mod contents;
mod cycles;
mod names;

use std::collections::{BTreeMap, BTreeSet};

use contract_api::launch::{
    Dependency, DependencyCondition, FileInput, RestartPolicy, ServiceInput, ServiceKind, StackPlan,
    VolumeInput,
};
use contract_values::check_stack_name;

use crate::document::{Dialect, Document};
use crate::error::{At, Path, shorten};
use crate::field::Field;
use crate::project::Context;
use crate::service::{self, Draft, START_ONCE, Standing};
use crate::support;
use crate::words;
use crate::yaml::Map;

/// Turns a merged document into a plan; faults go to the report.
pub(crate) fn resolve(cx: &mut Context<'_>, document: &Document) -> StackPlan {
    let root = Path::Root;
    let services = root.key("services");
    let services = if document.flat { root } else { services };
    let mut drafts: Vec<Draft> = Vec::new();
    for (name, entry) in document.services.iter().filter(|(name, _)| !name.starts_with("x-")) {
        let kind = document.kinds.get(name).copied();
        let standing = Standing { flat: document.flat, alone: false, kind };
        drafts.push(service::read(cx, name, entry.at, &entry.node, services.key(name), standing));
    }
    for (name, entry) in &document.containers {
        let standing = Standing { flat: false, alone: true, kind: None };
        drafts.push(service::read(
            cx,
            name,
            entry.at,
            &entry.node,
            root.key("containers").key(name),
            standing,
        ));
    }
    if drafts.is_empty() && !cx.report.has_errors() {
        let at = At { file: 0, line: 1, column: 1 };
        cx.report.error(
            at,
            root,
            "the files define no service",
            "write at least one service below `services:`",
        );
    }
    let volumes = volumes(cx, &document.volumes);
    check_volumes(cx, &drafts, &volumes, document.flat, services);
    check_networks(cx, &drafts, &document.networks, services);
    let secrets = contents::read(cx, contents::Sort::Secret, &document.secrets, &drafts, services);
    let configs = contents::read(cx, contents::Sort::Config, &document.configs, &drafts, services);
    name_secrets(&mut drafts, &secrets);
    let mut plan =
        StackPlan { name: stack_name(cx, document), volumes, secrets, configs, ..StackPlan::default() };
    let renamed = names::find(cx, &document.services, services);
    Relations::new(cx, drafts, services).finish(&mut plan);
    names::apply(&mut plan, &renamed);
    plan
}

/// Lets services name their secrets as the environment does.
fn name_secrets(drafts: &mut [Draft], secrets: &[FileInput]) {
    for config in drafts.iter_mut().map(|draft| &mut draft.input.launch_config) {
        let of_build = config.build.iter_mut().flat_map(|build| &mut build.options.secrets);
        for reference in config.secrets.iter_mut().chain(of_build) {
            let declared = secrets.iter().find(|input| Some(&input.name) == reference.secret.as_ref());
            if let Some(declared) = declared {
                reference.secret = Some(declared.environment_name().to_owned());
            }
        }
    }
}

fn stack_name(cx: &mut Context<'_>, document: &Document) -> Option<String> {
    let field = Field::new(document.name.as_ref()?, Path::Key(&Path::Root, "name"));
    let name = field.filled_text(&mut cx.report)?;
    match check_stack_name(&name) {
        Ok(()) => Some(name),
        Err(error) => {
            field.notice(&mut cx.report, format!("a stack cannot be called `{}`: {error}", shorten(&name)));
            None
        }
    }
}

fn volumes(cx: &mut Context<'_>, section: &Map) -> Vec<VolumeInput> {
    const KNOWN: &[&str] = &["driver", "driver_opts", "external", "name", "labels", "per_container"];
    let root = Path::Root;
    let path = root.key("volumes");
    let mut volumes = Vec::new();
    for (name, entry) in section.iter().filter(|(name, _)| !name.starts_with("x-")) {
        let mut volume = VolumeInput { name: name.clone(), ..VolumeInput::default() };
        let mut bytes = name.bytes();
        if !bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
            || !bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        {
            cx.report.error(
                entry.at,
                path.key(name),
                format!("a volume cannot be called `{}`", shorten(name)),
                "use letters, digits, `_`, `.` and `-`, with a letter or digit first",
            );
        }
        let field = Field::new(&entry.node, path.key(name));
        let settings: Vec<_> = field.entries(&mut cx.report).collect();
        for (key, at, value) in settings {
            let report = &mut cx.report;
            match key {
                _ if value.is_null() && KNOWN.contains(&key) => {}
                "driver" => volume.driver = value.optional_text(report),
                "driver_opts" => volume.driver_opts = value.text_map(report, false).into(),
                "labels" => volume.labels = value.text_map(report, false),
                "name" => volume.real_name = value.optional_text(report),
                "per_container" => volume.per_container = value.boolean(report) == Some(true),
                "external" if value.node.as_map().is_some() => {
                    volume.external = true;
                    let settings: Vec<_> = value.entries(report).collect();
                    for (key, at, setting) in settings {
                        match key {
                            "name" => volume.real_name = setting.filled_text(&mut cx.report),
                            _ => cx.report.error(
                                at,
                                setting.path,
                                format!("unknown key `{}`", shorten(key)),
                                words::did_you_mean(key, &["name"]),
                            ),
                        }
                    }
                }
                "external" => volume.external = value.boolean(report) == Some(true),
                _ => report.error(
                    at,
                    value.path,
                    format!("unknown key `{}`", shorten(key)),
                    words::did_you_mean(key, KNOWN),
                ),
            }
        }
        if volume.external && volume.per_container {
            cx.report.error(
                entry.at,
                path.key(name),
                "a volume that exists already cannot be one per container",
                "keep either `external` or `per_container`",
            );
        }
        volumes.push(volume);
    }
    volumes
}

/// A name that no section declares is a plain volume of the engine in old files, and a fault in today's.
fn check_volumes(
    cx: &mut Context<'_>,
    drafts: &[Draft],
    volumes: &[VolumeInput],
    flat: bool,
    services: Path<'_>,
) {
    if cx.dialect == Dialect::Old || flat {
        return;
    }
    let declared: BTreeSet<&str> = volumes.iter().map(|volume| volume.name.as_str()).collect();
    for draft in drafts.iter().filter(|draft| draft.enabled) {
        let path = services.key(&draft.input.name);
        for (name, at) in &draft.named_volumes {
            if declared.contains(name.as_str()) {
                continue;
            }
            let remedy = match cx.report.nearest(name, volumes.iter().map(|volume| volume.name.as_str())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    format!("add `{name}:` below `volumes:` at the top, or begin a path with `./` or `/`")
                }
            };
            cx.report.error(
                *at,
                path.key("volumes"),
                format!("the volume `{}` is not declared", shorten(name)),
                remedy,
            );
        }
    }
}

/// Keys of a network; none has an effect.
const NETWORK_KEYS: &[&str] = &[
    "attachable",
    "driver",
    "driver_opts",
    "enable_ipv4",
    "enable_ipv6",
    "external",
    "internal",
    "ipam",
    "labels",
    "name",
];

fn check_networks(cx: &mut Context<'_>, drafts: &[Draft], networks: &Map, services: Path<'_>) {
    let reason = format!("`networks` do not keep services apart: {}", support::NETWORKS);
    let root = Path::Root;
    let section = root.key("networks");
    for (name, entry) in networks.iter().filter(|(name, _)| !name.starts_with("x-")) {
        let field = Field::new(&entry.node, section.key(name));
        let settings: Vec<_> = field.entries(&mut cx.report).collect();
        for (key, at, setting) in settings.iter().filter(|(key, ..)| !NETWORK_KEYS.contains(key)) {
            service::unknown(key, *at, setting.path, NETWORK_KEYS, cx);
        }
        if name != "default" || !entry.node.is_null() {
            cx.report.notice_once("networks", entry.at, section.key(name), reason.as_str());
        }
    }
    for draft in drafts.iter().filter(|draft| draft.enabled) {
        let path = services.key(&draft.input.name);
        for (name, at) in &draft.networks {
            if name == "default" || networks.contains_key(name) {
                continue;
            }
            if cx.dialect == Dialect::Old {
                cx.report.notice_once("networks", *at, path.key("networks"), reason.as_str());
                continue;
            }
            let remedy = match cx.report.nearest(name, networks.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add `{name}:` below `networks:` at the top"),
            };
            let message = format!("the network `{}` is not declared", shorten(name));
            cx.report.error(*at, path.key("networks"), message, remedy);
        }
    }
}

struct Relations<'c, 'a, 'p> {
    cx: &'c mut Context<'a>,
    services: Path<'p>,
    drafts: Vec<Draft>,
    /// Where a name stands in `drafts`.
    index: BTreeMap<String, usize>,
    /// Services that exist and that no profile switches on.
    asleep: BTreeSet<String>,
    /// The primary of each sidekick.
    primary: BTreeMap<usize, usize>,
}

impl<'c, 'a, 'p> Relations<'c, 'a, 'p> {
    fn new(cx: &'c mut Context<'a>, drafts: Vec<Draft>, services: Path<'p>) -> Self {
        let mut names: BTreeMap<String, (String, At)> = BTreeMap::new();
        for draft in &drafts {
            let name = &draft.input.name;
            if let Some((other, _)) = names.insert(name.to_ascii_lowercase(), (name.clone(), draft.at)) {
                cx.report.error(
                    draft.at,
                    services.key(name),
                    format!("`{}` and `{}` differ in nothing but case", shorten(&other), shorten(name)),
                    "give one of the two another name",
                );
            }
        }
        let asleep =
            drafts.iter().filter(|draft| !draft.enabled).map(|draft| draft.input.name.clone()).collect();
        let drafts: Vec<_> = drafts.into_iter().filter(|draft| draft.enabled).collect();
        let index =
            drafts.iter().enumerate().map(|(index, draft)| (draft.input.name.clone(), index)).collect();
        Self { cx, services, drafts, index, asleep, primary: BTreeMap::new() }
    }

    fn finish(mut self, plan: &mut StackPlan) {
        self.find_sidekicks();
        self.check_dependencies();
        self.convert_balancers();
        self.check_links();
        self.check_shared();
        self.check_balancers();
        self.fold(plan);
    }

    fn error(&mut self, service: usize, key: &str, at: At, message: String, remedy: String) {
        let path = self.services.key(&self.drafts[service].input.name);
        self.cx.report.error(at, path.key(key), message, remedy);
    }

    fn notice(&mut self, service: usize, key: &str, at: At, message: String) {
        let path = self.services.key(&self.drafts[service].input.name);
        self.cx.report.notice(at, path.key(key), message);
    }

    /// The remedy for a name that no service has.
    fn remedy(&self, name: &str) -> String {
        if self.cx.report.is_full() {
            return String::new();
        }
        if self.asleep.contains(name) {
            return "switch on a profile that it belongs to, or take it out of its `profiles`".to_owned();
        }
        match self.cx.report.nearest(name, self.index.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "define it below `services:`, or remove the name here".to_owned(),
        }
    }

    fn missing(&self, name: &str) -> String {
        if self.asleep.contains(name) {
            format!("the service `{}` is switched off: none of its profiles is on", shorten(name))
        } else {
            format!("there is no service `{}`", shorten(name))
        }
    }

    fn unit_of(&self, service: usize) -> usize {
        self.primary.get(&service).copied().unwrap_or(service)
    }

    fn find_sidekicks(&mut self) {
        for primary in 0..self.drafts.len() {
            for (name, at) in self.drafts[primary].sidekicks.clone() {
                let Some(&sidekick) = self.index.get(&name) else {
                    let (message, remedy) = (self.missing(&name), self.remedy(&name));
                    self.error(primary, "labels", at, message, remedy);
                    continue;
                };
                if sidekick == primary {
                    let message = format!("`{}` is named as its own sidekick", shorten(&name));
                    self.error(primary, "labels", at, message, "remove it from the label".to_owned());
                } else if let Some(&other) = self.primary.get(&sidekick) {
                    if other != primary {
                        let other = &self.drafts[other].input.name;
                        let message =
                            format!("`{}` is a sidekick of `{}` already", shorten(&name), shorten(other));
                        let remedy =
                            "let each sidekick have one primary; copy it under another name".to_owned();
                        self.error(primary, "labels", at, message, remedy);
                    }
                } else {
                    self.primary.insert(sidekick, primary);
                }
            }
        }
        for (sidekick, primary) in self.primary.clone() {
            if self.primary.contains_key(&primary) {
                let at =
                    self.drafts[primary].sidekicks.first().map_or(self.drafts[primary].at, |(_, at)| *at);
                let (name, below) = (&self.drafts[primary].input.name, &self.drafts[sidekick].input.name);
                let message =
                    format!("`{}` has the sidekick `{}` and is one itself", shorten(name), shorten(below));
                self.error(primary, "labels", at, message, "name all sidekicks at one primary".to_owned());
            }
        }
    }

    fn check_dependencies(&mut self) {
        let mut graph: Vec<Vec<usize>> = vec![Vec::new(); self.drafts.len()];
        let mut ends: Vec<usize> = Vec::new();
        for (service, targets) in graph.iter_mut().enumerate() {
            let wanted = std::mem::take(&mut self.drafts[service].depends_on);
            let mut kept: Vec<(Dependency, At)> = Vec::new();
            for (dependency, at) in wanted {
                let name = dependency.service.clone();
                match self.index.get(&name).copied() {
                    Some(target) => {
                        if target == service {
                            let message = format!("`{}` depends on itself", shorten(&name));
                            self.error(service, "depends_on", at, message, "remove it".to_owned());
                            continue;
                        }
                        targets.push(target);
                        match dependency.condition {
                            DependencyCondition::Started => {}
                            DependencyCondition::CompletedSuccessfully => ends.push(target),
                            DependencyCondition::Healthy => {
                                let config = &self.drafts[target].input.launch_config;
                                if config.health_cmd.is_empty() && config.health_check.is_none() {
                                    let message = format!(
                                        "`{}` has no `healthcheck`: unless its image brings one, this waits for ever",
                                        shorten(&name)
                                    );
                                    self.notice(service, "depends_on", at, message);
                                }
                            }
                        }
                        kept.push((dependency, at));
                    }
                    None if dependency.optional => {
                        let message =
                            format!("{}; the dependency is optional and has no effect", self.missing(&name));
                        self.notice(service, "depends_on", at, message);
                    }
                    None => {
                        let (message, remedy) = (self.missing(&name), self.remedy(&name));
                        self.error(service, "depends_on", at, message, remedy);
                    }
                }
            }
            self.drafts[service].depends_on = kept;
        }
        // Between the members of one unit the order is the platform's own, so cycles are sought between units.
        let mut units: Vec<Vec<usize>> = vec![Vec::new(); self.drafts.len()];
        for (service, targets) in graph.iter().enumerate() {
            let unit = self.unit_of(service);
            units[unit]
                .extend(targets.iter().map(|target| self.unit_of(*target)).filter(|target| *target != unit));
        }
        for cycle in cycles::find(&graph).into_iter().chain(cycles::find(&units)) {
            const MOST: usize = 10;
            let name = |service: &usize| shorten(&self.drafts[*service].input.name);
            let mut names: Vec<_> = cycle.iter().take(MOST).map(name).collect();
            if cycle.len() > MOST {
                names.push(format!("… ({} more)", cycle.len() - MOST));
            }
            names.push(name(&cycle[0]));
            let first = cycle[0];
            let at = self.drafts[first].depends_on.first().map_or(self.drafts[first].at, |(_, at)| *at);
            let message = format!("the services wait for each other in a circle: {}", names.join(" -> "));
            self.error(first, "depends_on", at, message, "remove one of these dependencies".to_owned());
        }
        for target in ends {
            // What another service waits to see end must not be started again when it has ended.
            let config = &mut self.drafts[target].input.launch_config;
            if config.restart_policy.as_ref().is_none_or(|policy| policy.name != "on-failure") {
                config.labels.entry(START_ONCE.to_owned()).or_insert_with(|| "true".to_owned());
                config.restart_policy =
                    Some(RestartPolicy { name: "no".to_owned(), maximum_retry_count: None });
            }
        }
    }

    /// Turns the links of balancers into rules.
    fn convert_balancers(&mut self) {
        for service in 0..self.drafts.len() {
            let draft = &mut self.drafts[service];
            let config = draft.input.lb_config.as_ref().and_then(serde_json::Value::as_object);
            let idle = draft.input.kind == ServiceKind::LoadBalancerService
                && config.is_some_and(balancers::has_rules);
            let link = draft.links.first().map(|(_, at)| *at).filter(|_| idle);
            balancers::convert(draft);
            if let Some(at) = link {
                let message = "`links` have no effect on a balancer with rules: they name its targets";
                self.notice(service, "links", at, message.to_owned());
            }
        }
    }

    fn check_links(&mut self) {
        for service in 0..self.drafts.len() {
            for (link, at) in std::mem::take(&mut self.drafts[service].links) {
                if self.index.contains_key(&link.service) {
                    if self.primary.contains_key(&service) {
                        let message =
                            "links of a sidekick have no effect: put them on its primary".to_owned();
                        self.notice(service, "links", at, message);
                    } else if !self.drafts[service].input.links.contains(&link) {
                        self.drafts[service].input.links.push(link);
                    }
                } else if self.cx.dialect == Dialect::Old {
                    let message = format!("{}; the link has no effect", self.missing(&link.service));
                    self.notice(service, "links", at, message);
                } else {
                    let (message, remedy) = (self.missing(&link.service), self.remedy(&link.service));
                    self.error(service, "links", at, message, remedy);
                }
            }
        }
    }

    /// Volumes and networks can be shared within a unit only, since another unit may be on another host.
    fn check_shared(&mut self) {
        for service in 0..self.drafts.len() {
            for (text, at) in std::mem::take(&mut self.drafts[service].volumes_from) {
                let (name, mode) = match text.strip_prefix("container:") {
                    Some(rest) => {
                        let container = rest.split(':').next().unwrap_or(rest).to_owned();
                        self.drafts[service].input.launch_config.data_volumes_from.push(container);
                        continue;
                    }
                    None => {
                        text.split_once(':').map_or((text.as_str(), None), |(name, mode)| (name, Some(mode)))
                    }
                };
                if let Some(name) = self.unit_member(service, "volumes_from", name, at) {
                    if mode.is_some_and(|mode| mode != "rw") {
                        let message =
                            "the mode has no effect: the volumes are mounted as in the other container";
                        self.notice(service, "volumes_from", at, message.to_owned());
                    }
                    let list = &mut self.drafts[service].input.launch_config.data_volumes_from_launch_configs;
                    if !list.contains(&name) {
                        list.push(name);
                    }
                }
            }
            if let Some((name, at)) = self.drafts[service].network_of.take() {
                let member = self.unit_member(service, "network_mode", &name, at);
                self.drafts[service].input.launch_config.network_launch_config = member;
            }
        }
    }

    fn unit_member(&mut self, service: usize, key: &str, name: &str, at: At) -> Option<String> {
        let Some(&target) = self.index.get(name) else {
            let (message, remedy) = (self.missing(name), self.remedy(name));
            self.error(service, key, at, message, remedy);
            return None;
        };
        if target == service {
            let message = format!("`{}` names itself", shorten(name));
            self.error(service, key, at, message, "name another service".to_owned());
            return None;
        }
        if self.unit_of(target) != self.unit_of(service) {
            let own = shorten(&self.drafts[service].input.name);
            let message = format!("`{}` may run on another host than `{own}`", shorten(name));
            let remedy = format!(
                "make one the sidekick of the other: on `{own}` the label `io.rancher.sidekicks: {name}`"
            );
            self.error(service, key, at, message, remedy);
            return None;
        }
        Some(name.to_owned())
    }

    fn check_balancers(&mut self) {
        for service in 0..self.drafts.len() {
            if self.drafts[service].input.kind != ServiceKind::LoadBalancerService {
                continue;
            }
            let rules = self.drafts[service]
                .input
                .lb_config
                .as_ref()
                .and_then(|config| config["port_rules"].as_array());
            let targets: Vec<String> = rules
                .into_iter()
                .flatten()
                .filter_map(|rule| rule["service"].as_str())
                .filter(|target| !target.contains('/') && !self.index.contains_key(*target))
                .map(str::to_owned)
                .collect();
            for target in targets {
                let (message, remedy) = (self.missing(&target), self.remedy(&target));
                let at = self.drafts[service].at;
                self.error(service, "lb_config", at, message, remedy);
            }
        }
    }

    /// Puts sidekicks into their primaries and everything into the plan.
    fn fold(self, plan: &mut StackPlan) {
        let names: Vec<String> = self.drafts.iter().map(|draft| draft.input.name.clone()).collect();
        let unit_name = |name: &str| {
            let index = self.index.get(name).copied();
            index.map_or(name.to_owned(), |index| {
                names[self.primary.get(&index).copied().unwrap_or(index)].clone()
            })
        };
        let mut inputs: Vec<(ServiceInput, bool)> = Vec::with_capacity(self.drafts.len());
        let mut waits: Vec<Vec<Dependency>> = Vec::with_capacity(self.drafts.len());
        let mut order: Vec<Vec<usize>> = Vec::with_capacity(self.drafts.len());
        for draft in self.drafts {
            waits.push(draft.depends_on.into_iter().map(|(dependency, _)| dependency).collect());
            order
                .push(draft.sidekicks.iter().filter_map(|(name, _)| self.index.get(name).copied()).collect());
            inputs.push((draft.input, draft.alone));
        }
        for unit in 0..inputs.len() {
            if self.primary.contains_key(&unit) {
                continue;
            }
            let mut own = std::mem::take(&mut waits[unit]);
            let mut sidekicks = Vec::new();
            for sidekick in
                order[unit].iter().copied().filter(|sidekick| self.primary.get(sidekick) == Some(&unit))
            {
                own.append(&mut waits[sidekick]);
                let input = &mut inputs[sidekick].0;
                let mut config = std::mem::take(&mut input.launch_config);
                config.name = Some(input.name.clone());
                sidekicks.push(config);
            }
            let mut depends_on: Vec<Dependency> = Vec::new();
            for mut dependency in own {
                dependency.service = unit_name(&dependency.service);
                let known = depends_on
                    .iter()
                    .any(|old| old.service == dependency.service && old.condition == dependency.condition);
                if dependency.service != names[unit] && !known {
                    depends_on.push(dependency);
                }
            }
            let (input, alone) = &mut inputs[unit];
            input.depends_on = depends_on;
            input.secondary_launch_configs = sidekicks;
            let input = std::mem::take(input);
            if *alone { &mut plan.containers } else { &mut plan.services }.push(input);
        }
    }
}
