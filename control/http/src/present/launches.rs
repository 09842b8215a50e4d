//! What containers of one service have in common, worked out once.
//!
//! Most of a container's document says how it was launched, and the copies of a service were launched alike. A long
//! list would make the same fifty fields over and over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use contract_values::ServiceId;
use control_model::{Container, Origin, Row};
use serde_json::{Map, Value};

use crate::launch::config_of;
use crate::present::rows::object;

/// So many services are remembered; then all are forgotten, which costs no more than making each once again.
const MOST: usize = 2048;

type Known = (Arc<Row<Container>>, Arc<Map<String, Value>>);

/// The fields of the launch of each service's containers.
#[derive(Debug, Default)]
pub struct Launches {
    known: Mutex<BTreeMap<(ServiceId, u32), Known>>,
}

impl Launches {
    /// The fields that say how a container was launched.
    pub fn fields(&self, row: &Arc<Row<Container>>) -> Arc<Map<String, Value>> {
        let Origin::Service { service, launch_version, .. } = &row.intent.origin else {
            return Arc::new(made(row));
        };
        let key = (*service, *launch_version);
        let mut known = self.known.lock().expect("nothing panics while it holds the lock");
        // Copies may differ all the same, so what is remembered is compared and not believed.
        if let Some((sample, fields)) = known.get(&key)
            && sample.intent.launch == row.intent.launch
        {
            return fields.clone();
        }
        let fields = Arc::new(made(row));
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, (row.clone(), fields.clone()));
        fields
    }
}

fn made(row: &Row<Container>) -> Map<String, Value> {
    match object(&config_of(&row.intent.launch)) {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}
