#![allow(clippy::unwrap_used, reason = "tests may panic")]

use serde_json::{Map, Value, json};

use crate::*;

fn owner() -> &'static Schemas {
    Schemas::of(Version::V2Beta, Role::Owner)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

/// The declarations of a name in every version.
fn in_any(name: &str) -> Vec<&'static Declaration> {
    Version::ALL.into_iter().flat_map(declarations).filter(|other| other.id == name).collect()
}

#[test]
fn every_file_is_read_and_every_declaration_holds_together() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/types");
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(declarations(Version::V2Beta).len(), files, "the list in declaration.rs misses a file");
    for version in Version::ALL {
        for declaration in declarations(version) {
            let id = &declaration.id;
            // What one version alone has may be named in the other; there the name leads to nothing.
            let known = |name: &str| !in_any(name).is_empty();
            let has = |field: &str| in_any(id).iter().any(|other| other.field(field).is_some());
            let check_type = |kind: &FieldType| {
                let mut kind = kind;
                while let FieldType::Map(inner) | FieldType::Array(inner) = kind {
                    kind = inner;
                }
                if let FieldType::Schema(name) | FieldType::Reference(name) = kind {
                    assert!(known(name), "{id} mentions the unknown type {name}");
                }
            };
            declaration.fields.iter().for_each(|(_, field)| check_type(&field.kind));
            for access in &declaration.access {
                for name in access.fields.values().flatten() {
                    assert!(has(name), "{id} gives rights on the unknown field {name}");
                }
                for name in &access.actions {
                    assert!(declaration.actions.contains_key(name), "{id} lists the unknown action {name}");
                }
            }
            for name in &declaration.filters {
                assert!(has(name), "{id} filters by the unknown field {name}");
            }
            for (name, link) in &declaration.links {
                assert!(known(&link.target), "{id}.{name} leads to the unknown type {}", link.target);
            }
            for action in declaration.actions.values() {
                for name in action.input.iter().chain(&action.output) {
                    assert!(known(name), "an action of {id} uses the unknown type {name}");
                }
            }
            for name in declaration.children.iter().chain(&declaration.parent) {
                assert!(known(name), "{id} is related to the unknown type {name}");
            }
        }
    }
}

#[test]
fn field_types_survive_being_written() {
    for text in ["string", "map[array[json]]", "array[reference[service]]", "reference[host]", "logConfig"] {
        assert_eq!(text.parse::<FieldType>().unwrap().to_string(), text);
    }
    for text in ["", "map[", "reference[]", "a b", "array[x"] {
        assert!(text.parse::<FieldType>().is_err(), "{text}");
    }
}

#[test]
fn ids_are_read_and_written() {
    use contract_values::{HostId, ServiceId, StackId, kind};
    assert_eq!(format_id(HostId::new(7)), "1h7");
    assert_eq!(format_id(StackId::new(12)), "1st12");
    assert_eq!(parse_id::<kind::Service>("1i5"), Ok(ServiceId::new(5)));
    assert_eq!(parse_reference::<kind::Stack>("1e5"), Ok(StackId::new(5)));
    assert!(parse_reference::<kind::Service>("1i5").is_err());
    for wrong in ["", "5", "15", "1h", "h5", "1h5x", "1h-5", "1h99999999999999999999", "2h5", "1 h5"] {
        assert!(parse_id::<kind::Host>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn dates_are_read_and_written() {
    for text in ["1970-01-01T00:00:00Z", "2017-03-01T10:00:00Z", "2024-02-29T23:59:59Z"] {
        assert_eq!(parse_date(text).unwrap().to_string(), text);
    }
    assert_eq!(parse_date("2017-03-01T10:00:00.250Z").unwrap().0 % 1000, 250);
    assert_eq!(parse_date("1488362400000").unwrap().to_string(), "2017-03-01T10:00:00Z");
    for wrong in ["", "now", "2017-13-01T10:00:00Z", "2017-03-01", "2017-03-01T10:00:00"] {
        assert!(parse_date(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn likes() {
    for (pattern, text, want) in [
        ("a%", "abc", true),
        ("%c", "abc", true),
        ("a%c%", "abcd", true),
        ("a_c", "aBc", true),
        ("", "", true),
        ("%", "", true),
        ("a", "ab", false),
        ("%b", "abc", false),
    ] {
        assert_eq!(like(pattern, text), want, "{pattern} {text}");
    }
}

#[test]
fn names_are_found_in_any_form() {
    for name in ["container", "containers", "Containers", "CONTAINER"] {
        assert_eq!(owner().find(name).unwrap().declaration.id, "container");
    }
    assert!(owner().find("nothing").is_none());
    assert!(Schemas::of(Version::V2Beta, Role::Token).find("container").is_none());
    assert_eq!(owner().find("container").unwrap().base, "instance");
    assert_eq!(owner().find("apiKey").unwrap().base, "credential");
}

#[test]
fn v1_says_environment_for_stack() {
    let v1 = Schemas::of(Version::V1, Role::Owner);
    let schema = v1.find("environments").unwrap();
    assert_eq!(schema.declaration.id, "environment");
    assert!(v1.find("stack").is_none());
    assert!(v1.find("service").unwrap().field("environmentId").is_some());
    let mut row = Row::new("service", "1s4");
    row.set("stackId", "1st7").set("name", "web");
    let shown = show(v1, &Urls::new("http://h/v1"), &row, Showing::Later, false).unwrap();
    assert_eq!(shown["environmentId"], "1e7");
    assert_eq!(shown["links"]["environment"], "http://h/v1/services/1s4/environment");
    let mut stack = Row::new("stack", "1st7");
    stack.set("name", "x");
    let shown = show(v1, &Urls::new("http://h/v1"), &stack, Showing::Later, false).unwrap();
    assert_eq!(shown["id"], "1e7");
    assert_eq!(shown["links"]["self"], "http://h/v1/environments/1e7");
    let input = object(json!({"name": "web", "environmentId": "1e7"}));
    let service = v1.find("service").unwrap();
    assert_eq!(validate(v1, service, Purpose::Create, &input).unwrap()["stackId"], "1st7");
}

/// `type: input -> field code`, or `ok`.
fn check(purpose: Purpose, kind: &str, input: Value, want: &str) {
    let schema = owner().find(kind).unwrap();
    let got = match validate(owner(), schema, purpose, &object(input.clone())) {
        Ok(_) => "ok".to_owned(),
        Err(invalid) => {
            assert!(invalid.message.contains('`'), "names the field: {}", invalid.message);
            format!("{} {}", invalid.field.unwrap(), invalid.code.text())
        }
    };
    assert_eq!(got, want, "{input}");
}

#[test]
fn inputs_are_checked() {
    use Purpose::{Create, Update};
    check(Create, "stack", json!({"name": "web"}), "ok");
    check(Create, "stack", json!({}), "name MissingRequired");
    check(Create, "stack", json!({"name": null}), "name MissingRequired");
    check(Create, "stack", json!({"name": ""}), "name MinLengthExceeded");
    check(Create, "stack", json!({"name": "a".repeat(64)}), "name MaxLengthExceeded");
    check(Create, "stack", json!({"name": "a_b"}), "name InvalidCharacters");
    check(Create, "stack", json!({"name": {}}), "name InvalidFormat");
    check(Create, "stack", json!({"name": "a", "environment": []}), "environment InvalidFormat");
    check(Create, "stack", json!({"name": "a", "nonsense": 1, "links": null, "actions": null}), "ok");
    check(Create, "service", json!({"name": "a", "scale": -1}), "scale MinLimitExceeded");
    check(Create, "service", json!({"name": "a", "scale": "x"}), "scale InvalidFormat");
    check(Create, "service", json!({"name": "a", "scale": 3.0}), "ok");
    check(Create, "service", json!({"name": "a", "stackId": "zzz"}), "stackId InvalidReference");
    check(Create, "service", json!({"name": "a", "launchConfig": {"ports": "80"}}), "ports InvalidFormat");
    check(
        Create,
        "service",
        json!({"name": "a", "launchConfig": {"pidMode": "moon"}}),
        "pidMode InvalidOption",
    );
    check(Update, "service", json!({}), "ok");
    check(Update, "service", json!({"scale": null}), "scale NotNullable");
    check(Update, "service", json!({"description": null, "metadata": null}), "ok");
}

#[test]
fn what_may_not_be_written_is_dropped() {
    let schema = owner().find("service").unwrap();
    let input = object(json!({"name": "a", "state": "active", "currentScale": 9, "nonsense": true}));
    let output = validate(owner(), schema, Purpose::Create, &input).unwrap();
    assert_eq!(output.get("scale"), Some(&json!(1)), "defaults are filled in");
    for name in ["state", "currentScale", "nonsense"] {
        assert!(!output.contains_key(name), "{name}");
    }
    let input = object(json!({"stackId": "1st5", "scale": 2}));
    let output = validate(owner(), schema, Purpose::Update, &input).unwrap();
    assert_eq!(Value::Object(output), json!({"scale": 2}), "only create takes stackId");
}

#[test]
fn rows_are_shown_by_role() {
    let urls = Urls::new("http://H/v2-beta/projects/1a5/");
    let mut row = Row::new("apiKey", "1c4");
    row.set("name", "k").set("secretValue", "s3cret").set("publicValue", "P").set("accountId", "1a5");
    row.set_date("created", Some(contract_values::Timestamp(1_488_362_400_000)));
    row.actions = vec!["deactivate"];
    let created = show(owner(), &urls, &row, Showing::Created, false).unwrap();
    assert_eq!(created["secretValue"], "s3cret");
    assert_eq!(created["created"], "2017-03-01T10:00:00Z");
    assert_eq!(created["createdTS"], 1_488_362_400_000_i64);
    assert_eq!(created["baseType"], "credential");
    assert_eq!(created["links"]["self"], "http://h/v2-beta/projects/1a5/apikeys/1c4");
    assert_eq!(
        created["actions"],
        json!({"deactivate": "http://h/v2-beta/projects/1a5/apikeys/1c4/?action=deactivate"})
    );
    let later = show(owner(), &urls, &row, Showing::Later, false).unwrap();
    assert_eq!(later["secretValue"], Value::Null);
    assert!(!later.to_string().contains("s3cret"));
    let keys: Vec<_> = later.as_object().unwrap().keys().take(7).cloned().collect();
    assert_eq!(keys, ["id", "type", "baseType", "links", "actions", "name", "state"]);
    let restricted = Schemas::of(Version::V2Beta, Role::Token);
    assert!(show(restricted, &urls, &row, Showing::Later, false).is_none());
}

#[test]
fn environment_values_are_hidden_from_readonly() {
    let mut row = Row::new("container", "1i4");
    row.set("environment", json!({"PASSWORD": "x"})).set("name", "c");
    let urls = Urls::new("http://h/v2-beta");
    let shown = show(Schemas::of(Version::V2Beta, Role::ReadOnly), &urls, &row, Showing::Later, false);
    assert!(!shown.unwrap().to_string().contains("PASSWORD"));
    let mut row = Row::new("service", "1s4");
    row.set("launchConfig", json!({"environment": {"PASSWORD": "x"}, "imageUuid": "docker:a"}));
    let shown = show(Schemas::of(Version::V2Beta, Role::ReadOnly), &urls, &row, Showing::Later, false);
    let shown = shown.unwrap();
    assert_eq!(shown["launchConfig"], json!({"type": "launchConfig", "imageUuid": "docker:a"}));
}

fn query(kind: &str, text: &str) -> ListQuery {
    let parameters: Vec<_> = text
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    ListQuery::parse(owner().find(kind).unwrap(), &parameters)
}

#[test]
fn queries_are_read() {
    assert_eq!(query("container", "").limit, 100);
    for (text, limit) in
        [("limit=-1", 3000), ("limit=0", 3000), ("limit=5", 5), ("limit=9999", 3000), ("limit=x", 100)]
    {
        assert_eq!(query("container", text).limit, limit, "{text}");
    }
    assert_eq!(query("container", "marker=m40").offset, 40);
    assert_eq!(
        query("container", "sort=name&order=desc").sort,
        Some(Sort { field: "name", descending: true })
    );
    assert_eq!(query("container", "sort=nonsense").sort, None);
    assert_eq!(query("stack", "include=Services&include=hosts").include, Some("services"));
    assert!(query("container", "removed_null=<nil>").names_removed());
    assert_eq!(query("container", "nonsense=1&name_gt=3&all=true").filters, []);
    assert_eq!(query("container", "state_ne=a&state_ne=b").filters.len(), 2);
}

#[test]
fn filters_compare_by_type() {
    let check = |kind: &str, text: &str, value: Value, want: bool| {
        let query = query(kind, text);
        let schema = owner().find(kind).unwrap();
        assert_eq!(query.filters.len(), 1, "{text}");
        let (field, _) = schema.field(query.filters[0].field).unwrap();
        assert_eq!(query.filters[0].matches(&field.kind, &value), want, "{text} {value}");
    };
    check("container", "name=web", json!("web"), true);
    check("container", "name=web", json!("Web"), false);
    check("container", "name_prefix=We", json!("web-1"), true);
    check("container", "name_like=%b-%", json!("web-1"), true);
    check("container", "name_null=", Value::Null, true);
    check("container", "name_notnull", Value::Null, false);
    check("container", "state_ne=running", json!("stopped"), true);
    check("container", "system=False", json!(false), true);
    check("container", "system=1", json!(true), true);
    check("container", "hostId=1H7", json!("1h7"), true);
    check("container", "hostId=nonsense", json!("1h7"), false);
    check("container", "created_lt=2017-03-01T10:00:00Z", json!(1_488_362_399_000_i64), true);
    check("container", "created=2017-03-01T10:00:00Z", json!(1_488_362_400_250_i64), true);
    check("container", "id_gt=1i9", json!("1i10"), true);
    check("service", "stackId=1e7", json!("1st7"), true);
}

#[test]
fn documents_of_schemas_have_what_clients_look_for() {
    let urls = Urls::new("http://h/v2-beta/projects/1a5");
    for version in Version::ALL {
        for role in Role::ALL {
            let document = Schemas::of(version, role).document(&urls);
            let data = document["data"].as_array().unwrap();
            assert!(data.iter().any(|schema| schema["id"] == "schema"), "{role} lacks the schema of schemas");
            for schema in data {
                for member in ["pluralName", "resourceMethods", "resourceFields", "collectionFilters"] {
                    assert!(!schema[member].is_null(), "{role} {} {member}", schema["id"]);
                }
            }
        }
    }
    let apikey = owner().find("apikey").unwrap().document(&urls);
    assert_eq!(apikey["links"]["collection"], "http://h/v2-beta/projects/1a5/apikeys");
    assert_eq!(apikey["resourceFields"]["secretValue"]["readOnlyCreateOnly"], Value::Null);
    assert_eq!(apikey["resourceFields"]["secretValue"]["readOnCreateOnly"], true);
    assert_eq!(apikey["resourceFields"]["name"]["create"], true);
    let launch = owner().find("launchConfig").unwrap().document(&urls);
    assert!(launch["links"].get("collection").is_none());
}

#[test]
fn error_codes_are_distinct() {
    let mut texts: Vec<_> = ErrorCode::ALL.iter().map(|code| (code.text(), code.status())).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), ErrorCode::ALL.len());
}

#[test]
fn who_may_only_look_can_do_nothing_and_learns_no_key() {
    for version in Version::ALL {
        for role in [Role::ReadAdmin, Role::ReadOnly] {
            for schema in Schemas::of(version, role).iter() {
                let id = &schema.declaration.id;
                for name in schema.actions.keys() {
                    assert!(matches!(*name, "logs" | "exportconfig"), "{role} may {name} a {id}");
                }
                let methods = schema.collection_methods.iter().chain(schema.resource_methods);
                assert!(methods.into_iter().all(|method| method == "GET"), "{role} may write a {id}");
                for (name, _, rights) in &schema.fields {
                    assert!(!rights.create && !rights.update, "{role} may write {id}.{name}");
                }
                if id == "registrationToken" {
                    for name in ["token", "command", "registrationUrl"] {
                        assert!(schema.field(name).is_none(), "{role} sees {name}");
                    }
                }
            }
        }
    }
}
