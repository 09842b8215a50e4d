//! The document on compatibility, `docs/compatibility.md`.
//!
//! What works, what is ignored and what is absent stands in tables beside the code that it is about: `contract-api`
//! for types, fields and actions, `contract-compose` for keys, `lariat-cli` for commands. Their own tests hold the
//! tables against the code. This crate makes one document of them, and a test fails when the document is not what the
//! tables say.

use std::fmt::Write as _;

use contract_api::{Standing, TypeStanding, compatibility};
use contract_compose::{Support, SupportStatus, support};
use lariat_cli::{Answer, COMPATIBILITY, Entry, Tool};

/// The whole document.
pub fn document() -> String {
    let mut text = String::from(
        "# Compatibility\n\n\
         What a user of Rancher 1.6, its command lines or Compose files finds here, thing by thing: it works, it is taken and\n\
         has no effect, or it is absent, and why. This file is made from the tables that stand beside the code, and a test\n\
         fails when it is out of date: `UPDATE_GOLDEN=1 cargo test -p testkit-compat` writes it anew.\n\n",
    );
    let types = compatibility();
    summary(&mut text, &types);
    api(&mut text, &types);
    compose(&mut text);
    commands(&mut text);
    // One line break at the end, however the parts end.
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

#[derive(Default)]
struct Count {
    works: usize,
    ignored: usize,
    absent: usize,
}

impl Count {
    fn add(&mut self, standing: Standing) {
        match standing {
            Standing::Works => self.works += 1,
            Standing::Ignored(_) => self.ignored += 1,
            Standing::Absent(_) => self.absent += 1,
        }
    }

    fn row(&self, text: &mut String, what: &str) {
        line(text, format_args!("| {what} | {} | {} | {} |", self.works, self.ignored, self.absent));
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a text takes more text");
    text.push('\n');
}

/// Keeps a cell in its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn summary(text: &mut String, types: &[TypeStanding]) {
    text.push_str("| | works | ignored | absent |\n|---|---:|---:|---:|\n");
    let (mut core, mut others, mut fields, mut actions) =
        (Count::default(), Count::default(), Count::default(), Count::default());
    for kind in types {
        if kind.core { &mut core } else { &mut others }.add(kind.standing);
        kind.fields.iter().for_each(|(_, standing)| fields.add(*standing));
        kind.actions.iter().for_each(|(_, standing)| actions.add(*standing));
    }
    core.row(text, "types of the API that clients need");
    others.row(text, "other types of the API");
    fields.row(text, "fields of the types that are there");
    actions.row(text, "actions of the types that are there");
    let mut keys = Count::default();
    for key in support() {
        keys.add(of_key(key));
    }
    keys.row(text, "keys of Compose files");
    for (tool, name) in TOOLS {
        let (mut commands, mut options) = (Count::default(), Count::default());
        for entry in COMPATIBILITY.iter().filter(|entry| entry.tool == tool) {
            if entry.option.is_none() { &mut commands } else { &mut options }.add(of_entry(entry));
        }
        commands.row(text, &format!("commands of `{name}`"));
        options.row(text, &format!("options of `{name}`"));
    }
    text.push('\n');
}

/// A key that is refused is absent, and says so where it stands.
fn of_key(key: &Support) -> Standing {
    match key.status {
        SupportStatus::Works => Standing::Works,
        SupportStatus::Ignored => Standing::Ignored(key.why),
        SupportStatus::Refused => Standing::Absent(key.why),
    }
}

fn of_entry(entry: &Entry) -> Standing {
    match entry.answer {
        Answer::Ours(..) => Standing::Works,
        Answer::Absent(why) => Standing::Absent(why),
    }
}

fn words(standing: Standing) -> String {
    match standing {
        Standing::Works => "works".to_owned(),
        Standing::Ignored(why) => format!("ignored: {}", cell(why)),
        Standing::Absent(why) => format!("absent: {}", cell(why)),
    }
}

fn api(text: &mut String, types: &[TypeStanding]) {
    text.push_str(
        "## API\n\n\
         All types of `/v2-beta` that a person could see. A type that is absent is not among the schemas.\n\n\
         | type | needed by clients | |\n|---|---|---|\n",
    );
    for kind in types {
        let core = if kind.core { "yes" } else { "" };
        line(text, format_args!("| `{}` | {core} | {} |", kind.name, words(kind.standing)));
    }
    for kind in types.iter().filter(|kind| kind.standing == Standing::Works) {
        line(text, format_args!("\n### {}\n", kind.name));
        of_type(text, kind);
    }
    text.push('\n');
}

fn of_type(text: &mut String, kind: &TypeStanding) {
    let working = |list: &[(String, Standing)]| {
        let names: Vec<String> = list
            .iter()
            .filter(|(_, standing)| *standing == Standing::Works)
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        names.join(", ")
    };
    let names = |list: &[String]| list.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    for (what, list) in [
        ("Fields that work", working(&kind.fields)),
        ("Actions that work", working(&kind.actions)),
        ("Ours alone", names(&kind.ours)),
        ("No filter by", names(&kind.filters_absent)),
    ] {
        if !list.is_empty() {
            line(text, format_args!("- {what}: {list}."));
        }
    }
    let rest: Vec<(String, Standing)> = kind
        .fields
        .iter()
        .map(|(name, standing)| (format!("`{name}`"), *standing))
        .chain(kind.actions.iter().map(|(name, standing)| (format!("action `{name}`"), *standing)))
        .filter(|(_, standing)| *standing != Standing::Works)
        .collect();
    if !rest.is_empty() {
        text.push_str("\n| | |\n|---|---|\n");
        for (name, standing) in rest {
            line(text, format_args!("| {name} | {} |", words(standing)));
        }
    }
}

fn compose(text: &mut String) {
    text.push_str(
        "## Compose files\n\n\
         Every key of today's specification, of the versions before it and of `rancher-compose.yml`. `*` stands for any name,\n\
         `[]` for the items of a list. A key that is ignored is told once when a file is read; one that is absent is an error\n\
         with its place and a remedy.\n\n| key | |\n|---|---|\n",
    );
    for key in support() {
        line(text, format_args!("| `{}` | {} |", key.path, words(of_key(key))));
    }
    text.push('\n');
}

const TOOLS: [(Tool, &str); 2] = [(Tool::Rancher, "rancher"), (Tool::RancherCompose, "rancher-compose")];

fn commands(text: &mut String) {
    text.push_str("## Command lines\n");
    for (tool, name) in TOOLS {
        line(text, format_args!("\n### {name}\n\n| there | here | |\n|---|---|---|"));
        for entry in COMPATIBILITY.iter().filter(|entry| entry.tool == tool) {
            let there = [name, entry.command, entry.option.unwrap_or_default()];
            let there: Vec<&str> = there.into_iter().filter(|word| !word.is_empty()).collect();
            let there = cell(&there.join(" "));
            match entry.answer {
                Answer::Ours(ours, note) => {
                    line(text, format_args!("| `{there}` | `{}` | {} |", cell(ours), cell(note)));
                }
                Answer::Absent(why) => line(text, format_args!("| `{there}` | | absent: {} |", cell(why))),
            }
        }
    }
}
