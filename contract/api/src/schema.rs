//! The schemas of a role: what it sees, may read, write and do. The schema is the rights table.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use crate::declaration::{Action, Declaration, Field, Link, declarations};
use crate::field_type::Modifier;
use crate::role::{Role, Version};
use crate::url::Urls;

/// What a role may do with one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldRights {
    /// May see it.
    pub read: bool,
    /// May give it to a new object.
    pub create: bool,
    /// May change it.
    pub update: bool,
    /// Sees it in the answer to a create, and never again.
    pub once: bool,
}

/// One type as one role sees it.
#[derive(Debug)]
pub struct Schema {
    /// The declaration behind it.
    pub declaration: &'static Declaration,
    /// The fields that exist for the role, with its rights.
    pub fields: Vec<(&'static str, &'static Field, FieldRights)>,
    /// The methods on the collection.
    pub collection_methods: &'static [String],
    /// The methods on one object.
    pub resource_methods: &'static [String],
    /// Whether it can be listed or created under a URL of its own.
    pub has_collection: bool,
    /// The actions, by name.
    pub actions: BTreeMap<&'static str, &'static Action>,
    /// The links whose targets the role can see.
    pub links: BTreeMap<&'static str, &'static Link>,
    /// The root of its family, which stands in `baseType`.
    pub base: &'static str,
    /// The places of the fields in the order in which a document shows them.
    pub(crate) shown: Vec<usize>,
    overrides: &'static BTreeMap<String, Map<String, Value>>,
}

/// Every type that a role sees in a version.
#[derive(Debug)]
pub struct Schemas {
    /// The version.
    pub version: Version,
    /// The role.
    pub role: Role,
    all: Vec<Schema>,
    by_name: HashMap<String, usize>,
}

impl Schemas {
    /// Returns the schemas of a role in a version; they are made once.
    pub fn of(version: Version, role: Role) -> &'static Self {
        static MADE: [[OnceLock<Schemas>; 13]; 2] = [const { [const { OnceLock::new() }; 13] }; 2];
        MADE[version as usize][role as usize].get_or_init(|| Self::make(version, role))
    }

    fn make(version: Version, role: Role) -> Self {
        let visible: Vec<&'static Declaration> =
            declarations(version).iter().filter(|declaration| declaration.access(role).is_some()).collect();
        let sees = |name: &str| visible.iter().any(|declaration| declaration.id == name);
        let all: Vec<Schema> = visible
            .iter()
            .map(|declaration| {
                let access = declaration.access(role).expect("only visible types were kept");
                let mut rights: HashMap<&str, FieldRights> = HashMap::new();
                for (code, names) in &access.fields {
                    let right = FieldRights {
                        read: code.contains('r'),
                        create: code.contains('c'),
                        update: code.contains('u'),
                        once: code.contains('o'),
                    };
                    for name in names {
                        rights.insert(name, right);
                    }
                }
                let fields: Vec<(&'static str, &'static Field, FieldRights)> = declaration
                    .fields
                    .iter()
                    .filter_map(|(name, field)| Some((name.as_str(), field, *rights.get(name.as_str())?)))
                    .collect();
                Schema {
                    declaration,
                    base: root_of(version, declaration),
                    shown: order_of(&fields),
                    fields,
                    collection_methods: &access.collection,
                    resource_methods: &access.resource,
                    has_collection: access.collection_link,
                    actions: access
                        .actions
                        .iter()
                        .filter_map(|name| declaration.actions.get_key_value(name))
                        .map(|(name, action)| (name.as_str(), action))
                        .collect(),
                    links: declaration
                        .links
                        .iter()
                        .filter(|(_, link)| sees(&link.target))
                        .map(|(name, link)| (name.as_str(), link))
                        .collect(),
                    overrides: &access.overrides,
                }
            })
            .collect();
        let mut by_name = HashMap::new();
        for (index, schema) in all.iter().enumerate() {
            by_name.insert(schema.declaration.id.to_ascii_lowercase(), index);
            by_name.insert(schema.declaration.plural.to_ascii_lowercase(), index);
        }
        Self { version, role, all, by_name }
    }

    /// Every schema, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Schema> {
        self.all.iter()
    }

    /// Finds a schema by its singular or plural name in any case.
    pub fn find(&self, name: &str) -> Option<&Schema> {
        self.by_name
            .get(name)
            .or_else(|| self.by_name.get(&name.to_ascii_lowercase()))
            .map(|index| &self.all[*index])
    }

    /// Finds the schema under which an object of a type is shown: its own, or that of the nearest parent seen.
    pub fn shown_as(&self, name: &str) -> Option<&Schema> {
        if let Some(schema) = self.find(name) {
            return Some(schema);
        }
        let parent = declarations(self.version)
            .iter()
            .find(|declaration| declaration.id.eq_ignore_ascii_case(name))?
            .parent
            .as_deref()?;
        self.shown_as(parent)
    }

    /// The document of every schema, as `GET …/schemas` answers.
    pub fn document(&self, urls: &Urls) -> Value {
        json!({
            "type": "collection",
            "resourceType": "schema",
            "links": { "self": urls.collection("schemas") },
            "createTypes": {},
            "actions": {},
            "data": self.all.iter().map(|schema| schema.document(urls)).collect::<Vec<_>>(),
            "sortLinks": {},
            "pagination": null,
            "sort": null,
            "filters": {},
            "createDefaults": {},
        })
    }
}

/// The root of a type's family.
fn root_of(version: Version, declaration: &'static Declaration) -> &'static str {
    let mut id = declaration.id.as_str();
    while let Some(parent) = declarations(version)
        .iter()
        .find(|declaration| declaration.id == id)
        .and_then(|declaration| declaration.parent.as_deref())
    {
        id = parent;
    }
    id
}

/// What a document begins with, then the others as they are declared. What every document has stands before all.
fn order_of(fields: &[(&'static str, &'static Field, FieldRights)]) -> Vec<usize> {
    let place = |name: &str| fields.iter().position(|(field, ..)| *field == name);
    let first: Vec<usize> = ["name", "state"].into_iter().filter_map(place).collect();
    let framed = |index: &usize| matches!(fields[*index].0, "id" | "type" | "baseType" | "links" | "actions");
    let rest = (0..fields.len()).filter(|index| !first.contains(index) && !framed(index));
    first.iter().copied().chain(rest).collect()
}

impl Schema {
    /// Finds a field by its exact name.
    pub fn field(&self, name: &str) -> Option<(&'static Field, FieldRights)> {
        self.fields.iter().find(|(field, ..)| *field == name).map(|(_, field, rights)| (*field, *rights))
    }

    /// Whether the collection takes a method.
    pub fn collection_takes(&self, method: &str) -> bool {
        self.collection_methods.iter().any(|known| known == method)
    }

    /// Whether one object takes a method.
    pub fn resource_takes(&self, method: &str) -> bool {
        self.resource_methods.iter().any(|known| known == method)
    }

    /// The fields that a list can be filtered and sorted by, with their modifiers.
    pub fn filters(&self) -> impl Iterator<Item = (&'static str, &'static [Modifier])> {
        self.declaration.filters.iter().filter_map(|name| {
            // A role that cannot see a field must not learn it by filtering either.
            let (field, _) = self.field(name)?;
            let modifiers = match self.declaration.modifiers.get(name) {
                Some(special) => special.as_slice(),
                None => field.kind.modifiers(),
            };
            Some((name.as_str(), modifiers))
        })
    }

    /// The links that `include=` understands for this role.
    pub fn includeable_links(&self) -> impl Iterator<Item = &'static str> {
        self.declaration
            .includeable_links
            .iter()
            .map(String::as_str)
            .filter(|name| self.links.contains_key(name))
    }

    /// The document of the schema.
    pub fn document(&self, urls: &Urls) -> Value {
        let declaration = self.declaration;
        let mut links = Map::new();
        links.insert("self".to_owned(), urls.resource("schemas", &declaration.id).into());
        if self.has_collection {
            links.insert("collection".to_owned(), urls.collection(&declaration.plural).into());
        }
        let actions: Map<String, Value> = self
            .actions
            .iter()
            .map(|(name, action)| {
                ((*name).to_owned(), json!({ "input": action.input, "output": action.output }))
            })
            .collect();
        let filters: Map<String, Value> = self
            .filters()
            .map(|(name, modifiers)| {
                let names: Vec<_> = modifiers.iter().map(|modifier| modifier.name()).collect();
                (name.to_owned(), json!({ "modifiers": names }))
            })
            .collect();
        let fields: Map<String, Value> = self
            .fields
            .iter()
            .map(|(name, field, rights)| {
                let mut document = field_document(field, *rights);
                if let Some(overrides) = self.overrides.get(*name) {
                    document.extend(overrides.clone());
                }
                ((*name).to_owned(), Value::Object(document))
            })
            .collect();
        json!({
            "id": declaration.id,
            "type": "schema",
            "baseType": "schema",
            "links": links,
            "actions": {},
            "pluralName": declaration.plural,
            "resourceMethods": self.resource_methods,
            "collectionMethods": self.collection_methods,
            "resourceActions": actions,
            "collectionActions": {},
            "collectionFields": {},
            "collectionFilters": filters,
            "includeableLinks": self.includeable_links().collect::<Vec<_>>(),
            "resourceFields": fields,
        })
    }
}

fn field_document(field: &Field, rights: FieldRights) -> Map<String, Value> {
    let mut document = Map::new();
    document.insert("type".to_owned(), field.kind.to_string().into());
    document.insert("description".to_owned(), Value::Null);
    document.insert("create".to_owned(), rights.create.into());
    document.insert("update".to_owned(), rights.update.into());
    for (name, set) in [("required", field.required), ("nullable", field.nullable), ("unique", field.unique)]
    {
        if set {
            document.insert(name.to_owned(), true.into());
        }
    }
    document.insert("readOnCreateOnly".to_owned(), rights.once.into());
    if let Some(default) = &field.default {
        document.insert("default".to_owned(), default.clone());
    }
    for (name, limit) in [("minLength", field.min_length), ("maxLength", field.max_length)] {
        if let Some(limit) = limit {
            document.insert(name.to_owned(), limit.into());
        }
    }
    for (name, limit) in [("min", field.min), ("max", field.max)] {
        if let Some(limit) = limit {
            document.insert(name.to_owned(), limit.into());
        }
    }
    if !field.options.is_empty() {
        document.insert("options".to_owned(), field.options.clone().into());
    }
    for (name, chars) in [("validChars", &field.valid_chars), ("invalidChars", &field.invalid_chars)] {
        if let Some(chars) = chars {
            document.insert(name.to_owned(), chars.clone().into());
        }
    }
    document
}
