//! Whatever comes from outside gives an answer or an error, in bounded time and without a panic.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{
    ApiId, Filter, ListQuery, Purpose, Role, Row, Schema, Schemas, Showing, Urls, Version, like, parse_date,
    parse_reference, show, validate, validate_input, write,
};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![Just(0), Just(-1), Just(i64::MAX), Just(i64::MIN), any::<i64>()].prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,30}".prop_map(Value::String),
        "1[a-z]{0,3}[0-9]{0,20}".prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map("[a-zA-Z]{1,10}", inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

/// A role in a version, and one of its types.
fn any_schema() -> impl Strategy<Value = (&'static Schemas, &'static Schema)> {
    (0..Version::ALL.len(), 0..Role::ALL.len(), any::<prop::sample::Index>()).prop_map(
        |(version, role, index)| {
            let schemas = Schemas::of(Version::ALL[version], Role::ALL[role]);
            let all: Vec<&'static Schema> = schemas.iter().collect();
            (schemas, all[index.index(all.len())])
        },
    )
}

/// A body with the type's own field names and values of any shape.
fn any_body() -> impl Strategy<Value = (&'static Schemas, &'static Schema, Map<String, Value>)> {
    any_schema().prop_flat_map(|(schemas, schema)| {
        let names: Vec<&'static str> = schema.fields.iter().map(|(name, ..)| *name).collect();
        let name = prop_oneof![
            4 => prop::sample::select(if names.is_empty() { vec!["name"] } else { names }).prop_map(str::to_owned),
            1 => "[a-zA-Z]{1,12}",
        ];
        let body = prop::collection::btree_map(name, any_json(), 0..12);
        (Just(schemas), Just(schema), body.prop_map(|body| body.into_iter().collect()))
    })
}

proptest! {
    #[test]
    fn any_body_is_taken_or_refused_with_a_field((schemas, schema, body) in any_body()) {
        for purpose in [Purpose::Create, Purpose::Update] {
            match validate(schemas, schema, purpose, &body) {
                Ok(checked) => {
                    // Nothing gets through that the role may not write, whatever it is called.
                    for name in checked.keys() {
                        let rights = schema.fields.iter().filter(|(field, ..)| {
                            crate::canonical_field(field) == name
                        });
                        let writable = rights.clone().any(|(_, field, rights)| match purpose {
                            Purpose::Create => rights.create || field.default.is_some(),
                            Purpose::Update => rights.update,
                        });
                        let alias = name == "stackId" && schemas.version == Version::V1;
                        prop_assert!(writable || alias, "{name} got through");
                    }
                    // What was checked once passes again.
                    if purpose == Purpose::Update && schemas.version == Version::V2Beta {
                        prop_assert_eq!(validate(schemas, schema, purpose, &checked).map_err(|e| e.message), Ok(checked));
                    }
                }
                Err(invalid) => {
                    prop_assert!((400..500).contains(&invalid.code.status()));
                    prop_assert!(invalid.message.len() < 2000);
                }
            }
        }
        let _ = validate_input(schemas, schema, &body);
    }

    #[test]
    fn any_query_is_read((_, schema) in any_schema(), parameters in prop::collection::vec(("\\PC{0,20}", "\\PC{0,20}"), 0..10)) {
        let query = ListQuery::parse(schema, &parameters);
        prop_assert!((1..=crate::MAX_LIMIT).contains(&query.limit));
    }

    #[test]
    fn known_filters_are_read_and_match_or_not(
        (_, schema) in any_schema(),
        index in any::<prop::sample::Index>(),
        given in "\\PC{0,12}",
        actual in any_json(),
    ) {
        let known: Vec<_> = schema.filters().flat_map(|(name, modifiers)| {
            modifiers.iter().map(move |modifier| (name, *modifier))
        }).collect();
        if known.is_empty() {
            return Ok(());
        }
        let (name, modifier) = known[index.index(known.len())];
        let parameter = if modifier.name() == "eq" { name.to_owned() } else { format!("{name}_{}", modifier.name()) };
        let query = ListQuery::parse(schema, &[(parameter, given.clone())]);
        prop_assert_eq!(&query.filters, &vec![Filter { field: name, modifier, value: given }]);
        let kind = &schema.field(name).unwrap().0.kind;
        let _ = query.filters[0].matches(kind, &actual);
        // Null and set are opposites, whatever the value.
        let matches = |modifier: crate::Modifier| Filter { field: name, modifier, value: String::new() }.matches(kind, &actual);
        prop_assert_ne!(matches(crate::Modifier::Null), matches(crate::Modifier::NotNull));
    }

    #[test]
    fn patterns_match_as_their_definition_says(pattern in "[ab%_]{0,8}", text in "[ab]{0,8}") {
        fn slow(pattern: &[char], text: &[char]) -> bool {
            match (pattern.first(), text.first()) {
                (None, None) => true,
                (None, Some(_)) => false,
                (Some('%'), _) => slow(&pattern[1..], text) || !text.is_empty() && slow(pattern, &text[1..]),
                (Some('_'), Some(_)) => slow(&pattern[1..], &text[1..]),
                (Some(wanted), Some(found)) => wanted == found && slow(&pattern[1..], &text[1..]),
                (Some(_), None) => false,
            }
        }
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(like(&pattern, &text), slow(&chars(&pattern), &chars(&text)));
    }

    #[test]
    fn ids_and_dates_of_any_text_are_read_or_refused(text in "\\PC{0,40}") {
        let _ = text.parse::<ApiId>();
        let _ = parse_reference::<contract_values::kind::Stack>(&text);
        if let Some(at) = parse_date(&text) {
            let _ = at.to_string();
        }
    }

    #[test]
    fn what_is_written_is_what_is_shown((schemas, schema) in any_schema(), fields in prop::collection::vec(any_json(), 0..20), linked in any::<bool>()) {
        let mut row = Row::new("container", "1i7");
        row.kind = Box::leak(schema.declaration.id.clone().into_boxed_str());
        for ((name, ..), value) in schema.fields.iter().zip(fields) {
            row.set(crate::canonical_field(name), value);
        }
        row.extra_links = vec!["stats"];
        row.actions = schema.actions.keys().copied().collect();
        let urls = Urls::new("https://h/v2-beta");
        let shown = show(schemas, &urls, &row, Showing::Later, linked);
        let mut text = Vec::new();
        let written = write(schemas, &urls, &row, linked, None, &mut text);
        prop_assert_eq!(written, shown.is_some());
        if let Some(shown) = shown {
            // No member stands twice, which a reader of maps would not notice.
            prop_assert_eq!(String::from_utf8(text).unwrap(), shown.to_string());
        }
    }
}
