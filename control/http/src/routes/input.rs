//! Bodies and fields of inputs.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use contract_api::{ErrorCode, IdError, parse_reference};
use contract_values::{Id, Secret, Timestamp};
use serde_json::{Map, Value};

use crate::app::AppError;

/// The largest body.
pub const MOST_BYTES: usize = 8 << 20;
/// The largest body of somebody who has not proved who they are.
pub const MOST_BYTES_UNKNOWN: usize = 64 << 10;
/// The largest form.
const MOST_FORM_BYTES: usize = 100 << 10;

/// Reads the object in a body. Nothing, `null` and blanks are the empty object. Programs that send no content type
/// mean JSON.
///
/// # Errors
/// [`ErrorCode::InvalidBodyContent`] for anything else.
pub fn object_of(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, AppError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if kind == "multipart/form-data" {
        return Err(AppError::new(ErrorCode::UnsupportedMediaType, "send the fields as JSON"));
    }
    // `curl -d` says that it sends a form whatever it sends, so what looks like JSON is JSON.
    let looks_like_json = body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|b| *b == b'{');
    if kind == "application/x-www-form-urlencoded" && !looks_like_json && body != b"null" {
        if body.len() > MOST_FORM_BYTES {
            return Err(AppError::new(
                ErrorCode::TooLarge,
                "a form may have 100 KB; send larger ones as JSON",
            ));
        }
        let pairs = form_urlencoded::parse(body);
        return Ok(pairs.map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect());
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(AppError::new(ErrorCode::InvalidBodyContent, "the body is JSON but no object")),
        Err(error) => Err(AppError::new(
            ErrorCode::InvalidBodyContent,
            format!("the body is no JSON: line {}, column {}", error.line(), error.column()),
        )),
    }
}

/// Reads fields of a checked input.
pub struct Fields<'a>(pub &'a Map<String, Value>);

impl Fields<'_> {
    /// A text; empty counts as absent.
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// [`ErrorCode::MissingRequired`].
    pub fn required(&self, name: &str) -> Result<String, AppError> {
        self.text(name)
            .ok_or_else(|| AppError::field(ErrorCode::MissingRequired, name, format!("`{name}` is missing")))
    }

    /// A text that may be cleared: `None` when it is not given at all.
    pub fn change(&self, name: &str) -> Option<Option<String>> {
        self.0.contains_key(name).then(|| self.text(name))
    }

    /// A secret text.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::new)
    }

    /// True or false.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    /// A count.
    ///
    /// # Errors
    /// [`ErrorCode::MaxLimitExceeded`] when it is out of all proportion.
    pub fn count(&self, name: &str) -> Result<Option<u32>, AppError> {
        match self.0.get(name).and_then(Value::as_i64) {
            None => Ok(None),
            Some(number) => u32::try_from(number).map(Some).map_err(|_| {
                let code = if number < 0 { ErrorCode::MinLimitExceeded } else { ErrorCode::MaxLimitExceeded };
                AppError::field(code, name, format!("`{name}` is {number}, which is out of range"))
            }),
        }
    }

    /// A date.
    pub fn date(&self, name: &str) -> Option<Timestamp> {
        match self.0.get(name)? {
            Value::Number(at) => at.as_i64().map(Timestamp),
            Value::String(text) => contract_api::parse_date(text),
            _ => None,
        }
    }

    /// A map of texts.
    pub fn texts(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let Value::Object(members) = self.0.get(name)? else { return None };
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Some(members.iter().map(|(key, value)| (key.clone(), text(value))).collect())
    }

    /// An object.
    pub fn object(&self, name: &str) -> Option<Map<String, Value>> {
        match self.0.get(name)? {
            Value::Object(members) => Some(members.clone()),
            _ => None,
        }
    }

    /// A list.
    pub fn list(&self, name: &str) -> &[Value] {
        match self.0.get(name) {
            Some(Value::Array(items)) => items,
            _ => &[],
        }
    }

    /// A reference to an object of a kind.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidReference`] for an id of another kind.
    pub fn reference<K: contract_api::ApiKind>(&self, name: &str) -> Result<Option<Id<K>>, AppError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        parse_reference::<K>(&text).map(Some).map_err(|_: IdError| {
            AppError::field(
                ErrorCode::InvalidReference,
                name,
                format!("`{name}` is `{text}`, which is no id of the form {}7", K::PREFIX),
            )
        })
    }
}
