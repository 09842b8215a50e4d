//! `lariat login` and `lariat logout`.

use std::path::PathBuf;

use clap::Args;
use contract_client::{
    ApiKey, Client, ClientError, Context, Credentials, Object as _, Query, ServerAddress, Trust,
    peek_certificate,
};
use contract_values::Secret;
use serde_json::json;

use super::rm::ask;
use crate::error::CliError;
use crate::session::{Session, list_projects, trust};

/// Sign in to a server and remember it
///
/// With a user name, a key is made on the server and kept; the password is not. Several servers are kept side by side, each
/// under a name, which --context gives; the last one is the current one.
#[derive(Debug, Args)]
pub struct Login {
    /// The server, such as http://host:8080
    server: String,
    /// The user name; it is asked for where it is not given
    #[arg(short, long, value_name = "NAME")]
    user: Option<String>,
    /// Read the password from the standard input
    #[arg(long, requires = "user")]
    password_stdin: bool,
    /// The public half of a key, instead of a user name
    #[arg(long, value_name = "KEY", conflicts_with = "user")]
    access_key: Option<String>,
    /// Read the secret half of the key from the standard input
    #[arg(long, requires = "access_key")]
    secret_key_stdin: bool,
}

impl Login {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let ca_file = match &session.globals.ca_file {
            Some(path) => Some(std::path::absolute(session.io.folder.join(path))?),
            None => None,
        };
        let client = self.trusted_client(session, ca_file.clone()).await?;
        let pin = match client.trust() {
            Trust::Pin(pin) => Some(pin.to_string()),
            Trust::System | Trust::CaFile(_) => None,
        };
        let (access_key, secret_key, key_id) = match &self.access_key {
            Some(access) => {
                let secret =
                    session.ask_secret(self.secret_key_stdin, "--secret-key-stdin", "Secret key: ")?;
                (access.clone(), secret, None)
            }
            None => self.make_key(session, &client).await?,
        };
        let known = client
            .with_credentials(Credentials::Keys { access: access_key.clone(), secret: secret_key.clone() });
        let projects = list_projects(&known).await?;
        let url = client.address().to_string();
        let context = Context {
            url: Some(url.clone()),
            access_key: Some(access_key),
            secret_key: Some(secret_key),
            environment: client.address().project().map(str::to_owned),
            pin,
            ca_file,
            key_id,
        };
        let chosen = context.environment.is_some();
        let wanted = session.globals.context.clone();
        let name = session.change_config(|file| {
            let name = wanted.unwrap_or_else(|| file.name_for(&url));
            file.contexts.insert(name.clone(), context);
            file.current = Some(name.clone());
            name
        })?;
        let path = session.config_path()?;
        session.note(&format!(
            "signed in to {} as the context {name}; the key is in {}",
            client.address(),
            path.display()
        ));
        if projects.len() > 1 && !chosen {
            session.note("there are several environments; choose one with `lariat env switch NAME`");
        }
        Ok(())
    }

    /// A client that believes the right server. A person may look at an unknown certificate and accept it.
    async fn trusted_client(&self, session: &Session, ca_file: Option<PathBuf>) -> Result<Client, CliError> {
        let given = session.globals.pin.clone().or_else(|| session.io.variable("LARIAT_PIN"));
        let wanted = trust(given.as_deref().filter(|pin| !pin.is_empty()), ca_file)?;
        let client = session.client_of(&self.server, Credentials::None, wanted.clone())?;
        match client.server_version().await {
            Err(ClientError::Untrusted { url, what })
                if wanted == Trust::System && session.io.in_is_terminal && session.io.err_is_terminal =>
            {
                let address =
                    ServerAddress::parse(&self.server).map_err(|error| CliError::usage(error.to_string()))?;
                let certificate = peek_certificate(&address, &session.proxies()).await?;
                session.io.say(&format!("No authority vouches for {url}: {what}."));
                session.io.say(&format!("Its certificate has the hash {}", certificate.pin));
                session.io.say("The server prints this hash at its start; compare the two.");
                ask(session, "Believe this certificate from now on?")?;
                session.client_of(&self.server, Credentials::None, Trust::Pin(certificate.pin))
            }
            Err(error @ (ClientError::Untrusted { .. } | ClientError::Unreachable { .. })) => {
                Err(error.into())
            }
            // Whatever else it answers, it is there.
            _ => Ok(client),
        }
    }

    async fn make_key(
        &self,
        session: &Session,
        client: &Client,
    ) -> Result<(String, Secret, Option<String>), CliError> {
        let user = match &self.user {
            Some(user) => user.clone(),
            None if session.io.in_is_terminal => {
                session.io.say_bytes(b"User name: ");
                session.io.read_line()?
            }
            None => {
                return Err(CliError::usage("nobody is there to be asked for a user name")
                    .hint("give --user NAME --password-stdin, or --access-key KEY --secret-key-stdin"));
            }
        };
        let password = session.ask_secret(self.password_stdin, "--password-stdin", "Password: ")?;
        let token = client.sign_in(&user, &password).await.map_err(|error| match error.api() {
            Some(api) if api.status == 401 => CliError::new("the user name or the password is wrong"),
            _ => error.into(),
        })?;
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let key: ApiKey = client
            .with_credentials(token)
            .create(&json!({
                "name": format!("lariat login on {}", machine.trim()),
                "description": "made by `lariat login`; `lariat logout` takes it back",
            }))
            .await?;
        let secret =
            key.secret_value.ok_or_else(|| CliError::new("the server gave no secret with the new key"))?;
        Ok((key.public_value, secret, Some(key.meta.id)))
    }
}

/// Forget a server and take back its key
#[derive(Debug, Args)]
pub struct Logout {
    /// Also forget what cannot be taken back, because the server is away
    #[arg(short, long)]
    force: bool,
}

impl Logout {
    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let file = session.config_file()?;
        // An address in a variable says nothing about whom to forget; a context does.
        let chosen = session.settings()?.context.map(|given| given.value);
        let Some((name, context)) = chosen.and_then(|name| {
            let context = file.contexts.get(&name)?.clone();
            Some((name, context))
        }) else {
            session.note("nobody is signed in");
            return Ok(());
        };
        let url = context.url.clone().unwrap_or_default();
        if let (Some(id), Some(access), Some(secret)) =
            (&context.key_id, &context.access_key, &context.secret_key)
        {
            let credentials = Credentials::Keys { access: access.clone(), secret: secret.clone() };
            let trust = trust(context.pin.as_deref(), context.ca_file.clone())?;
            let client = session.client_of(&url, credentials, trust)?;
            if let Err(error) = take_back(&client, id).await {
                if !self.force && error.what.starts_with("could not reach") {
                    return Err(error.hint("`lariat logout --force` forgets the key all the same"));
                }
                session.note(&format!("note: the key stays valid on the server: {}", error.what));
            }
        }
        session.change_config(|file| {
            file.contexts.remove(&name);
            if file.current.as_ref() == Some(&name) {
                file.current = None;
            }
        })?;
        session.note(&format!("signed out of {url}"));
        Ok(())
    }
}

async fn take_back(client: &Client, id: &str) -> Result<(), CliError> {
    let keys: Vec<ApiKey> = client.list(&Query::all()).await?;
    let Some(key) = keys.into_iter().find(|key| key.meta().id == id) else { return Ok(()) };
    if client.delete(&key).await.is_ok() {
        return Ok(());
    }
    // An active key is switched off first. After that it cannot even remove itself, and need not.
    Ok(client.act(&key, "deactivate", None).await?)
}
