//! How an image is built.
//!
//! What a build says is kept whole; whoever builds does with it what it can, and says what it cannot.

use contract_api::launch::{BuildOptions, DockerBuild};

use super::{Draft, files, network, resources, unknown};
use crate::field::Field;
use crate::project::Context;
use crate::yaml::Value;

const KNOWN: &[&str] = &[
    "context",
    "dockerfile",
    "args",
    "target",
    "no_cache",
    "additional_contexts",
    "cache_from",
    "cache_to",
    "dockerfile_inline",
    "entitlements",
    "extra_hosts",
    "isolation",
    "labels",
    "network",
    "platforms",
    "privileged",
    "provenance",
    "pull",
    "sbom",
    "secrets",
    "shm_size",
    "ssh",
    "tags",
    "ulimits",
];

pub(super) fn read(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let mut build = DockerBuild::default();
    let mut context = None;
    if field.node.as_map().is_some() {
        let entries: Vec<_> = field.entries(&mut cx.report).collect();
        for (key, at, value) in &entries {
            match *key {
                _ if value.is_null() && KNOWN.contains(key) => {}
                "context" => context = value.filled_text(&mut cx.report),
                "dockerfile" => build.dockerfile = value.filled_text(&mut cx.report),
                "target" => build.target = value.filled_text(&mut cx.report),
                "no_cache" => build.nocache = value.boolean(&mut cx.report),
                "args" => {
                    for (name, text, _) in value.pairs(&mut cx.report, false) {
                        if let Some(text) = text.or_else(|| cx.variable(&name).map(str::to_owned)) {
                            build.args.insert(name, text);
                        }
                    }
                }
                "secrets" => {
                    for (reference, granted) in files::of_build(value, cx) {
                        draft.secrets.push(granted);
                        build.options.secrets.push(reference);
                    }
                }
                _ if KNOWN.contains(key) => option(key, value, &mut build.options, cx),
                _ => unknown(key, *at, value.path, KNOWN, cx),
            }
        }
        if build.dockerfile.is_some() && build.options.dockerfile_inline.is_some() {
            field.error(
                &mut cx.report,
                "`dockerfile` and `dockerfile_inline` exclude each other",
                "keep one of the two",
            );
        }
        if context.is_none() {
            context = Some(".".to_owned());
        }
    } else {
        context = field.filled_text(&mut cx.report);
    }
    let Some(context) = context else { return };
    let remote = ["http://", "https://", "git://", "ssh://", "git@", "github.com/"];
    if remote.iter().any(|start| context.starts_with(start)) {
        build.remote = Some(context);
    } else {
        build.context = Some(context);
    }
    draft.config().build = Some(build);
}

fn option(key: &str, value: &Field<'_>, options: &mut BuildOptions, cx: &mut Context<'_>) {
    let report = &mut cx.report;
    match key {
        "dockerfile_inline" => options.dockerfile_inline = value.filled_text(report),
        "additional_contexts" => options.additional_contexts = value.text_map(report, false),
        "labels" => options.labels = value.text_map(report, false),
        "tags" => options.tags = value.texts(report),
        "platforms" => options.platforms = value.texts(report),
        "cache_from" => options.cache_from = value.texts(report),
        "cache_to" => options.cache_to = value.texts(report),
        "pull" => options.pull = value.boolean(report),
        "network" => options.network = value.filled_text(report),
        "extra_hosts" => options.extra_hosts = network::extra_hosts(value, cx),
        "shm_size" => options.shm_size = value.bytes(report),
        "ulimits" => options.ulimits = resources::ulimits(value, cx),
        "ssh" => options.ssh = ssh(value, cx),
        "entitlements" => options.entitlements = value.texts(report),
        "privileged" => options.privileged = value.boolean(report),
        "isolation" => options.isolation = value.filled_text(report),
        "provenance" => options.provenance = word_or_text(value, cx),
        "sbom" => options.sbom = word_or_text(value, cx),
        _ => debug_assert!(false, "the key `{key}` has no reader"),
    }
}

/// Reads `default`, a list of `id[=path]`, or a map of them.
fn ssh(field: &Field<'_>, cx: &mut Context<'_>) -> Vec<String> {
    if let Value::Scalar(_) = &field.node.value {
        return field.filled_text(&mut cx.report).into_iter().collect();
    }
    let pairs = field.pairs(&mut cx.report, false);
    pairs
        .into_iter()
        .map(|(id, path, _)| match path {
            Some(path) => format!("{id}={path}"),
            None => id,
        })
        .collect()
}

/// A truth value, or settings as text.
fn word_or_text(field: &Field<'_>, cx: &mut Context<'_>) -> Option<String> {
    match field.node.as_scalar() {
        Some(scalar) if scalar.is_plain_boolean() => Some((scalar.boolean() == Some(true)).to_string()),
        _ => field.filled_text(&mut cx.report),
    }
}
