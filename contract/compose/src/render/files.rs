//! Secrets and configs as sections, and as keys of the services that use them.
//!
//! The value of a secret is never written down: whoever sends the files creates the secrets first, so they are
//! `external` here. A config is part of the stack and stands with its content.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_api::launch::{ConfigReference, SecretReference, StackPlan};
use serde_json::{Map, Value, json};

use super::{Keys, text_map};

/// What the secrets of the environment are called in the files.
#[derive(Default)]
pub(super) struct Names<'p>(BTreeMap<&'p str, &'p str>);

impl<'p> Names<'p> {
    pub fn of(plan: &'p StackPlan) -> Self {
        Self(plan.secrets.iter().map(|input| (input.environment_name(), input.name.as_str())).collect())
    }

    fn get<'a>(&'a self, secret: &'a str) -> &'a str {
        self.0.get(secret).copied().unwrap_or(secret)
    }
}

/// The declared secrets, and those that services name without a declaration.
pub(super) fn secrets(plan: &StackPlan) -> Map<String, Value> {
    let mut section = Map::new();
    for input in &plan.secrets {
        let mut keys = Keys::default();
        keys.put("external", true);
        keys.put("name", input.real_name.as_deref());
        keys.put("labels", text_map(&input.labels));
        section.insert(input.name.clone(), keys.into());
    }
    let names = Names::of(plan);
    let configs =
        plan.services.iter().chain(&plan.containers).flat_map(|service| {
            std::iter::once(&service.launch_config).chain(&service.secondary_launch_configs)
        });
    for config in configs {
        let of_build = config.build.iter().flat_map(|build| &build.options.secrets);
        for secret in
            config.secrets.iter().chain(of_build).filter_map(|reference| reference.secret.as_deref())
        {
            let name = names.get(secret);
            if !section.contains_key(name) {
                section.insert(name.to_owned(), json!({"external": true}));
            }
        }
    }
    section
}

/// The declared configs.
pub(super) fn configs(plan: &StackPlan) -> Map<String, Value> {
    let mut section = Map::new();
    for input in &plan.configs {
        let mut keys = Keys::default();
        let bytes = input.value.as_ref().and_then(|value| STANDARD.decode(value.expose()).ok());
        keys.put("content", bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        keys.put("name", input.real_name.as_deref());
        keys.put("labels", text_map(&input.labels));
        section.insert(input.name.clone(), keys.into());
    }
    section
}

pub(super) fn grants_of_secrets(references: &[SecretReference], names: &Names<'_>) -> Vec<Value> {
    let grant = |reference: &SecretReference| {
        let source = names.get(reference.secret.as_deref()?);
        let target = reference.name.as_deref().filter(|target| *target != source);
        Some(grant(source, target, &reference.uid, &reference.gid, &reference.mode))
    };
    references.iter().filter_map(grant).collect()
}

pub(super) fn grants_of_configs(references: &[ConfigReference]) -> Vec<Value> {
    let grant = |reference: &ConfigReference| {
        let ConfigReference { config, target, uid, gid, mode } = reference;
        grant(config, target.as_deref(), uid, gid, mode)
    };
    references.iter().map(grant).collect()
}

fn grant(
    source: &str,
    target: Option<&str>,
    uid: &Option<String>,
    gid: &Option<String>,
    mode: &Option<String>,
) -> Value {
    if target.is_none() && uid.is_none() && gid.is_none() && mode.is_none() {
        return json!(source);
    }
    let mut keys = Keys::default();
    keys.put("source", source);
    keys.put("target", target);
    keys.put("uid", uid.as_deref());
    keys.put("gid", gid.as_deref());
    keys.put("mode", mode.as_deref());
    keys.into()
}
