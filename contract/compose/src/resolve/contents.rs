//! Declared secrets and configs, with what is in them.
//!
//! Only what a service uses is read: so a file that lies on one developer's disk alone stops nobody else.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract_api::launch::FileInput;
use contract_values::Secret;

use crate::error::{Path, shorten};
use crate::field::Field;
use crate::project::Context;
use crate::service::{Draft, Granted};
use crate::support;
use crate::words;
use crate::yaml::Map;

/// Which of the two sections is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Secret,
    Config,
}

impl Sort {
    fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Config => "config",
        }
    }

    fn section(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::Config => "configs",
        }
    }

    fn granted(self, draft: &Draft) -> &[Granted] {
        match self {
            Self::Secret => &draft.secrets,
            Self::Config => &draft.configs,
        }
    }

    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Secret => &[
                "file",
                "environment",
                "external",
                "name",
                "labels",
                "driver",
                "driver_opts",
                "template_driver",
            ],
            Self::Config => {
                &["file", "environment", "content", "external", "name", "labels", "template_driver"]
            }
        }
    }
}

/// Reads what the services use of one section, and checks that it is there.
pub(super) fn read(
    cx: &mut Context<'_>,
    sort: Sort,
    section: &Map,
    drafts: &[Draft],
    services: Path<'_>,
) -> Vec<FileInput> {
    let mut used = BTreeSet::new();
    for draft in drafts.iter().filter(|draft| draft.enabled) {
        for granted in sort.granted(draft) {
            if section.contains_key(&granted.name) {
                used.insert(granted.name.as_str());
                continue;
            }
            let remedy = match cx.report.nearest(&granted.name, section.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add `{}:` below `{}:` at the top", shorten(&granted.name), sort.section()),
            };
            cx.report.error(
                granted.at,
                services.key(&draft.input.name).key(sort.section()),
                format!("the {} `{}` is not declared", sort.word(), shorten(&granted.name)),
                remedy,
            );
        }
    }
    let root = Path::Root;
    let path = root.key(sort.section());
    let mut inputs = Vec::new();
    for (name, entry) in section.iter().filter(|(name, _)| !name.starts_with("x-")) {
        let field = Field::new(&entry.node, path.key(name));
        let is_used = used.contains(name.as_str());
        if let Some(input) = one(cx, sort, name, &field, is_used)
            && is_used
        {
            inputs.push(input);
        }
        if !is_used {
            cx.report.notice(
                entry.at,
                field.path,
                format!("no service uses the {} `{}`: it is not created", sort.word(), shorten(name)),
            );
        }
    }
    inputs
}

/// Reads one entry; what nobody uses is checked, and its content left alone.
fn one(cx: &mut Context<'_>, sort: Sort, name: &str, field: &Field<'_>, is_used: bool) -> Option<FileInput> {
    let mut input = FileInput { name: name.to_owned(), ..FileInput::default() };
    let old = crate::service::old_words(cx);
    let mut from: Vec<(&str, Field<'_>)> = Vec::new();
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in &entries {
        let report = &mut cx.report;
        match *key {
            _ if value.is_null() && sort.known().contains(key) => {}
            "file" | "environment" => from.push((key, *value)),
            "content" if sort == Sort::Config => from.push((key, *value)),
            "name" => input.real_name = value.filled_text(report),
            "labels" => input.labels = value.text_map(report, false),
            "external" if value.node.as_map().is_some() => {
                input.external = true;
                let settings: Vec<_> = value.entries(report).collect();
                for (key, at, setting) in settings {
                    match key {
                        "name" => input.real_name = setting.filled_text(&mut cx.report),
                        _ => crate::service::unknown(key, at, setting.path, &["name"], cx),
                    }
                }
            }
            // The old product took anything that is not empty.
            "external" if old => {
                let word = value.node.as_scalar();
                input.external =
                    word.is_some_and(|word| word.boolean() != Some(false) && !word.text.is_empty());
                if word.is_some_and(|word| word.boolean().is_none() && word.text != name) {
                    input.real_name = value.filled_text(&mut cx.report);
                }
            }
            "external" => input.external = value.boolean(report) == Some(true),
            "driver" | "driver_opts" if sort == Sort::Secret => {
                value.ignored(report, key, support::SECRET_DRIVER);
            }
            "template_driver" => value.ignored(report, key, support::TEMPLATE_DRIVER),
            _ => crate::service::unknown(key, *at, value.path, sort.known(), cx),
        }
    }
    if input.external {
        if let Some((key, value)) = from.first() {
            value.error(
                &mut cx.report,
                format!("`external` and `{key}` exclude each other"),
                "keep one of the two",
            );
        }
        if sort == Sort::Config {
            field.error(
                &mut cx.report,
                support::CONFIG_EXTERNAL,
                "give the content here, with `file` or `content`; or make it a secret, which may be `external`",
            );
            return None;
        }
        return Some(input);
    }
    let (key, value) = match from[..] {
        [only] => only,
        [] => {
            let ways = words::one_of(&sort.known()[..if sort == Sort::Secret { 3 } else { 2 }]);
            field.error(&mut cx.report, format!("the {} has no content", sort.word()), ways);
            return None;
        }
        [_, (second, value), ..] => {
            value.error(
                &mut cx.report,
                format!("`{second}` is a second content of one {}", sort.word()),
                "keep one of the two",
            );
            return None;
        }
    };
    let text =
        if key == "content" { value.text(&mut cx.report)? } else { value.filled_text(&mut cx.report)? };
    if !is_used {
        return Some(input);
    }
    let bytes = match key {
        "file" => cx.read_content(&value, &text)?,
        "environment" => match cx.variable(&text) {
            Some(content) => content.as_bytes().to_vec(),
            None => {
                value.error(
                    &mut cx.report,
                    format!("the variable `{}` must be set", shorten(&text)),
                    format!("give `{}` a value", shorten(&text)),
                );
                return None;
            }
        },
        _ => text.into_bytes(),
    };
    if sort == Sort::Config && std::str::from_utf8(&bytes).is_err() {
        value.error(
            &mut cx.report,
            "the content of a config is text",
            "put other data into a volume, or make it a secret",
        );
        return None;
    }
    if sort == Sort::Secret && bytes.is_empty() {
        value.error(&mut cx.report, "the secret is empty", "give it a content");
        return None;
    }
    input.value = Some(Secret::new(STANDARD.encode(bytes)));
    Some(input)
}
