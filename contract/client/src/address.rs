//! The address of a server as people write it, and the URLs made from it.

use reqwest::Url;

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address of a server: {why}")]
pub struct AddressError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// Where a server is: `http://host:8080`, with or without the path of an API version and of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    root: Url,
    project: Option<String>,
}

impl ServerAddress {
    /// Reads what clients of this API are given: the server alone, an API version, an environment or its schemas.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let fail = |why: &str| AddressError { text: text.to_owned(), why: why.to_owned() };
        let text_with_scheme = match text.trim() {
            "" => return Err(fail("it is empty")),
            text if text.contains("://") => text.to_owned(),
            text => format!("http://{text}"),
        };
        let mut url = Url::parse(&text_with_scheme).map_err(|error| fail(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(fail("only http:// and https:// are spoken"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(fail("it names no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fail("keys do not belong into the address"));
        }
        url.set_query(None);
        url.set_fragment(None);
        let parts: Vec<String> = url.path().split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect();
        let version = parts.iter().position(|part| matches!(part.as_str(), "v1" | "v2-beta"));
        let (prefix, rest) = match version {
            Some(at) => (&parts[..at], &parts[at + 1..]),
            None => (&parts[..], &[][..]),
        };
        let project = match rest {
            [projects, id, ..] if projects.eq_ignore_ascii_case("projects") => Some(id.clone()),
            _ => None,
        };
        url.set_path(&prefix.join("/"));
        Ok(Self { root: url, project })
    }

    /// The environment that the address names.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Whether the way to the server is encrypted.
    pub fn is_tls(&self) -> bool {
        self.root.scheme() == "https"
    }

    /// The host as it stands in the address, without brackets.
    pub fn host(&self) -> &str {
        self.root.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.root.port_or_known_default().unwrap_or(80)
    }

    /// The host and port as the `Host` header has them.
    pub fn authority(&self) -> String {
        let host = self.root.host_str().unwrap_or_default();
        match self.root.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// The URL of a path below the server, given as single parts.
    pub(crate) fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.root.clone();
        url.path_segments_mut().expect("http URLs have paths").pop_if_empty().extend(parts);
        url
    }

    /// Takes the path and query of a link, and puts them on this server: keys never travel to another one.
    pub(crate) fn rebase(&self, link: &str) -> Option<Url> {
        let given = Url::parse(link).ok()?;
        let mut url = self.root.clone();
        url.set_path(given.path());
        url.set_query(given.query());
        Some(url)
    }
}

impl std::fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.root.as_str().trim_end_matches('/'))
    }
}
