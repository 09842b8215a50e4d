//! Requests and answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use contract_values::Secret;
use reqwest::{Method, Url, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::address::ServerAddress;
use crate::error::{ApiError, ClientError};
use crate::objects::{Meta, Object, Resource};
use crate::proxy::Proxies;
use crate::retry::{Backoff, spread};
use crate::schemas::{SchemaInfo, Schemas};
use contract_tls::{ServerCertificate, Trust, distrust, trust_nobody};

/// How often a request without effect is sent before its failure is told.
const TRIES: u32 = 3;
/// Pages of a list are this long, the longest that servers give.
const PAGE: &str = "3000";

/// Who is asking.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    None,
    /// A pair of keys, or a user name and password.
    Keys {
        /// The public half.
        access: String,
        /// The secret half.
        secret: Secret,
    },
    /// A signed token.
    Bearer(Secret),
}

/// How to reach a server.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where it is.
    pub address: ServerAddress,
    /// Who is asking.
    pub credentials: Credentials,
    /// Whom to believe.
    pub trust: Trust,
    /// The proxies of this machine.
    pub proxies: Proxies,
    /// Counts the requests that may have changed something.
    pub orders: Option<Arc<AtomicU64>>,
    /// How long one request may take.
    pub timeout: Duration,
    /// The name of the program, for the server's log.
    pub user_agent: String,
}

impl ClientOptions {
    /// The usual options for a server.
    pub fn new(address: ServerAddress, credentials: Credentials) -> Self {
        Self {
            address,
            credentials,
            trust: Trust::System,
            proxies: Proxies::default(),
            orders: None,
            timeout: Duration::from_secs(30),
            user_agent: concat!("lariat/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Filters and options of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Everything that is not removed.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only where a field has a value.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<String>) -> Self {
        self.pairs.push((field.to_owned(), value.into()));
        self
    }

    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }
}

/// A client of one server, seen from one environment or from the root. Clones share connections.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    project: Option<Arc<str>>,
    schemas: Arc<OnceCell<Schemas>>,
}

struct Shared {
    http: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
    options: ClientOptions,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({}, {:?})", self.shared.options.address, self.project)
    }
}

impl Client {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// Fails if the trust settings or the proxy cannot be used.
    pub fn new(options: ClientOptions) -> Result<Self, ClientError> {
        let tls = if options.address.is_tls() { options.trust.client_config()? } else { trust_nobody()? };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .user_agent(&options.user_agent)
            .connect_timeout(Duration::from_secs(10))
            .timeout(options.timeout)
            // The library would ask the process's own variables; who makes a client says which count.
            .no_proxy()
            // A redirect would carry keys to where nobody asked.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(proxy) = options.proxies.for_reqwest(&options.address)? {
            builder = builder.proxy(proxy);
        }
        let http = builder.build().map_err(|source| ClientError::Unreachable {
            url: options.address.to_string(),
            source: Box::new(source),
        })?;
        let project = options.address.project().map(Arc::from);
        let shared = Shared { http, tls: Arc::new(tls), options };
        Ok(Self { shared: Arc::new(shared), project, schemas: Arc::default() })
    }

    /// The same server seen from an environment.
    #[must_use]
    pub fn in_project(&self, id: &str) -> Self {
        Self { shared: Arc::clone(&self.shared), project: Some(Arc::from(id)), schemas: Arc::default() }
    }

    /// The same server seen from outside all environments.
    #[must_use]
    pub fn at_root(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), project: None, schemas: Arc::default() }
    }

    /// The environment that this client sees.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Where the server is.
    pub fn address(&self) -> &ServerAddress {
        &self.shared.options.address
    }

    /// Whom this client believes.
    pub fn trust(&self) -> &Trust {
        &self.shared.options.trust
    }

    pub(crate) fn url(&self, at_root: bool, parts: &[&str]) -> Url {
        let mut all = vec!["v2-beta"];
        if let (Some(project), false) = (&self.project, at_root) {
            all.extend(["projects", project]);
        }
        all.extend_from_slice(parts);
        self.address().url(&all)
    }

    /// Asks for the version of the server; works without keys.
    ///
    /// # Errors
    /// Fails if nobody answers.
    pub async fn server_version(&self) -> Result<Option<String>, ClientError> {
        let url = self.address().url(&["ping"]);
        let response = self.send_once(&Method::GET, &url, None).await?;
        Ok(response.headers().get("x-rancher-version").and_then(|v| v.to_str().ok()).map(str::to_owned))
    }

    /// The types that the server offers here; asked for once.
    ///
    /// # Errors
    /// As any request.
    pub async fn schemas(&self) -> Result<&Schemas, ClientError> {
        self.schemas
            .get_or_try_init(|| async {
                let url = self.url(false, &["schemas"]);
                Ok(Schemas::new(self.pages::<SchemaInfo>(url).await?))
            })
            .await
    }

    /// All objects of a type that pass the filters, over all pages.
    ///
    /// # Errors
    /// As any request.
    pub async fn list<T: Object>(&self, query: &Query) -> Result<Vec<T>, ClientError> {
        self.list_as(T::PLURAL, T::AT_ROOT, query).await
    }

    /// All objects of a type that is only known by name.
    ///
    /// # Errors
    /// As any request.
    pub async fn list_resources(&self, plural: &str, query: &Query) -> Result<Vec<Resource>, ClientError> {
        self.list_as(plural, false, query).await
    }

    pub(crate) async fn list_as<T: DeserializeOwned>(
        &self,
        plural: &str,
        at_root: bool,
        query: &Query,
    ) -> Result<Vec<T>, ClientError> {
        let mut url = self.url(at_root, &[plural]);
        url.query_pairs_mut().append_pair("limit", PAGE).extend_pairs(&query.pairs);
        self.pages(url).await
    }

    async fn pages<T: DeserializeOwned>(&self, first: Url) -> Result<Vec<T>, ClientError> {
        #[derive(serde::Deserialize)]
        struct Page<T> {
            data: Vec<T>,
            #[serde(default)]
            pagination: Option<Pagination>,
        }
        #[derive(serde::Deserialize)]
        struct Pagination {
            #[serde(default)]
            next: Option<String>,
        }
        let mut all = Vec::new();
        let mut next = Some(first);
        while let Some(url) = next {
            let page: Page<T> = self.ask(&Method::GET, &url, None).await?;
            all.extend(page.data);
            next = page
                .pagination
                .and_then(|pagination| pagination.next)
                .and_then(|link| self.address().rebase(&link))
                // A server that points at the page itself would never end.
                .filter(|link| *link != url);
        }
        Ok(all)
    }

    /// One object by its id.
    ///
    /// # Errors
    /// As any request; an id that is not there, or is another object's, is `None`.
    pub async fn find<T: Object>(&self, id: &str) -> Result<Option<T>, ClientError> {
        let url = self.url(T::AT_ROOT, &[T::PLURAL, id]);
        match self.ask::<T>(&Method::GET, &url, None).await {
            // The wire does not check the letters of an id: `1i5` finds service `1s5`.
            Ok(found) => Ok(Some(found).filter(|found| found.meta().id.eq_ignore_ascii_case(id))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One object by its id, which was seen before.
    ///
    /// # Errors
    /// As any request; also if it is gone.
    pub async fn get<T: Object>(&self, id: &str) -> Result<T, ClientError> {
        self.ask(&Method::GET, &self.url(T::AT_ROOT, &[T::PLURAL, id]), None).await
    }

    /// One object again, with all its fields.
    ///
    /// # Errors
    /// As any request; also if it is gone.
    pub async fn get_resource(&self, plural: &str, id: &str) -> Result<Resource, ClientError> {
        self.ask(&Method::GET, &self.url(false, &[plural, id]), None).await
    }

    /// The objects of a type with a name.
    ///
    /// # Errors
    /// As any request.
    pub async fn named<T: Object>(&self, name: &str) -> Result<Vec<T>, ClientError> {
        self.list(&Query::all().with("name", name)).await
    }

    /// Creates an object.
    ///
    /// # Errors
    /// As any request; what is wrong with the input is an [`ApiError`].
    pub async fn create<T: Object>(&self, input: &Value) -> Result<T, ClientError> {
        self.ask(&Method::POST, &self.url(T::AT_ROOT, &[T::PLURAL]), Some(input)).await
    }

    /// Changes the given fields of an object.
    ///
    /// # Errors
    /// As any request; what is wrong with the input is an [`ApiError`].
    pub async fn update<T: Object>(&self, object: &T, input: &Value) -> Result<T, ClientError> {
        let url = self.url(T::AT_ROOT, &[T::PLURAL, &object.meta().id]);
        self.ask(&Method::PUT, &url, Some(input)).await
    }

    /// Removes an object; the answer shows it on its way out.
    ///
    /// # Errors
    /// As any request.
    pub async fn delete<T: Object>(&self, object: &T) -> Result<(), ClientError> {
        let url = self.url(T::AT_ROOT, &[T::PLURAL, &object.meta().id]);
        self.send(&Method::DELETE, &url, None).await.map(drop)
    }

    /// Does what an object offers, and reads the answer as `A`.
    ///
    /// # Errors
    /// As any request; an action that the object does not offer now is refused here.
    pub async fn action<T: Object, A: DeserializeOwned>(
        &self,
        object: &T,
        action: &str,
        input: Option<&Value>,
    ) -> Result<A, ClientError> {
        let link = self.action_url(object.meta(), action)?;
        self.ask(&Method::POST, &link, input).await
    }

    /// Does what an object offers.
    ///
    /// # Errors
    /// As [`Client::action`].
    pub async fn act<T: Object>(
        &self,
        object: &T,
        action: &str,
        input: Option<&Value>,
    ) -> Result<(), ClientError> {
        let link = self.action_url(object.meta(), action)?;
        self.send(&Method::POST, &link, input).await.map(drop)
    }

    pub(crate) fn action_url(&self, meta: &Meta, action: &str) -> Result<Url, ClientError> {
        meta.actions.get(action).and_then(|link| self.address().rebase(link)).ok_or_else(|| {
            ClientError::ActionNotOffered {
                action: action.to_owned(),
                object: format!("{} `{}`", meta.kind, meta.title()),
                state: meta.state.clone(),
            }
        })
    }

    /// Follows a link of an object and reads the answer as `A`.
    ///
    /// # Errors
    /// As any request; a link that the object does not have is refused here.
    pub async fn follow<A: DeserializeOwned>(&self, meta: &Meta, link: &str) -> Result<A, ClientError> {
        let url = meta.links.get(link).and_then(|link| self.address().rebase(link)).ok_or_else(|| {
            ClientError::ActionNotOffered {
                action: link.to_owned(),
                object: format!("{} `{}`", meta.kind, meta.title()),
                state: meta.state.clone(),
            }
        })?;
        self.ask(&Method::GET, &url, None).await
    }

    /// Changes a user name and password into a token.
    ///
    /// # Errors
    /// As any request; wrong ones are an [`ApiError`] with status 401.
    pub async fn sign_in(&self, user: &str, password: &Secret) -> Result<Credentials, ClientError> {
        #[derive(serde::Deserialize)]
        struct Token {
            jwt: Secret,
        }
        let code = format!("{user}:{}", password.expose());
        let body = serde_json::json!({ "code": code });
        let url = self.url(true, &["token"]);
        Ok(Credentials::Bearer(self.ask::<Token>(&Method::POST, &url, Some(&body)).await?.jwt))
    }

    /// The same server, asked by somebody else.
    #[must_use]
    pub fn with_credentials(&self, credentials: Credentials) -> Self {
        let options = ClientOptions { credentials, ..self.shared.options.clone() };
        let shared = Shared { http: self.shared.http.clone(), tls: Arc::clone(&self.shared.tls), options };
        Self { shared: Arc::new(shared), project: self.project.clone(), schemas: Arc::default() }
    }

    /// Looks at the certificate of the server, which must pass this client's trust. `None` without TLS.
    ///
    /// # Errors
    /// Fails if the server cannot be reached or is not believed.
    pub async fn server_certificate(&self) -> Result<Option<ServerCertificate>, ClientError> {
        if !self.address().is_tls() {
            return Ok(None);
        }
        let shared = &self.shared;
        let url = self.address().to_string();
        let name = rustls::pki_types::ServerName::try_from(self.address().host().to_owned())
            .map_err(|error| ClientError::Untrusted { url: url.clone(), what: error.to_string() })?;
        let io = shared.options.proxies.connect(self.address()).await?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&shared.tls));
        let stream = connector.connect(name, io).await.map_err(|error| match distrust(&error) {
            Some(what) => ClientError::Untrusted { url, what },
            None => ClientError::Unreachable { url, source: Box::new(error) },
        })?;
        let (_, session) = stream.get_ref();
        Ok(session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .and_then(|certificate| ServerCertificate::read(certificate)))
    }

    pub(crate) async fn ask<A: DeserializeOwned>(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<A, ClientError> {
        let bytes = self.send(method, url, body).await?;
        serde_json::from_slice(&bytes)
            .map_err(|source| ClientError::Answer { request: shown(method, url), source: Box::new(source) })
    }

    /// Sends a request. One without effect is repeated while the server is away or busy; any other only if it cannot
    /// have reached the server.
    pub(crate) async fn send(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<bytes::Bytes, ClientError> {
        let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(3));
        for round in 1.. {
            let error = match self.send_once(method, url, body).await {
                Ok(response) => match response.bytes().await {
                    Ok(bytes) => return Ok(bytes),
                    Err(source) => self.failure(source),
                },
                Err(error) => error,
            };
            let safe = *method == Method::GET && error.is_passing();
            let never_arrived = matches!(error, ClientError::Unreachable { .. });
            if round >= TRIES || !(safe || never_arrived) {
                return Err(error);
            }
            tracing::debug!(request = shown(method, url), "the request failed and is repeated");
            tokio::time::sleep(backoff.next(spread())).await;
        }
        unreachable!("the last round returns")
    }

    async fn send_once(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<reqwest::Response, ClientError> {
        let mut request = self.signed(self.shared.http.request(method.clone(), url.clone()));
        if let Some(body) = body {
            request = request.json(body);
        }
        let request = request.header(header::ACCEPT, "application/json");
        if let Some(orders) = self.shared.options.orders.as_ref().filter(|_| *method != Method::GET) {
            orders.fetch_add(1, Ordering::Relaxed);
        }
        let begun = tokio::time::Instant::now();
        let response = request.send().await.map_err(|error| self.failure(error))?;
        tracing::debug!(
            request = shown(method, url),
            status = response.status().as_u16(),
            milliseconds = begun.elapsed().as_millis(),
            "asked the server"
        );
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response, method, url).await)
    }

    fn signed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.shared.options.credentials {
            Credentials::None => request,
            Credentials::Keys { access, secret } => request.basic_auth(access, Some(secret.expose())),
            Credentials::Bearer(token) => request.bearer_auth(token.expose()),
        }
    }

    /// Asks for a WebSocket; an answer that is none is an error.
    pub(crate) async fn upgrade(
        &self,
        url: &Url,
        with_keys: bool,
        key: &str,
        protocol: Option<&'static str>,
    ) -> Result<reqwest::Response, ClientError> {
        let mut request = self.shared.http.get(url.clone());
        if with_keys {
            request = self.signed(request);
        }
        if let Some(protocol) = protocol {
            request = request.header(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        let request = request
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, key);
        let response = request.send().await.map_err(|error| self.failure(error))?;
        if response.status() == reqwest::StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        Err(refusal(response, &Method::GET, url).await)
    }

    fn failure(&self, error: reqwest::Error) -> ClientError {
        let url = self.address().to_string();
        if let Some(what) = distrust(&error) {
            return ClientError::Untrusted { url, what };
        }
        if error.is_connect() {
            return ClientError::Unreachable { url, source: innermost(error) };
        }
        if error.is_timeout() {
            return ClientError::TimedOut { url, seconds: self.shared.options.timeout.as_secs() };
        }
        ClientError::Socket { what: "a request", source: innermost(error) }
    }
}

async fn refusal(response: reqwest::Response, method: &Method, url: &Url) -> ClientError {
    let status = response.status().as_u16();
    let bytes = response.bytes().await.unwrap_or_default();
    ApiError::read(status, &bytes, shown(method, url)).into()
}

/// The library wraps the cause in sentences that say nothing; the cause itself is what helps.
fn innermost(error: reqwest::Error) -> Box<dyn std::error::Error + Send + Sync> {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        text = cause.to_string();
        next = cause.source();
    }
    text.into()
}

fn shown(method: &Method, url: &Url) -> String {
    format!("{method} {}", url.path())
}
