//! What runs and how: image, command, environment, labels, health, logs, restarts.

use contract_api::launch::{LogConfig, PullPolicy, RestartPolicy};
use contract_values::{Duration, ImageRef};

use super::{Draft, build, kind_of_image, old_words, unknown};
use crate::document::Dialect;
use crate::error::shorten;
use crate::field::Field;
use crate::project::Context;
use crate::support;
use crate::words;
use crate::yaml::Value;

/// The label that makes a container run to completion.
pub(crate) const START_ONCE: &str = "io.rancher.container.start_once";
/// The label that asks for a pull before every creation.
pub(crate) const PULL_IMAGE: &str = "io.rancher.container.pull_image";

pub(super) fn read(key: &str, field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) -> bool {
    let old_words = old_words(cx);
    let report = &mut cx.report;
    match key {
        "image" => image(field, draft, cx),
        "build" => build::read(field, draft, cx),
        "dockerfile" => {
            let file = field.filled_text(report);
            draft.config().build.get_or_insert_default().dockerfile = file;
        }
        "command" => draft.config().command = field.command(report),
        "entrypoint" => draft.config().entry_point = field.command(report),
        "working_dir" => draft.config().working_dir = field.filled_text(report),
        "user" => draft.config().user = field.filled_text(report),
        "stdin_open" => draft.config().stdin_open = field.boolean(report),
        "tty" => draft.config().tty = field.boolean(report),
        "init" => draft.config().run_init = field.boolean(report),
        "stop_signal" => draft.config().stop_signal = field.filled_text(report),
        "stop_grace_period" => {
            draft.config().stop_timeout = field.duration(report).map(seconds);
        }
        "environment" => {
            for (name, value, item) in field.pairs(report, old_words) {
                if name.is_empty() || name.contains('\0') {
                    item.error(&mut cx.report, "the name of a variable is empty", "write `NAME=value`");
                    continue;
                }
                if let Some(value) = value.or_else(|| cx.variable(&name).map(str::to_owned)) {
                    draft.config().environment.insert(name, value);
                }
            }
        }
        "labels" => {
            let labels = field.text_map(report, old_words);
            if labels.get(PULL_IMAGE).is_some_and(|value| value == "always") {
                draft.config().pull_policy.get_or_insert(PullPolicy::Always);
            }
            draft.config().labels.extend(labels);
        }
        "annotations" => draft.config().annotations = field.text_map(report, old_words),
        "env_file" | "label_file" | "deploy" | "extends" => {}
        "restart" => restart(field, draft, cx),
        "logging" => logging(field, draft, cx),
        "log_driver" => {
            let driver = field.filled_text(report);
            draft.config().log_config.get_or_insert_default().driver = driver;
        }
        "log_opt" => {
            let config = field.text_map(report, old_words);
            draft.config().log_config.get_or_insert_default().config = config;
        }
        "pull_policy" => pull_policy(field, draft, cx),
        "pull_refresh_after" => {
            if field.duration(report).is_some() {
                field.ignored(report, key, support::REFRESH);
            }
        }
        "platform" => draft.config().platform = field.filled_text(report),
        "runtime" => draft.config().runtime = field.filled_text(report),
        "container_name" => {
            if field.filled_text(report).is_some() {
                field.ignored(report, key, support::CONTAINER_NAME);
            }
        }
        "healthcheck" => healthcheck(field, draft, cx),
        "profiles" => {
            let wanted = field.texts(report);
            let on = &cx.input.profiles;
            draft.enabled =
                wanted.is_empty() || on.iter().any(|profile| profile == "*" || wanted.contains(profile));
        }
        _ => return false,
    }
    true
}

/// Whole seconds, rounded up.
pub(super) fn seconds(time: Duration) -> u32 {
    u32::try_from(time.0.saturating_add(999) / 1000).unwrap_or(u32::MAX)
}

fn image(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let Some(text) = field.filled_text(&mut cx.report) else { return };
    match text.parse::<ImageRef>() {
        Ok(image) => {
            draft.kind = draft.kind.or(kind_of_image(&image));
            draft.config().image_uuid =
                Some(format!("docker:{}", text.strip_prefix("docker:").unwrap_or(&text)));
        }
        Err(error) => field.error(
            &mut cx.report,
            if text.len() > 300 { "the image reference is too long".to_owned() } else { error.to_string() },
            "write `name`, `name:tag` or `registry/name:tag`, in lower-case letters",
        ),
    }
}

fn pull_policy(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let Some(text) = field.filled_text(&mut cx.report) else { return };
    draft.config().pull_policy = match text.as_str() {
        "always" => Some(PullPolicy::Always),
        "missing" | "if_not_present" => Some(PullPolicy::Missing),
        "never" => Some(PullPolicy::Never),
        "refresh" | "daily" | "weekly" => {
            field.notice(
                &mut cx.report,
                format!("`{text}` counts as `always`: the image is pulled before every creation"),
            );
            Some(PullPolicy::Always)
        }
        text if text.strip_prefix("every_").is_some_and(|time| words::duration(time).is_some()) => {
            field
                .notice(&mut cx.report, "this counts as `always`: the image is pulled before every creation");
            Some(PullPolicy::Always)
        }
        "build" => {
            field.notice(&mut cx.report, "`build` has no effect here");
            None
        }
        other => {
            field.error(
                &mut cx.report,
                format!("`{}` is not known here", shorten(other)),
                words::did_you_mean(other, &["always", "missing", "never", "if_not_present"]),
            );
            None
        }
    };
}

/// What `restart` asks for.
///
/// The platform keeps the containers of a service running anyway, so only «no» and «on failure» say something; and
/// files of the old product wrote any of them without effect.
fn restart(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let policy = match &field.node.value {
        Value::Scalar(scalar) if scalar.plain && scalar.boolean() == Some(false) => {
            Some(("no".to_owned(), None))
        }
        _ => {
            let Some(text) = field.text(&mut cx.report) else { return };
            let (name, tries) = match text.split_once(':') {
                Some((name, tries)) => (name, Some(tries)),
                None => (text.as_str(), None),
            };
            let count = tries.map(str::parse::<u32>);
            match (name, count) {
                ("no" | "always" | "unless-stopped" | "on-failure", None) => Some((name.to_owned(), None)),
                ("on-failure", Some(Ok(count))) => Some((name.to_owned(), Some(count))),
                ("on-failure", Some(Err(_))) => {
                    field.error(&mut cx.report, "the number of tries is no number", "write `on-failure:3`");
                    None
                }
                _ => {
                    field.error(
                        &mut cx.report,
                        format!("`{}` is no restart policy", shorten(&text)),
                        words::did_you_mean(name, &["\"no\"", "always", "on-failure", "unless-stopped"]),
                    );
                    None
                }
            }
        }
    };
    let Some((name, maximum_retry_count)) = policy else { return };
    let policy = RestartPolicy { name, maximum_retry_count };
    if draft.alone {
        draft.config().restart_policy = Some(policy);
    } else if cx.dialect == Dialect::Today {
        set_restart(policy, draft);
    } else if matches!(policy.name.as_str(), "no" | "on-failure") {
        field.notice(
            &mut cx.report,
            format!(
                "`restart: {}` has no effect in this version of the format: the platform keeps services running; for a \
                 job that runs to its end set the label `{START_ONCE}: \"true\"`",
                policy.name
            ),
        );
    }
}

/// Sets the restart policy of a service, as far as it differs from keeping it running.
pub(super) fn set_restart(policy: RestartPolicy, draft: &mut Draft) {
    match policy.name.as_str() {
        "no" => {
            draft.config().labels.entry(START_ONCE.to_owned()).or_insert_with(|| "true".to_owned());
            draft.config().restart_policy = Some(policy);
        }
        "on-failure" => draft.config().restart_policy = Some(policy),
        _ => {}
    }
}

fn logging(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let mut logging = LogConfig::default();
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    for (key, at, value) in entries {
        match key {
            _ if value.is_null() && matches!(key, "driver" | "options") => {}
            "driver" => logging.driver = value.optional_text(&mut cx.report),
            "options" => logging.config = value.text_map(&mut cx.report, false),
            _ => unknown(key, at, value.path, &["driver", "options"], cx),
        }
    }
    draft.config().log_config = Some(logging);
}

fn healthcheck(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    const KNOWN: &[&str] =
        &["test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"];
    let entries: Vec<_> = field.entries(&mut cx.report).collect();
    let mut disabled = false;
    for (key, at, value) in entries {
        let report = &mut cx.report;
        let config = draft.config();
        match key {
            _ if value.is_null() && KNOWN.contains(&key) => {}
            "test" => config.health_cmd = health_test(&value, cx),
            "interval" => {
                (config.health_interval, config.health_interval_ms) = split_time(value.duration(report))
            }
            "timeout" => {
                (config.health_timeout, config.health_timeout_ms) = split_time(value.duration(report))
            }
            "retries" => config.health_retries = value.count(report),
            "start_period" => config.health_start_period_ms = value.duration(report),
            "start_interval" => config.health_start_interval_ms = value.duration(report),
            "disable" => disabled = value.boolean(report) == Some(true),
            _ => unknown(key, at, value.path, KNOWN, cx),
        }
    }
    if disabled {
        draft.config().health_cmd = vec!["NONE".to_owned()];
    }
}

/// Whole seconds where they say it all, else exact milliseconds.
fn split_time(time: Option<Duration>) -> (Option<u32>, Option<Duration>) {
    match time {
        Some(time) if time.0 % 1000 == 0 => (Some(seconds(time)), None),
        Some(time) => (None, Some(time)),
        None => (None, None),
    }
}

fn health_test(field: &Field<'_>, cx: &mut Context<'_>) -> Vec<String> {
    let report = &mut cx.report;
    if field.node.as_scalar().is_some() {
        return match field.text(report) {
            Some(text) if text.trim().is_empty() => vec!["NONE".to_owned()],
            Some(text) => vec!["CMD-SHELL".to_owned(), text],
            None => Vec::new(),
        };
    }
    let words = field.texts(report);
    match words.first().map(String::as_str) {
        None => Vec::new(),
        Some("NONE") => vec!["NONE".to_owned()],
        Some("CMD") if words.len() > 1 => words,
        Some("CMD-SHELL") if words.len() == 2 => words,
        Some("CMD-SHELL") if words.len() > 2 => {
            field.error(report, "`CMD-SHELL` takes one text", "join the words into one text, or use `CMD`");
            Vec::new()
        }
        Some("CMD" | "CMD-SHELL") => {
            field.error(report, "the check has no command", "add the command after the first word");
            Vec::new()
        }
        Some(_) => {
            field.error(
                report,
                "the first word of a check must be `CMD`, `CMD-SHELL` or `NONE`",
                "put `CMD` before the command, or write the check as one text",
            );
            Vec::new()
        }
    }
}

/// Fills in what `environment` does not set.
pub(super) fn env_file(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let mut filled = std::collections::BTreeMap::new();
    for item in field.one_or_more(&mut cx.report) {
        let (mut path, mut required, mut raw) = (None, true, cx.dialect == Dialect::Old);
        if item.node.as_map().is_some() {
            let entries: Vec<_> = item.entries(&mut cx.report).collect();
            for (key, at, value) in entries {
                match key {
                    "path" => path = value.filled_text(&mut cx.report),
                    "required" => required = value.boolean(&mut cx.report).unwrap_or(true),
                    "format" => raw = value.word(&mut cx.report, &[("raw", true)]).unwrap_or(raw),
                    _ => unknown(key, at, value.path, &["path", "required", "format"], cx),
                }
            }
            if path.is_none() {
                item.error(&mut cx.report, "the entry names no file", "add `path: FILE`");
            }
        } else {
            path = item.filled_text(&mut cx.report);
        }
        let Some(path) = path else { continue };
        let Some((name, text)) = cx.read_file(&item, &path, required) else { continue };
        for (name, value) in cx.read_pairs(&name, &text, raw).iter() {
            if let Some(value) = value.clone().or_else(|| cx.variable(name).map(str::to_owned)) {
                filled.insert(name.clone(), value);
            }
        }
    }
    for (name, value) in filled {
        draft.config().environment.entry(name).or_insert(value);
    }
}

/// Fills in what `labels` does not set.
pub(super) fn label_file(field: &Field<'_>, draft: &mut Draft, cx: &mut Context<'_>) {
    let mut filled = std::collections::BTreeMap::new();
    for item in field.one_or_more(&mut cx.report) {
        let Some(path) = item.filled_text(&mut cx.report) else { continue };
        let Some((name, text)) = cx.read_file(&item, &path, true) else { continue };
        for (name, value) in cx.read_pairs(&name, &text, false).iter() {
            filled.insert(name.clone(), value.clone().unwrap_or_default());
        }
    }
    for (name, value) in filled {
        draft.config().labels.entry(name).or_insert(value);
    }
}
