//! Who asks, and what that lets them do.
//!
//! A caller proves who they are with a pair of keys, a session, a registration token or an agent's keys; then the
//! scope (the root or a project) and the membership there give the role, and the role's schemas are the rights.

pub mod limit;
pub mod proxies;
pub mod scope;
pub mod secret;
pub mod token;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contract_values::{AccountId, CredentialId, HostId, ProjectId, Timestamp};
use control_model::state::credential_usable;
use control_model::{AccountKind, Credential, CredentialKind, Row, Tables};

use crate::Shared;
use crate::app::{AppError, ErrorCode};
use token::Purpose;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// A person or program with an account.
    Account {
        /// The account.
        id: AccountId,
        /// Its rights outside projects.
        kind: AccountKind,
        /// The key, password or session by which it proved that.
        credential: CredentialId,
    },
    /// A key that belongs to a project itself.
    ProjectKey {
        /// The project.
        project: ProjectId,
        /// The key.
        credential: CredentialId,
    },
    /// Somebody with a registration token.
    Registration {
        /// The project that hosts may join.
        project: ProjectId,
        /// The token.
        credential: CredentialId,
    },
    /// The agent of a host.
    Agent {
        /// The host.
        host: HostId,
        /// Its project.
        project: ProjectId,
    },
}

/// What a request says about who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing.
    None,
    /// A public and a secret value.
    Pair {
        /// The public value.
        public: String,
        /// The secret value.
        secret: contract_values::Secret,
    },
    /// A signed session.
    Session {
        /// The JWT.
        jwt: contract_values::Secret,
        /// Whether a browser sent it by itself, so that another site may have made it do so.
        by_cookie: bool,
    },
    /// Something that cannot be read.
    Malformed,
}

/// Finds what a request says about who asks, and the project that its user name names.
pub fn proof_of(headers: &HeaderMap, query: &[(String, String)]) -> (Proof, Option<String>) {
    let secret = |text: &str| contract_values::Secret::new(text.to_owned());
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    if let Some(value) = given.next() {
        // Two identities in one request: something between us may have looked at the other one.
        if given.next().is_some() {
            return (Proof::Malformed, None);
        }
        let Ok(value) = value.to_str() else { return (Proof::Malformed, None) };
        let Some((scheme, rest)) = value.split_once(' ') else { return (Proof::Malformed, None) };
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            let pair = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let Some((public, private)) = pair.as_deref().and_then(|pair| pair.split_once(':')) else {
                return (Proof::Malformed, None);
            };
            if let Some(project) = public.strip_prefix("x-api-bearer=") {
                let proof = Proof::Session { jwt: secret(private), by_cookie: false };
                return (proof, Some(project.to_owned()));
            }
            return (Proof::Pair { public: public.to_owned(), secret: secret(private) }, None);
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            // A JWT has two dots and no colon; a pair of keys has a colon.
            return match rest.split_once(':') {
                Some((public, private)) => {
                    (Proof::Pair { public: public.to_owned(), secret: secret(private) }, None)
                }
                None => (Proof::Session { jwt: secret(rest), by_cookie: false }, None),
            };
        }
        return (Proof::Malformed, None);
    }
    if let Some((_, token)) = query.iter().find(|(name, _)| name == "token") {
        return (Proof::Session { jwt: secret(token), by_cookie: false }, None);
    }
    if let Some(token) = cookie(headers, "token") {
        return (Proof::Session { jwt: secret(&token), by_cookie: true }, None);
    }
    (Proof::None, None)
}

/// The value of a cookie.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
        .filter(|value| !value.is_empty())
}

/// Whether a browser made the request.
pub fn is_browser(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
        .is_some_and(|agent| agent.to_ascii_lowercase().contains("mozilla"))
}

/// Checks the proof.
///
/// # Errors
/// [`ErrorCode::Unauthorized`] when it does not hold, whatever the cause, so that a guesser learns nothing.
pub async fn authenticate(
    shared: &Shared,
    tables: &Tables,
    proof: &Proof,
    client_ip: std::net::IpAddr,
    now: Timestamp,
) -> Result<Caller, AppError> {
    match proof {
        Proof::None => Ok(Caller::Anonymous),
        Proof::Malformed => Err(unauthorized()),
        Proof::Pair { public, secret } if public == "registrationToken" => {
            Ok(registration(shared, tables, secret.expose(), now)?)
        }
        Proof::Pair { public, secret } => {
            let credential = usable(tables, public, now).filter(|credential| {
                matches!(
                    credential.intent.kind,
                    CredentialKind::ApiKey | CredentialKind::AgentKey | CredentialKind::Password
                )
            });
            let credential = match credential {
                Some(credential) => credential,
                None => return Err(unauthorized()),
            };
            if !secret_matches(shared, credential, secret.expose(), client_ip, now).await? {
                return Err(unauthorized());
            }
            caller_of(tables, credential).ok_or_else(unauthorized)
        }
        Proof::Session { jwt, .. } => {
            session(shared, tables, jwt.expose(), now).map(|(caller, _)| caller).ok_or_else(unauthorized)
        }
    }
}

/// The error of a wrong or missing proof.
pub fn unauthorized() -> AppError {
    AppError::new(
        ErrorCode::Unauthorized,
        "sign in, or give an API key as user name and password; keys are made under /apikeys",
    )
}

/// Finds a credential that may be used now.
fn usable<'a>(tables: &'a Tables, public: &str, now: Timestamp) -> Option<&'a Row<Credential>> {
    let credential = tables.credentials.by_unique(public)?;
    (!credential.is_going() && credential_usable(&credential.intent, now)).then_some(&**credential)
}

/// Compares a secret with its hash. Slow hashes are worked out on a thread of their own, only so many at a time,
/// and only so often.
///
/// # Errors
/// [`ErrorCode::TooManyRequests`] after too many wrong attempts.
pub async fn secret_matches(
    shared: &Shared,
    credential: &Row<Credential>,
    secret: &str,
    client_ip: std::net::IpAddr,
    now: Timestamp,
) -> Result<bool, AppError> {
    let hash = credential.intent.secret_hash.clone();
    if !secret::is_slow(&hash) {
        return Ok(secret::verify(secret, &hash));
    }
    let keys = [format!("name:{}", credential.intent.public_value), format!("ip:{client_ip}")];
    let right = limited(shared, &keys, now, {
        let secret = contract_values::Secret::new(secret.to_owned());
        move || secret::verify(secret.expose(), &hash)
    })
    .await?;
    Ok(right)
}

/// Does slow work on a password under the limits of guessing.
///
/// # Errors
/// [`ErrorCode::TooManyRequests`] after too many wrong attempts.
pub async fn limited(
    shared: &Shared,
    keys: &[String],
    now: Timestamp,
    check: impl FnOnce() -> bool + Send + 'static,
) -> Result<bool, AppError> {
    let allowed = || {
        shared.logins.check(keys, now).map_err(|wait| {
            AppError::new(
                ErrorCode::TooManyRequests,
                format!("too many wrong passwords; try again in {} seconds", (wait.0 + 999) / 1000),
            )
        })
    };
    allowed()?;
    let _permit = shared.slow_hashes.acquire().await.map_err(AppError::internal)?;
    // Many may have waited at the same time; those before may have been wrong.
    allowed()?;
    let right = tokio::task::spawn_blocking(check).await.map_err(AppError::internal)?;
    shared.logins.note(keys, right, now);
    Ok(right)
}

/// Reads a session and finds the account behind it.
pub fn session<'a>(
    shared: &Shared,
    tables: &'a Tables,
    jwt: &str,
    now: Timestamp,
) -> Option<(Caller, &'a Row<Credential>)> {
    let claims = shared.signer.read_jwt(Purpose::Session, jwt, now)?;
    let public = claims.get("sid")?.as_str()?;
    let credential = usable(tables, public, now)?;
    if credential.intent.kind != CredentialKind::Session {
        return None;
    }
    Some((caller_of(tables, credential)?, credential))
}

/// Why a registration token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTrouble {
    /// No project has given it out, or it was switched off or removed.
    Unknown,
    /// It has ended. Only who holds the whole token is told.
    Expired(Timestamp),
}

impl From<TokenTrouble> for AppError {
    fn from(trouble: TokenTrouble) -> Self {
        match trouble {
            TokenTrouble::Unknown => unauthorized(),
            TokenTrouble::Expired(at) => Self::new(ErrorCode::Unauthorized, token_expired(at)),
        }
    }
}

/// Says that a registration token has ended, and what to do.
pub fn token_expired(at: Timestamp) -> String {
    format!("this registration token expired at {at}; run `lariat hosts add` for a new command")
}

/// Reads a registration token.
///
/// # Errors
/// Says whether it has ended or never opened anything.
pub fn registration(
    shared: &Shared,
    tables: &Tables,
    token: &str,
    now: Timestamp,
) -> Result<Caller, TokenTrouble> {
    let public = token.split(':').next().unwrap_or_default();
    let credential = tables.credentials.by_unique(public).ok_or(TokenTrouble::Unknown)?;
    let intent = &credential.intent;
    let right = intent.kind == CredentialKind::RegistrationToken
        && shared.signer.is_registration(token, public, &intent.secret_hash)
        && !credential.is_going()
        && !intent.inactive;
    let project = intent.project.filter(|_| right).ok_or(TokenTrouble::Unknown)?;
    match intent.expires {
        Some(at) if at <= now => Err(TokenTrouble::Expired(at)),
        Some(_) | None => Ok(Caller::Registration { project, credential: credential.id }),
    }
}

fn caller_of(tables: &Tables, credential: &Row<Credential>) -> Option<Caller> {
    let intent = &credential.intent;
    if let Some(host) = intent.host {
        let row = tables.hosts.get(host).filter(|row| row.removed.is_none())?;
        return Some(Caller::Agent { host, project: row.intent.project? });
    }
    if let Some(account) = intent.account {
        let row = tables.accounts.get(account).filter(|row| !row.is_going() && !row.intent.inactive)?;
        return Some(Caller::Account { id: account, kind: row.intent.kind, credential: credential.id });
    }
    let project = intent.project?;
    tables.projects.get(project).filter(|row| !row.is_going())?;
    Some(Caller::ProjectKey { project, credential: credential.id })
}

#[cfg(test)]
mod tests;
