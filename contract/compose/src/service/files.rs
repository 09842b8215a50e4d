//! Secrets and configs of a service: texts that stand as files in its containers.

use contract_api::launch::{ConfigReference, SecretReference};

use super::{Draft, Granted, unknown};
use crate::error::shorten;
use crate::field::Field;
use crate::project::Context;
use crate::yaml::Value;

/// What one entry of `secrets` or `configs` says.
#[derive(Debug, Default)]
struct Grant {
    source: String,
    target: Option<String>,
    uid: Option<String>,
    gid: Option<String>,
    mode: Option<String>,
}

pub(super) fn secrets(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    for (grant, item) in grants(field, "/run/secrets", cx) {
        draft.secrets.push(Granted { name: grant.source.clone(), at: item.at() });
        draft.config().secrets.push(secret(grant));
    }
}

/// The secrets that the steps of a build may mount, with the places that name them.
pub(super) fn of_build(field: &Field<'_>, cx: &mut Context<'_>) -> Vec<(SecretReference, Granted)> {
    let grants = grants(field, "/run/secrets", cx);
    grants
        .into_iter()
        .map(|(grant, item)| {
            let granted = Granted { name: grant.source.clone(), at: item.at() };
            (secret(grant), granted)
        })
        .collect()
}

fn secret(grant: Grant) -> SecretReference {
    let name = Some(grant.target.unwrap_or_else(|| grant.source.clone()));
    let Grant { source, uid, gid, mode, .. } = grant;
    SecretReference { secret_id: None, secret: Some(source), name, uid, gid, mode }
}

pub(super) fn configs(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    for (grant, item) in grants(field, "", cx) {
        let Grant { source, target, uid, gid, mode } = grant;
        if let Some(target) = target.as_deref().filter(|target| !target.starts_with('/') || *target == "/") {
            item.error(
                &mut cx.report,
                format!("the path in the container, `{}`, does not begin with `/`", shorten(target)),
                "write the whole path of the file, as `/etc/app.conf`",
            );
            continue;
        }
        draft.configs.push(Granted { name: source.clone(), at: item.at() });
        draft.config().configs.push(ConfigReference { config: source, target, uid, gid, mode });
    }
}

/// Reads the entries, and refuses two files at one place.
fn grants<'f>(field: &'f Field<'_>, folder: &str, cx: &mut Context<'_>) -> Vec<(Grant, Field<'f>)> {
    const KNOWN: &[&str] = &["source", "target", "uid", "gid", "mode"];
    let mut grants: Vec<(Grant, Field<'_>)> = Vec::new();
    let mut places = std::collections::BTreeSet::new();
    for item in field.items(&mut cx.report).collect::<Vec<_>>() {
        let mut grant = Grant::default();
        if item.node.as_map().is_some() {
            let entries: Vec<_> = item.entries(&mut cx.report).collect();
            for (key, at, value) in entries {
                match key {
                    _ if value.is_null() && KNOWN.contains(&key) => {}
                    "source" => grant.source = value.filled_text(&mut cx.report).unwrap_or_default(),
                    "target" => grant.target = value.optional_text(&mut cx.report),
                    "uid" => grant.uid = number(&value, cx),
                    "gid" => grant.gid = number(&value, cx),
                    "mode" => grant.mode = file_mode(&value, cx).map(|mode| format!("{mode:04o}")),
                    _ => unknown(key, at, value.path, KNOWN, cx),
                }
            }
            if grant.source.is_empty() {
                if item.node.get("source").is_none() {
                    item.error(&mut cx.report, "the entry has no `source`", "add `source: NAME`");
                }
                continue;
            }
        } else {
            let Some(source) = item.filled_text(&mut cx.report) else { continue };
            grant.source = source;
        }
        let file = grant.target.as_deref().unwrap_or(&grant.source);
        let place = if file.starts_with('/') { file.to_owned() } else { format!("{folder}/{file}") };
        if file.split('/').any(|part| part == "..") {
            item.error(
                &mut cx.report,
                format!("the path `{}` leads out of its folder", shorten(file)),
                "write it without `..`",
            );
            continue;
        }
        if !places.insert(place.clone()) {
            item.error(
                &mut cx.report,
                format!("a file stands at `{}` already", shorten(&place)),
                "give one of the two another `target`",
            );
            continue;
        }
        grants.push((grant, item));
    }
    grants
}

/// The number of a user or group; names mean something else in every image.
fn number(field: &Field<'_>, cx: &mut Context<'_>) -> Option<String> {
    let text = field.filled_text(&mut cx.report)?;
    if text.parse::<u32>().is_err() {
        field.error(
            &mut cx.report,
            format!("`{}` is not the number of a user or group", shorten(&text)),
            "write a number, as `1000`",
        );
        return None;
    }
    Some(text)
}

/// Reads octal digits, with or without a leading `0` or `0o`.
pub(super) fn file_mode(field: &Field<'_>, cx: &mut Context<'_>) -> Option<u32> {
    let mode = match &field.node.value {
        Value::Scalar(scalar) => {
            let digits = scalar.text.strip_prefix("0o").unwrap_or(&scalar.text);
            let octal = !digits.is_empty() && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
            octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten().filter(|mode| *mode <= 0o7777)
        }
        Value::Null | Value::List(_) | Value::Map(_) => None,
    };
    if mode.is_none() {
        field.error(&mut cx.report, "this is no file mode", "write it in octal digits, as `0755`");
    }
    mode
}
