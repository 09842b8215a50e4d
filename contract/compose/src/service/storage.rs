//! What the containers read and write: volumes, host paths, memory, secrets.

use std::collections::BTreeSet;

use contract_api::launch::{EngineMount, LaunchConfig};

use super::{Draft, files, unknown};
use crate::error::shorten;
use crate::field::Field;
use crate::project::Context;
use crate::support;
use crate::words;

pub(super) fn read(key: &str, field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) -> bool {
    match key {
        "volumes" => volumes(field, draft, cx),
        "volumes_from" => {
            for item in field.one_or_more(&mut cx.report) {
                if let Some(text) = item.filled_text(&mut cx.report) {
                    draft.volumes_from.push((text, item.at()));
                }
            }
        }
        "volume_driver" => draft.config().volume_driver = field.filled_text(&mut cx.report),
        "tmpfs" => {
            for item in field.one_or_more(&mut cx.report) {
                let Some(text) = item.filled_text(&mut cx.report) else { continue };
                let (path, options) = text.split_once(':').unwrap_or((&text, ""));
                if check_target(path, &item, cx) {
                    draft.config().tmpfs.insert(path.to_owned(), options.to_owned());
                }
            }
        }
        "read_only" => draft.config().read_only = field.boolean(&mut cx.report),
        "shm_size" => draft.config().shm_size = field.bytes(&mut cx.report),
        "storage_opt" => draft.config().storage_opt = field.text_map(&mut cx.report, false),
        "secrets" => files::secrets(field, draft, cx),
        "configs" => files::configs(field, draft, cx),
        _ => return false,
    }
    true
}

fn check_target(path: &str, field: &Field<'_>, cx: &mut Context<'_>) -> bool {
    if path.starts_with('/') && path.len() > 1 {
        return true;
    }
    let (message, remedy) = if path == "/" {
        ("nothing can be mounted over `/`".to_owned(), "name a folder below `/`".to_owned())
    } else {
        (
            format!("the path in the container, `{}`, does not begin with `/`", shorten(path)),
            "write `source:/path` with a whole path".to_owned(),
        )
    };
    field.error(&mut cx.report, message, remedy);
    false
}

/// What a volume or host path is mounted from.
enum Source {
    Path(String),
    Named(String),
}

impl Source {
    fn text(&self) -> &str {
        match self {
            Self::Path(text) | Self::Named(text) => text,
        }
    }
}

/// Tells a host path from the name of a volume.
fn source(text: &str, field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) -> Option<Source> {
    if text.starts_with(['/', '.', '~']) {
        return host_path(text, field, cx).map(Source::Path);
    }
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    if first && bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)) {
        draft.named_volumes.push((text.to_owned(), field.at()));
        return Some(Source::Named(text.to_owned()));
    }
    field.error(
        &mut cx.report,
        format!("`{}` is neither the name of a volume nor a path of the host", shorten(text)),
        "begin a path with `/` or `./`; the name of a volume has letters, digits, `_`, `.` and `-`",
    );
    None
}

fn host_path(text: &str, field: &Field<'_>, cx: &mut Context<'_>) -> Option<String> {
    if text.starts_with('/') {
        return Some(text.to_owned());
    }
    let start = if let Some(rest) = text.strip_prefix('~') {
        let home = cx
            .variable("HOME")
            .filter(|home| home.starts_with('/') && (rest.is_empty() || rest.starts_with('/')));
        home.map(|home| format!("{home}{rest}"))
    } else {
        cx.input.project_folder.as_ref().map(|folder| format!("{folder}/{}/{text}", cx.folder(field.at())))
    };
    let Some(start) = start else {
        field.error(
            &mut cx.report,
            format!("the path `{}` means another folder on each host", shorten(text)),
            "write the whole path on the host, or use a named volume",
        );
        return None;
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let path = format!("/{}", parts.join("/"));
    cx.report.notice_once(
        "relative host path",
        field.at(),
        field.path,
        format!(
            "`{}` is `{path}` of whichever host a container runs on; other relative paths alike",
            shorten(text)
        ),
    );
    Some(path)
}

const OPTIONS: &[&str] = &[
    "ro",
    "rw",
    "z",
    "Z",
    "nocopy",
    "cached",
    "delegated",
    "consistent",
    "shared",
    "rshared",
    "slave",
    "rslave",
    "private",
    "rprivate",
];

fn volumes(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let items: Vec<_> = field.items(&mut cx.report).collect();
    let mut targets = BTreeSet::new();
    for item in items {
        let target =
            if item.node.as_map().is_some() { long(&item, draft, cx) } else { short(&item, draft, cx) };
        let Some(target) = target else { continue };
        let target = target.trim_end_matches('/').to_owned();
        if !targets.insert(target.clone()) {
            item.error(
                &mut cx.report,
                format!("something is mounted at `{}` already", shorten(&target)),
                "keep one of the two",
            );
        }
    }
}

/// Reads `[source:]target[:options]` and gives the target.
fn short(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) -> Option<String> {
    let text = field.filled_text(&mut cx.report)?;
    let parts: Vec<&str> = text.split(':').collect();
    let (from, target, options) = match parts[..] {
        [target] => (None, target, None),
        [from, target] => (Some(from), target, None),
        [from, target, options] => (Some(from), target, Some(options)),
        _ => {
            field.error(
                &mut cx.report,
                format!("`{}` is not of the form [source:]target[:options]", shorten(&text)),
                "write `data:/path` or `/host/path:/path:ro`",
            );
            return None;
        }
    };
    if !check_target(target, field, cx) {
        return None;
    }
    for option in options.into_iter().flat_map(|options| options.split(',')) {
        if !OPTIONS.contains(&option) {
            field.error(
                &mut cx.report,
                format!("`{}` is no option of a volume", shorten(option)),
                words::did_you_mean(option, OPTIONS),
            );
        }
    }
    let mut volume = match from {
        Some(from) => format!("{}:{target}", source(from, field, draft, cx)?.text()),
        None => target.to_owned(),
    };
    if let Some(options) = options {
        volume = format!("{volume}:{options}");
    }
    draft.config().data_volumes.push(volume);
    Some(target.to_owned())
}

/// Reads the long form and gives the target.
fn long(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) -> Option<String> {
    const KNOWN: &[&str] = &[
        "type",
        "source",
        "target",
        "read_only",
        "consistency",
        "bind",
        "volume",
        "tmpfs",
        "image",
        "cluster",
    ];
    let mut mount = EngineMount::default();
    let mut options: Vec<String> = Vec::new();
    let mut from = None;
    let mut kind = None;
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in &entries {
        match *key {
            _ if value.is_null() && KNOWN.contains(key) => {}
            "type" => {
                let kinds = ["bind", "volume", "tmpfs", "image", "cluster", "npipe"];
                kind = value.word(&mut cx.report, &kinds.map(|kind| (kind, kind)));
            }
            "source" => from = value.filled_text(&mut cx.report).map(|text| (text, *value)),
            "target" => mount.target = value.filled_text(&mut cx.report).unwrap_or_default(),
            "read_only" => mount.read_only = value.boolean(&mut cx.report).filter(|only| *only),
            "consistency" => {
                if value.text(&mut cx.report).is_some() {
                    value.ignored(&mut cx.report, key, support::CONSISTENCY);
                }
            }
            "bind" | "volume" | "tmpfs" | "image" => settings(value, &mut mount, &mut options, cx),
            "cluster" => value.notice(&mut cx.report, "the settings of cluster volumes have no effect"),
            _ => unknown(key, *at, value.path, KNOWN, cx),
        }
    }
    if mount.target.is_empty() {
        field.error(
            &mut cx.report,
            "the mount has no `target`",
            "add `target: /path`, the path in the container",
        );
        return None;
    }
    if !check_target(&mount.target, field, cx) {
        return None;
    }
    let target = mount.target.clone();
    let Some(kind) = kind else {
        if field.node.get("type").is_none() {
            field.error(
                &mut cx.report,
                "the mount has no `type`",
                "add `type: volume`, `type: bind` or `type: tmpfs`",
            );
        }
        return None;
    };
    kind.clone_into(&mut mount.kind);
    if mount.read_only == Some(true) {
        options.insert(0, "ro".to_owned());
    }
    match kind {
        "tmpfs" => {
            tmpfs(mount, draft.config());
            return Some(target);
        }
        "bind" => {
            let Some((text, value)) = from else {
                field.error(
                    &mut cx.report,
                    "the mount has no `source`",
                    "add `source: /path`, the path on the host",
                );
                return None;
            };
            let path = if text.starts_with(['/', '.', '~']) { text } else { format!("./{text}") };
            mount.source = Some(host_path(&path, &value, cx)?);
        }
        "volume" => {
            if let Some((text, value)) = from {
                match source(&text, &value, draft, cx)? {
                    Source::Named(name) => mount.source = Some(name),
                    Source::Path(_) => {
                        value.error(
                            &mut cx.report,
                            "the source of a volume is a name, not a path",
                            "write `type: bind` for a path of the host",
                        );
                        return None;
                    }
                }
            }
        }
        _ => mount.source = from.map(|(text, _)| text),
    }
    // The short form says all that older engines and clients know; only what it cannot say becomes an engine mount.
    let plain =
        mount.subpath.is_none() && mount.create_host_path != Some(false) && matches!(kind, "bind" | "volume");
    if plain {
        let mut volume = match &mount.source {
            Some(source) => format!("{source}:{target}"),
            None => target.clone(),
        };
        if !options.is_empty() && mount.source.is_some() {
            volume = format!("{volume}:{}", options.join(","));
        }
        draft.config().data_volumes.push(volume);
    } else {
        draft.config().engine_mounts.push(mount);
    }
    Some(target)
}

/// Reads the settings of one type of mount.
fn settings(field: &Field<'_>, mount: &mut EngineMount, options: &mut Vec<String>, cx: &mut Context<'_>) {
    const KNOWN: &[&str] = &[
        "propagation",
        "create_host_path",
        "selinux",
        "recursive",
        "nocopy",
        "subpath",
        "labels",
        "size",
        "mode",
    ];
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in entries {
        let report = &mut cx.report;
        match key {
            _ if value.is_null() && KNOWN.contains(&key) => {}
            "propagation" => {
                let known = ["shared", "rshared", "slave", "rslave", "private", "rprivate"];
                if let Some(word) = value.word(report, &known.map(|word| (word, word))) {
                    mount.propagation = Some(word.to_owned());
                    options.push(word.to_owned());
                }
            }
            "create_host_path" => mount.create_host_path = value.boolean(report),
            "selinux" => {
                if let Some(word) = value.word(report, &[("z", "z"), ("Z", "Z")]) {
                    options.push(word.to_owned());
                }
            }
            "nocopy" => {
                mount.no_copy = value.boolean(report);
                if mount.no_copy == Some(true) {
                    options.push("nocopy".to_owned());
                }
            }
            "subpath" => mount.subpath = value.filled_text(report),
            "size" => mount.tmpfs_size = value.bytes(report),
            "mode" => mount.tmpfs_mode = files::file_mode(&value, cx),
            "recursive" | "labels" => value.ignored(report, key, support::MOUNT),
            _ => unknown(key, at, value.path, KNOWN, cx),
        }
    }
}

fn tmpfs(mount: EngineMount, config: &mut LaunchConfig) {
    let mut options = Vec::new();
    if mount.read_only == Some(true) {
        options.push("ro".to_owned());
    }
    if let Some(size) = mount.tmpfs_size {
        options.push(format!("size={size}"));
    }
    if let Some(mode) = mount.tmpfs_mode {
        options.push(format!("mode={mode:o}"));
    }
    config.tmpfs.insert(mount.target, options.join(","));
}
