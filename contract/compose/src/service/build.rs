//! How an image is built.

use contract_api::launch::DockerBuild;

use super::unknown;
use crate::field::Field;
use crate::project::Context;

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

pub(super) fn read(field: &Field<'_>, cx: &mut Context<'_>) -> Option<DockerBuild> {
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
                _ if KNOWN.contains(key) => {
                    value.notice(
                        &mut cx.report,
                        format!("`{key}` has no effect: the platform's builds do not know it yet"),
                    );
                }
                _ => unknown(key, *at, value.path, KNOWN, cx),
            }
        }
        if context.is_none() {
            context = Some(".".to_owned());
        }
    } else {
        context = field.filled_text(&mut cx.report);
    }
    let context = context?;
    let remote = ["http://", "https://", "git://", "ssh://", "git@", "github.com/"];
    if remote.iter().any(|start| context.starts_with(start)) {
        build.remote = Some(context);
    } else {
        field.notice(
            &mut cx.report,
            "the platform does not build from a local folder yet: build and push the image, and name it with `image`",
        );
        build.context = Some(context);
    }
    Some(build)
}
