//! What commands do to objects of any type that is known by its name: find, list, remove, act.

use contract_client::{Client, Collection, Query, Resource};
use serde_json::{Map, Value};

use crate::commands::lifecycle::Waiting;
use crate::error::CliError;
use crate::output::{Listing, ago, colour_of, or_dash};
use crate::session::Session;

/// A type of object, in the words of the API and of people.
#[derive(Clone, Copy, Debug)]
pub struct Thing {
    /// Its collection.
    pub collection: Collection,
    /// The word for one.
    pub word: &'static str,
    /// The word for many.
    pub words: &'static str,
    /// The columns of its list.
    pub columns: &'static [Column],
}

/// A column of a list.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub heading: &'static str,
    /// Its name for programs, which is that of the field.
    pub field: &'static str,
    /// How the field is shown.
    pub show: Show,
}

/// How a field is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// As it is.
    Plain,
    /// In the colour of the object's state.
    State,
    /// How long ago it was, of a number of milliseconds since 1970.
    Age,
    /// `yes` or `no`.
    Flag,
}

/// Makes a column.
pub const fn column(heading: &'static str, field: &'static str, show: Show) -> Column {
    Column { heading, field, show }
}

impl Thing {
    /// A client that sees these objects.
    ///
    /// # Errors
    /// Fails if the server does not have them, or not for this user.
    pub async fn client(&self, session: &Session) -> Result<Client, CliError> {
        let client = if self.collection.at_root { session.root_client()? } else { session.client().await? };
        if client.offers(self.collection).await? {
            return Ok(client);
        }
        Err(CliError::new(format!("this server has no {}, or does not show them to you", self.words)))
    }

    /// Prints all objects that pass a filter.
    ///
    /// # Errors
    /// As any request.
    pub async fn list(&self, session: &Session, query: &Query) -> Result<(), CliError> {
        let client = self.client(session).await?;
        let mut found = client.list_of(self.collection, query).await?;
        found.sort_by_cached_key(|resource| crate::names::natural(resource.meta.title()));
        self.print(session, &found)
    }

    /// Prints objects.
    ///
    /// # Errors
    /// As [`Session::document`].
    pub fn print(&self, session: &Session, found: &[Resource]) -> Result<(), CliError> {
        let headings: Vec<&str> =
            std::iter::once("ID").chain(self.columns.iter().map(|column| column.heading)).collect();
        let mut listing = Listing::new(&headings);
        for resource in found {
            let mut cells = vec![resource.meta.id.clone()];
            let mut document = Map::new();
            document.insert("id".to_owned(), resource.meta.id.clone().into());
            for column in self.columns {
                let value = resource.fields.get(column.field).unwrap_or(&Value::Null);
                document.insert(program_name(column.field).to_owned(), value.clone());
                cells.push(cell(session, resource, column.show, value));
            }
            listing.add(&resource.meta.id, cells, Value::Object(document));
        }
        listing.print(session)
    }

    /// Finds the one object that a name or an id means.
    ///
    /// # Errors
    /// Fails if there is none or more than one.
    pub async fn find(&self, client: &Client, text: &str) -> Result<Resource, CliError> {
        if text.starts_with(|c: char| c.is_ascii_digit())
            && let Some(found) = client.find_in(self.collection, text).await?
        {
            return Ok(found);
        }
        let mut found = client.list_of(self.collection, &Query::all().with("name", text)).await?;
        found.retain(|resource| !resource.meta.is_removed() && resource.meta.name.as_deref() == Some(text));
        match found.len() {
            1 => Ok(found.swap_remove(0)),
            0 => Err(CliError::new(format!("there is no {} `{text}`", self.word))),
            _ => {
                let ids: Vec<&str> = found.iter().map(|resource| resource.meta.id.as_str()).collect();
                Err(CliError::new(format!("more than one {} is called `{text}`", self.word))
                    .hint(format!("say its id: {}", ids.join(", "))))
            }
        }
    }

    /// Finds all that are named, before anything is done to one of them.
    ///
    /// # Errors
    /// As [`Thing::find`].
    pub async fn find_all(&self, client: &Client, names: &[String]) -> Result<Vec<Resource>, CliError> {
        let mut found = Vec::new();
        for name in names {
            found.push(self.find(client, name).await?);
        }
        Ok(found)
    }

    /// Prints objects with all their fields.
    ///
    /// # Errors
    /// As [`Thing::find`].
    pub async fn inspect(&self, session: &Session, names: &[String]) -> Result<(), CliError> {
        let client = self.client(session).await?;
        let found = self.find_all(&client, names).await?;
        session.document(&found.into_iter().map(|resource| Value::Object(resource.fields)).collect())
    }

    /// Removes objects; those that must be switched off first are.
    ///
    /// # Errors
    /// As [`Thing::find`], or when the server refuses.
    pub async fn remove(
        &self,
        session: &Session,
        names: &[String],
        force: bool,
        waiting: Waiting,
    ) -> Result<(), CliError> {
        let client = self.client(session).await?;
        let found = self.find_all(&client, names).await?;
        if !force && session.io.in_is_terminal {
            let all: Vec<String> =
                found.iter().map(|resource| format!("the {} {}", self.word, resource.meta.title())).collect();
            crate::commands::rm::ask(session, &format!("Remove {}?", all.join(", ")))?;
        }
        for resource in found {
            self.remove_one(&client, &resource, waiting)
                .await
                .map_err(|error| error.during(format!("could not remove {}", resource.meta.title())))?;
            session.done(&resource.meta.id, resource.meta.title())?;
        }
        Ok(())
    }

    /// Removes one object.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn remove_one(
        &self,
        client: &Client,
        resource: &Resource,
        waiting: Waiting,
    ) -> Result<(), CliError> {
        let meta = &resource.meta;
        if meta.actions.contains_key("deactivate") && !meta.actions.contains_key("remove") {
            client.act_on(resource, "deactivate", None).await?;
            self.wait(client, &meta.id, waiting, |now| now.meta.actions.contains_key("remove")).await?;
        }
        client.delete_in(self.collection, &meta.id).await?;
        if waiting.no_wait {
            return Ok(());
        }
        self.wait(client, &meta.id, waiting, |now| now.meta.is_removed()).await
    }

    /// Switches objects on or off, or whatever else an action without input does.
    ///
    /// # Errors
    /// As [`Thing::find`], or when an object does not offer it now.
    pub async fn act(&self, session: &Session, names: &[String], action: &str) -> Result<(), CliError> {
        let client = self.client(session).await?;
        for resource in self.find_all(&client, names).await? {
            let is_there = match action {
                "activate" => resource.meta.state == "active",
                "deactivate" => resource.meta.state == "inactive",
                _ => false,
            };
            if !is_there {
                client.act_on(&resource, action, None).await?;
            }
            session.done(&resource.meta.id, resource.meta.title())?;
        }
        Ok(())
    }

    /// Creates an object and says its id.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create(&self, session: &Session, input: &Value) -> Result<Resource, CliError> {
        let client = self.client(session).await?;
        Ok(client.create_in(self.collection, input).await?)
    }

    /// Waits until an object is as it shall be, or gone.
    async fn wait(
        &self,
        client: &Client,
        id: &str,
        waiting: Waiting,
        there: impl Fn(&Resource) -> bool,
    ) -> Result<(), CliError> {
        client.wait_in(self.collection, id, waiting.limit(), there).await?;
        Ok(())
    }
}

/// The name of a field for programs: the wire's, but for the one that has its unit in it.
fn program_name(field: &str) -> &str {
    if field == "createdTS" { "created" } else { field }
}

fn cell(session: &Session, resource: &Resource, show: Show, value: &Value) -> String {
    let text = match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => {
            let texts = list.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            Some(texts.collect::<Vec<_>>().join(", "))
        }
        other => Some(other.to_string()),
    };
    match show {
        Show::Plain => crate::output::cut(&or_dash(text.as_deref()), 80),
        Show::State => {
            let state = or_dash(text.as_deref());
            session.io.paint(colour_of(&state, &resource.meta.transitioning), &state)
        }
        Show::Age => ago(session.io.now_ms(), value.as_i64()),
        Show::Flag => if value == &Value::Bool(true) { "yes" } else { "no" }.to_owned(),
    }
}
