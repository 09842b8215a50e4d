//! `subscribe`: each change of what the caller may see, as the resource that a GET would give.
//!
//! People's clients listen on a WebSocket; a program that has none posts and reads one document a line.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use contract_api::{ListQuery, Showing, in_version};
use control_model::{AnyRow, Kind, Tables};
use control_store::{Change, Watch};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::app::Cx;
use crate::auth::secret::new_uuid;
use crate::auth::{Caller, scope::role_in};
use crate::present::Item;
use crate::routes::Context;

/// How often a sign of life is sent.
const PING: Duration = Duration::from_secs(5);
/// How long changes of one row are gathered before the last of them is sent.
const GATHER: Duration = Duration::from_millis(250);
/// How long the caller may take to read a frame.
const SLOWEST_READ: Duration = Duration::from_secs(30);
/// How long a subscription lasts at most.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// How often the right to listen is looked at anew.
const RECHECK: Duration = Duration::from_secs(5);

/// Serves a subscription on a socket until either side ends it.
pub async fn serve(context: Context, mut socket: WebSocket) {
    let reason = run(&context, &Wanted::of(&context, &[]), &mut socket).await;
    tracing::debug!("a subscription ended: {reason}");
    // The other side may be gone already.
    let _ = timeout(Duration::from_secs(1), socket.send(Message::Close(None))).await;
}

/// Serves a subscription as a body with one document a line. It works while the body is read, and ends with it.
pub fn lines(context: Context, names: Vec<String>) -> Body {
    let (sender, mut receiver) = mpsc::channel(1);
    let mut work = Box::pin(async move {
        let reason = run(&context, &Wanted::of(&context, &names), &mut Lines(sender)).await;
        tracing::debug!("a subscription ended: {reason}");
    });
    let mut ended = false;
    Body::from_stream(futures_util::stream::poll_fn(move |task| {
        if !ended {
            ended = work.as_mut().poll(task).is_ready();
        }
        match receiver.poll_recv(task) {
            Poll::Pending if ended => Poll::Ready(None),
            polled => polled.map(|line| line.map(Ok::<Bytes, Infallible>)),
        }
    }))
}

/// Who listens.
trait Listener {
    /// Sends a document; says whether it went out in time.
    async fn send(&mut self, text: String) -> bool;
    /// Waits until the listener has gone.
    async fn gone(&mut self);
}

impl Listener for WebSocket {
    async fn send(&mut self, text: String) -> bool {
        let message = Message::Text(text.into());
        matches!(timeout(SLOWEST_READ, WebSocket::send(self, message)).await, Ok(Ok(())))
    }

    async fn gone(&mut self) {
        // What the caller says is ignored; pings are answered by the library.
        while let Some(Ok(message)) = self.recv().await {
            if matches!(message, Message::Close(_)) {
                return;
            }
        }
    }
}

struct Lines(mpsc::Sender<Bytes>);

impl Listener for Lines {
    async fn send(&mut self, mut text: String) -> bool {
        text.push('\n');
        matches!(timeout(SLOWEST_READ, self.0.send(text.into())).await, Ok(Ok(())))
    }

    async fn gone(&mut self) {
        self.0.closed().await;
    }
}

/// The most names, types and ids that one subscription may ask for.
const MOST_WORDS: usize = 1000;

struct Wanted {
    names: Vec<String>,
    types: Vec<String>,
    ids: Vec<String>,
    include: Option<String>,
}

impl Wanted {
    fn of(context: &Context, names: &[String]) -> Self {
        let words = |wanted: &str| -> Vec<String> {
            let given = context.request.query.iter().filter(|(name, _)| name == wanted);
            given
                .flat_map(|(_, value)| value.split(','))
                .map(|word| word.trim().to_owned())
                .filter(|word| !word.is_empty())
                .take(MOST_WORDS)
                .collect()
        };
        let names = words("eventNames").into_iter().chain(names.iter().take(MOST_WORDS).cloned());
        Self {
            names: names.map(|name| name.split(';').next().unwrap_or("").to_owned()).collect(),
            types: words("resourceType"),
            ids: words("resourceId"),
            include: context.request.parameter("include").map(str::to_owned),
        }
    }

    fn changes(&self) -> bool {
        self.names.iter().any(|name| name == "resource.change")
    }

    /// Whether the subscriber asked for a resource; who names no type and no id asks for all.
    fn takes(&self, resource: &Value) -> bool {
        let among = |words: &[String], members: &[&str]| {
            words.is_empty()
                || members
                    .iter()
                    .filter_map(|member| resource[*member].as_str())
                    .any(|value| words.iter().any(|word| word.eq_ignore_ascii_case(value)))
        };
        among(&self.types, &["type", "baseType"]) && among(&self.ids, &["id"])
    }
}

async fn run(context: &Context, wanted: &Wanted, socket: &mut impl Listener) -> &'static str {
    let shared = context.cx.shared.clone();
    let mut watch: Watch = shared.store.watch();
    let mut shutdown = shared.shutdown.clone();
    if !socket.send(ping(&context.cx)).await {
        return "the caller went away";
    }
    let start = Instant::now();
    let mut pings = interval_at(start + PING, PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rechecks = interval_at(start + RECHECK, RECHECK);
    rechecks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = tokio::time::sleep_until(start + LONGEST);
    tokio::pin!(end);
    let mut pending: BTreeSet<(Kind, i64)> = BTreeSet::new();
    let mut flush_at: Option<Instant> = None;
    let mut previous = watch.tables();
    let mut current = previous.clone();
    loop {
        let flush = async {
            match flush_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changes = watch.next() => {
                let Ok(changes) = changes else { return "the caller was too slow" };
                current = changes.tables.clone();
                if wanted.changes() {
                    gather(&mut pending, &changes.changes, &previous, &current);
                    if !pending.is_empty() && flush_at.is_none() {
                        flush_at = Some(Instant::now() + GATHER);
                    }
                }
            }
            () = flush => {
                flush_at = None;
                let batch = std::mem::take(&mut pending);
                if !still_allowed(context, &current) {
                    let _ = socket.send(logout(&context.cx)).await;
                    return "the caller lost the right to listen";
                }
                let now = Context { cx: Cx { tables: current.clone(), now: shared.now(), ..context.cx.clone() }, ..context.clone() };
                for (kind, id) in batch {
                    let row = current.any(kind, id).or_else(|| previous.any(kind, id));
                    let Some(event) = row.and_then(|row| event(&now, row, wanted)) else { continue };
                    if !socket.send(event.to_string()).await {
                        return "the caller went away";
                    }
                }
                previous = current.clone();
            }
            _ = pings.tick() => {
                if !socket.send(ping(&context.cx)).await {
                    return "the caller went away";
                }
            }
            _ = rechecks.tick() => {
                if !still_allowed(context, &shared.store.snapshot()) {
                    let _ = socket.send(logout(&context.cx)).await;
                    return "the caller lost the right to listen";
                }
            }
            () = socket.gone() => return "the caller closed",
            () = crate::stopping(&mut shutdown) => return "the server stops",
            () = &mut end => return "it lasted long enough",
        }
    }
}

/// Adds what changed, and what is shown differently because of it.
fn gather(pending: &mut BTreeSet<(Kind, i64)>, changes: &[Change], old: &Tables, new: &Tables) {
    for change in changes {
        pending.insert((change.kind, change.id));
        for tables in [old, new] {
            let Some(row) = tables.any(change.kind, change.id) else { continue };
            let keys = control_model::with_row!(&row, row => row.keys());
            let parents = match change.kind {
                Kind::Container => [
                    keys.service.map(|id| (Kind::Service, id.raw())),
                    keys.stack.map(|id| (Kind::Stack, id.raw())),
                    keys.host.map(|id| (Kind::Host, id.raw())),
                ],
                Kind::Service => [keys.stack.map(|id| (Kind::Stack, id.raw())), None, None],
                Kind::Member => [keys.project.map(|id| (Kind::Project, id.raw())), None, None],
                Kind::Account
                | Kind::Credential
                | Kind::Project
                | Kind::Setting
                | Kind::Host
                | Kind::Stack
                | Kind::Volume
                | Kind::Secret
                | Kind::Certificate
                | Kind::Registry
                | Kind::AuditLog
                | Kind::ProjectTemplate => [None, None, None],
            };
            pending.extend(parents.into_iter().flatten());
        }
    }
}

/// Whether the caller still is who it was, with the same role.
fn still_allowed(context: &Context, tables: &Tables) -> bool {
    let cx = &context.cx;
    let usable = |id: contract_values::CredentialId| {
        tables.credentials.get(id).is_some_and(|row| {
            !row.is_going() && control_model::state::credential_usable(&row.intent, cx.shared.now())
        })
    };
    let caller = match cx.caller {
        Caller::Account { id, kind, credential } => {
            tables
                .accounts
                .get(id)
                .is_some_and(|row| !row.is_going() && !row.intent.inactive && row.intent.kind == kind)
                && usable(credential)
        }
        Caller::Registration { credential, .. } | Caller::ProjectKey { credential, .. } => usable(credential),
        Caller::Agent { host, .. } => tables.hosts.get(host).is_some_and(|row| row.removed.is_none()),
        Caller::Anonymous => true,
    };
    let scope = match cx.scope.project {
        Some(project) => role_in(tables, cx.caller, project) == Some(cx.scope.role),
        None => true,
    };
    caller && scope
}

fn event(context: &Context, row: AnyRow, wanted: &Wanted) -> Option<Value> {
    let item = Item::Row(row);
    if !item.visible(&context.cx) {
        return None;
    }
    let mut resource = context.show(&item, Showing::Later)?;
    if !wanted.takes(&resource) {
        return None;
    }
    if let Some(include) = &wanted.include {
        let name = in_version(context.schemas, item.type_name()?);
        let schema = context.schemas.shown_as(name)?;
        let query = ListQuery::parse(schema, &[("include".to_owned(), include.clone())]);
        crate::routes::include(context, &item, &mut resource, query.include);
    }
    Some(json!({
        "name": "resource.change",
        "id": new_uuid(&context.cx.shared.random),
        "previousIds": null,
        "previousNames": null,
        "publisher": null,
        "time": context.cx.shared.now().0,
        "resourceType": resource["type"],
        "resourceId": resource["id"],
        "replyTo": null,
        "data": { "resource": resource },
        "transitioning": null,
        "transitioningMessage": null,
        "transitioningProgress": null,
        "transitioningInternalMessage": null,
        "type": null,
        "links": {},
        "actions": {},
    }))
}

fn ping(cx: &Cx) -> String {
    json!({
        "name": "ping",
        "id": new_uuid(&cx.shared.random),
        "time": cx.shared.now().0,
        "resourceType": null,
        "resourceId": null,
        "data": { "resources": [], "options": {} },
    })
    .to_string()
}

fn logout(cx: &Cx) -> String {
    json!({ "name": "logout", "id": new_uuid(&cx.shared.random), "time": cx.shared.now().0 }).to_string()
}
