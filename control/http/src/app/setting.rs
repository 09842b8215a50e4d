//! Settings: a stored value, or else the default of this version.

use contract_values::SettingId;
use control_model::{Setting, SettingIntent, Tables};

use crate::app::{AppError, Cx, ErrorCode};

/// The setting that holds the key of the installation. It is no setting for people and never shown.
pub const INSTALLATION_KEY: &str = "lariat.installation.key";

/// One setting as it is in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingValue {
    /// Its name.
    pub name: String,
    /// The stored value.
    pub stored: Option<String>,
    /// The value in effect.
    pub active: Option<String>,
    /// The row, if one is stored.
    pub id: Option<SettingId>,
}

struct Known {
    name: &'static str,
    default: Option<&'static str>,
    public: bool,
}

const fn public(name: &'static str, default: Option<&'static str>) -> Known {
    Known { name, default, public: true }
}

const fn private(name: &'static str, default: Option<&'static str>) -> Known {
    Known { name, default, public: false }
}

/// The settings that this version knows, sorted by name.
const KNOWN: &[Known] = &[
    private("access.log", None),
    private("account.by.id", None),
    public("account.version", Some("1")),
    private("api.auth.jwt.token.expiry", Some("57600000")),
    public("api.auth.local.validate.description", None),
    private("api.auth.restrict.concurrent.sessions", Some("false")),
    public("api.auth.shibboleth.redirect.whitelist", None),
    public("api.host", None),
    private("api.interceptor.config", None),
    private("api.proxy.mode", Some("embedded")),
    private("api.proxy.whitelist", None),
    private("api.security.enabled", Some("true")),
    private("api.ui.css.url", None),
    public("api.ui.index", None),
    private("api.ui.js.url", None),
    private("audit_log.max.rows", Some("10000")),
    private("audit_log.purge.after.seconds", Some("2592000")),
    public("catalog.url", None),
    public("cattle.version", None),
    private("console.agent.path", Some("/v1/console/")),
    private(crate::app::policy::SETTING, None),
    public("docker.machine.version", None),
    public("engine.install.url", None),
    private("events.purge.after.seconds", Some("1209600")),
    private("exec.agent.path", Some("/v1/exec/")),
    public("go.machine.service.version", None),
    private("graphite.host", None),
    private("host.grace.seconds", Some("120")),
    private("host.logs.path", Some("/v1/logs/")),
    private("host.proxy.path", Some("/v1/container-proxy/")),
    private("host.socketproxy.path", Some("/v1/dockersocket/")),
    private("host.stats.path", Some("/v1/stats")),
    private("install.uuid", None),
    public("ipsec.service.enable.healthcheck", Some("true")),
    public("lb.instance.image", None),
    private("link.containerstats.path", Some("/v1/containerstats")),
    private("link.hoststats.path", Some("/v1/hoststats")),
    private("modify.infrastructure.roles", Some("admin,owner,member,project,environment,projectadmin,agent")),
    public("newest.docker.version", None),
    private("project.create.default", Some("true")),
    private("project.set.member.roles", Some("owner")),
    public("project.template.default.name", Some("cattle")),
    public("rancher.cli.darwin.url", None),
    public("rancher.cli.linux.url", None),
    public("rancher.cli.version", None),
    public("rancher.cli.windows.url", None),
    public("rancher.compose.darwin.url", None),
    public("rancher.compose.linux.url", None),
    public("rancher.compose.version", None),
    public("rancher.compose.windows.url", None),
    public("rancher.server.image", Some("lariat/server")),
    public("rancher.server.version", None),
    private("registry.default", None),
    private("registry.whitelist", None),
    private("service_log.purge.after.seconds", Some("1209600")),
    public("supported.docker.range", Some(">=20.10.0")),
    public("swarm.tls.port", Some("3376")),
    public("telemetry.opt", Some("out")),
    private("ui.pl", Some("rancher")),
    public("ui.feedback.form", None),
    public("ui.show.custom.host", Some("true")),
    public("ui.show.system", Some("always")),
    public("vm.enabled", Some("false")),
];

fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// Whether everybody may read a setting.
pub fn is_public(name: &str) -> bool {
    known(name).is_some_and(|known| known.public)
}

/// Whether a setting may leave the server at all.
pub fn is_secret(name: &str) -> bool {
    matches!(name, INSTALLATION_KEY | crate::app::readiness::PROBE)
        || name.ends_with(".password")
        || name.ends_with(".secret")
}

/// The setting as it is in effect.
pub fn effective(cx: &Cx, name: &str) -> SettingValue {
    let row = cx.tables.settings.by_unique(name).filter(|row| !row.is_going());
    let stored = row.map(|row| row.intent.value.clone());
    let default = match name {
        "rancher.server.version" | "cattle.version" => Some(cx.shared.settings.version.clone()),
        "install.uuid" => Some(cx.shared.install_uuid.clone()),
        _ => known(name).and_then(|known| known.default).map(str::to_owned),
    };
    let (stored, active) = if is_secret(name) {
        (None, None)
    } else {
        let active = stored.clone().or(default);
        (stored, active)
    };
    SettingValue { name: name.to_owned(), stored, active, id: row.map(|row| row.id) }
}

/// The value in effect, straight from the tables.
pub fn value(tables: &Tables, name: &str) -> Option<String> {
    let row = tables.settings.by_unique(name).filter(|row| !row.is_going());
    row.map(|row| row.intent.value.clone())
        .or_else(|| known(name).and_then(|known| known.default).map(str::to_owned))
}

/// Every setting that the caller may read, sorted by name.
pub fn list(cx: &Cx, all: bool) -> Vec<SettingValue> {
    let mut names: Vec<String> = KNOWN.iter().map(|known| known.name.to_owned()).collect();
    names.extend(cx.tables.settings.live().map(|row| row.intent.name.clone()));
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter(|name| !is_secret(name))
        .filter(|name| (all && may_read_all(cx)) || is_public(name))
        .map(|name| effective(cx, &name))
        .filter(|setting| may_read_all(cx) && all || setting.active.is_some())
        .collect()
}

/// Whether the caller reads more than the public settings.
pub fn may_read_all(cx: &Cx) -> bool {
    use contract_api::Role;
    use control_model::AccountKind;
    matches!(cx.scope.role, Role::Admin | Role::ReadAdmin)
        || matches!(
            cx.caller,
            crate::auth::Caller::Account { kind: AccountKind::Admin | AccountKind::ReadAdmin, .. }
        )
}

/// Stores a value.
///
/// # Errors
/// [`ErrorCode::InvalidFormat`] for a name that no setting can have.
pub async fn store(cx: &Cx, name: &str, value: &str) -> Result<(), AppError> {
    let plausible = (1..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !plausible || is_secret(name) {
        return Err(AppError::field(
            ErrorCode::InvalidFormat,
            "name",
            "the name of a setting has letters, digits, `.`, `_` and `-`",
        ));
    }
    if name == crate::app::policy::SETTING
        && let (_, unknown) = crate::app::policy::read(value)
        && let Some(word) = unknown.first()
    {
        let words = crate::app::policy::Power::ALL.map(crate::app::policy::Power::word);
        return Err(AppError::field(
            ErrorCode::InvalidFormat,
            "value",
            format!("`{word}` is no power; write some of: all, {}", words.join(", ")),
        ));
    }
    let id = cx.new_id::<Setting>().await?;
    let uuid = cx.new_uuid();
    cx.commit(|tables, transaction| {
        match tables.settings.by_unique(name) {
            Some(row) if row.intent.value == value => {}
            Some(row) => {
                let intent = SettingIntent { value: value.to_owned(), ..row.intent.clone() };
                transaction.set_intent(&**row, intent);
            }
            None => {
                let intent = SettingIntent {
                    name: name.to_owned(),
                    value: value.to_owned(),
                    ..SettingIntent::default()
                };
                transaction.insert::<Setting>(id, uuid.clone(), intent);
            }
        }
        Ok(())
    })
    .await
}

/// Drops the stored value, so that the default holds again.
///
/// # Errors
/// [`ErrorCode::Forbidden`] for what is no setting of people.
pub async fn reset(cx: &Cx, name: &str) -> Result<(), AppError> {
    if is_secret(name) {
        return Err(AppError::new(ErrorCode::Forbidden, "this is no setting that can be removed"));
    }
    cx.commit(|tables, transaction| {
        if let Some(row) = tables.settings.by_unique(name) {
            transaction.finish_removal(&**row);
        }
        Ok(())
    })
    .await
}
