//! The API as people see it: the one declaration of its types, and the generic code that reads it.
//!
//! Each type is one file under `types/`: its fields, filters, links and actions, and what each role may do with
//! them. From it come the schema documents of `/v1` and `/v2-beta`, the check of every input, the rights, and the
//! form in which a resource is shown. A new type is a new file and a new handler, and nothing else.
//!
//! This crate must never do I/O and know no store: it turns values into documents and back. The other vocabularies
//! of the house are `control-model` and `contract-protocol`; `control-http` translates between them and this one.

mod compatibility;
mod date;
mod declaration;
mod error;
mod field_type;
mod id;
pub mod launch;
mod openapi;
mod query;
mod resource;
mod role;
mod schema;
mod url;
mod validate;

pub use compatibility::{NO_REASON, Standing, TypeStanding, compatibility};
pub use date::parse_date;
pub use declaration::{Access, Action, Declaration, Field, Link, LinkKind, declarations, v1_name};
pub use error::{ErrorCode, ErrorDocument, Invalid};
pub use field_type::{FieldType, FieldTypeError, Modifier};
pub use id::{ApiId, ApiKind, IdError, format_id, parse_id, parse_reference};
pub use openapi::openapi;
pub use query::{DEFAULT_LIMIT, Filter, ListQuery, MAX_LIMIT, Sort, compare_values, like, parse_boolean};
pub use resource::{
    Collection, Pagination, Resource, Row, Showing, canonical_field, collection, in_version, show, write,
};
pub use role::{Role, Version};
pub use schema::{FieldRights, Schema, Schemas};
pub use url::Urls;
pub use validate::{Purpose, validate, validate_input};

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
