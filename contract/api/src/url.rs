//! The URLs that answers are full of. Clients follow them and never build them.

/// Builds links below one base: `<scheme>://<host>/<version>[/projects/<id>]`.
///
/// Links are lower-cased as a whole, because clients compare them so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    base: String,
}

impl Urls {
    /// Takes the base without a slash at its end.
    pub fn new(base: impl Into<String>) -> Self {
        let mut base: String = base.into();
        while base.ends_with('/') {
            base.pop();
        }
        base.make_ascii_lowercase();
        Self { base }
    }

    /// The base itself.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where the schemas of this scope are.
    pub fn schemas(&self) -> String {
        self.collection("schemas")
    }

    /// The list of a type, by its plural.
    pub fn collection(&self, plural: &str) -> String {
        format!("{}/{}", self.base, plural.to_ascii_lowercase())
    }

    /// One object.
    pub fn resource(&self, plural: &str, id: &str) -> String {
        format!("{}/{}/{}", self.base, plural.to_ascii_lowercase(), id.to_ascii_lowercase())
    }

    /// What an object is linked to.
    pub fn link(&self, plural: &str, id: &str, link: &str) -> String {
        format!("{}/{}", self.resource(plural, id), link.to_ascii_lowercase())
    }

    /// An action on an object; the slash before `?` is part of the form.
    pub fn action(&self, plural: &str, id: &str, action: &str) -> String {
        format!("{}/?action={}", self.resource(plural, id), action.to_ascii_lowercase())
    }
}
