#![allow(clippy::unwrap_used, reason = "tests may panic")]

//! Documents as clients get them, compared with committed ones.

use std::path::PathBuf;

use contract_api::{Role, Schemas, Urls, Version};
use serde_json::Value;

fn golden(name: &str, document: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let mut text = serde_json::to_string_pretty(document).unwrap();
    text.push('\n');
    if std::env::var_os("LARIAT_RENEW_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
        return;
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == known, "{name} differs; look at it, then renew it with LARIAT_RENEW_GOLDEN=1:\n{text}");
}

#[test]
fn schemas_of_an_owner() {
    let urls = Urls::new("https://h/v2-beta/projects/1a5");
    let schemas = Schemas::of(Version::V2Beta, Role::Owner);
    for name in ["stack", "apiKey", "registrationToken", "containerExec", "reason"] {
        golden(&format!("owner-{name}.json"), &schemas.find(name).unwrap().document(&urls));
    }
}

#[test]
fn a_schema_of_v1() {
    let urls = Urls::new("https://h/v1/projects/1a5");
    let schemas = Schemas::of(Version::V1, Role::Member);
    golden("v1-member-environment.json", &schemas.find("environment").unwrap().document(&urls));
}

/// `role: types`, so that a type that appears or vanishes for a role is seen in review.
#[test]
fn the_types_of_each_role() {
    let mut table = serde_json::Map::new();
    for version in Version::ALL {
        for role in Role::ALL {
            let types: Vec<String> = Schemas::of(version, role)
                .iter()
                .filter(|schema| schema.has_collection)
                .map(|schema| {
                    let letters: String = schema
                        .collection_methods
                        .iter()
                        .map(|method| if method == "GET" { "list" } else { "create" })
                        .chain(schema.resource_methods.iter().map(|method| match method.as_str() {
                            "GET" => "read",
                            "PUT" => "update",
                            _ => "delete",
                        }))
                        .collect::<Vec<_>>()
                        .join(" ");
                    format!("{}: {letters}", schema.declaration.id)
                })
                .collect();
            table.insert(format!("{} {role}", version.path()), types.into());
        }
    }
    golden("roles.json", &Value::Object(table));
}
