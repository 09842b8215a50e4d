#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::*;
use crate::role::{Role, Version};

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get("$ref") {
                found.insert(target.clone());
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    for version in Version::ALL {
        for role in Role::ALL {
            let document =
                openapi(Schemas::of(version, role), &Urls::new("https://h/v2-beta"), "https://h", "1.0.0");
            let mut found = BTreeSet::new();
            references(&document, &mut found);
            for target in found {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{version:?} {role}: {target}");
            }
            let mut names = BTreeSet::new();
            for (path, item) in document["paths"].as_object().unwrap() {
                for (method, operation) in item.as_object().unwrap() {
                    if matches!(method.as_str(), "parameters" | "servers") {
                        continue;
                    }
                    let name = operation["operationId"].as_str().unwrap();
                    assert!(names.insert(name.to_owned()), "{version:?} {role}: {name} stands twice");
                    assert!(
                        operation["responses"].as_object().unwrap().len() > 1 || path == "/ping",
                        "{path} {method}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_document_says_no_more_than_the_schemas() {
    for role in Role::ALL {
        let schemas = Schemas::of(Version::V2Beta, role);
        let document = openapi(schemas, &Urls::new("https://h/v2-beta"), "https://h", "1.0.0");
        let paths = document["paths"].as_object().unwrap();
        for schema in schemas.iter().filter(|schema| schema.has_collection) {
            let name = schema.declaration.id.as_str();
            if matches!(name, "schema" | "token" | "subscribe") {
                continue;
            }
            let plural = schema.declaration.plural.to_ascii_lowercase();
            let list = &paths.get(&format!("/{plural}")).cloned().unwrap_or_default();
            let one = &paths.get(&format!("/{plural}/{{id}}")).cloned().unwrap_or_default();
            for (method, documented, allowed) in [
                ("list", !list["get"].is_null(), schema.collection_takes("GET")),
                ("create", !list["post"].is_null(), schema.collection_takes("POST")),
                ("read", !one["get"].is_null(), schema.resource_takes("GET")),
                ("update", !one["put"].is_null(), schema.resource_takes("PUT")),
                ("delete", !one["delete"].is_null(), schema.resource_takes("DELETE")),
                ("act", !one["post"].is_null(), !schema.actions.is_empty()),
            ] {
                assert_eq!(documented, allowed, "{role} {name} {method}");
            }
        }
        let secrets = ["secretValue", "code"];
        for (name, component) in document["components"]["schemas"].as_object().unwrap() {
            if name.ends_with(".create")
                || name.ends_with(".input")
                || name == "apiKey"
                || name.ends_with(".value")
            {
                continue;
            }
            for secret in secrets {
                let field = schemas.find(name).and_then(|schema| schema.field(secret));
                if field.is_some_and(|(field, _)| field.write_only) {
                    assert!(component["properties"].get(secret).is_none(), "{role}: {name} shows {secret}");
                }
            }
        }
    }
}
