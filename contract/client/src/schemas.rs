//! What the server says it offers to this caller.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// One type as the server declares it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SchemaInfo {
    /// The name of the type.
    pub id: String,
    /// The name of its collection.
    pub plural_name: Option<String>,
    /// The verbs of one object.
    pub resource_methods: Option<Vec<String>>,
    /// The verbs of the collection.
    pub collection_methods: Option<Vec<String>>,
    /// The fields.
    pub resource_fields: Option<BTreeMap<String, Value>>,
    /// The actions.
    pub resource_actions: Option<BTreeMap<String, Value>>,
}

impl SchemaInfo {
    /// Whether callers of this role may create such objects.
    pub fn can_create(&self) -> bool {
        self.collection_methods.iter().flatten().any(|method| method == "POST")
    }

    /// Whether the type has a field.
    pub fn has_field(&self, name: &str) -> bool {
        self.resource_fields.as_ref().is_some_and(|fields| fields.contains_key(name))
    }
}

/// All types that the server offers to this caller, by name.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    types: BTreeMap<String, SchemaInfo>,
}

impl Schemas {
    pub(crate) fn new(types: Vec<SchemaInfo>) -> Self {
        Self { types: types.into_iter().map(|schema| (schema.id.to_lowercase(), schema)).collect() }
    }

    /// Finds a type by its name, in any letter case.
    pub fn get(&self, name: &str) -> Option<&SchemaInfo> {
        self.types.get(&name.to_lowercase())
    }

    /// The names of all types.
    pub fn names(&self) -> BTreeSet<&str> {
        self.types.values().map(|schema| schema.id.as_str()).collect()
    }
}
