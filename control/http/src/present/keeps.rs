//! The fields of what an environment keeps: secrets, certificates, registries, and of records.

use contract_api::{Row as ApiRow, format_id};
use control_model::state::simple_state;
use control_model::{
    AuditEntry, AuthKind, Certificate, ProjectTemplate, Registry, Row, SealedSecret, TemplateStack,
};
use serde_json::{Value, json};

use super::rows::base;
use crate::app::Cx;
use crate::app::registry::credentials;

pub(super) fn secret(row: &Row<SealedSecret>) -> ApiRow {
    let intent = &row.intent;
    let mut api = base("secret", format_id(row.id), row, &simple_state(row, false));
    api.set("accountId", intent.project.map(format_id))
        .set("stackId", intent.stack.map(format_id))
        .set("name", intent.name.clone())
        .set("description", intent.description.clone());
    api
}

pub(super) fn certificate(row: &Row<Certificate>) -> ApiRow {
    let intent = &row.intent;
    let facts = &intent.facts;
    let mut api = base("certificate", format_id(row.id), row, &simple_state(row, false));
    api.set("accountId", intent.project.map(format_id))
        .set("name", intent.name.clone())
        .set("description", intent.description.clone())
        .set("cert", intent.certificate.clone())
        .set("certChain", intent.chain.clone())
        .set("certFingerprint", facts.fingerprint.clone())
        .set("CN", facts.common_name.clone())
        .set("issuer", facts.issuer.clone())
        .set("issuedAt", facts.issued.to_string())
        .set("expiresAt", facts.expires.to_string())
        .set("algorithm", facts.algorithm.clone())
        .set("version", facts.version.clone())
        .set("serialNumber", facts.serial_number.clone())
        .set("keySize", facts.key_size)
        .set("subjectAlternativeNames", facts.alternative_names.clone());
    api
}

pub(super) fn registry(cx: &Cx, row: &Row<Registry>) -> ApiRow {
    let intent = &row.intent;
    let mut api = base("registry", format_id(row.id), row, &simple_state(row, intent.inactive));
    api.set("accountId", intent.project.map(format_id))
        .set("name", intent.name.clone())
        .set("description", intent.description.clone())
        .set("serverAddress", intent.server.clone())
        .set("driverName", "docker")
        .set("hostIds", Vec::<Value>::new())
        .set("volumeIds", Vec::<Value>::new())
        .set("credentialIds", credentials(&cx.tables, row).map(|c| format_id(c.id)).collect::<Vec<_>>());
    api
}

pub(super) fn audit_entry(row: &Row<AuditEntry>) -> ApiRow {
    let intent = &row.intent;
    let mut api = ApiRow::new("auditLog", format_id(row.id));
    let auth = match intent.auth {
        AuthKind::Basic => "BasicAuth",
        AuthKind::Token => "TokenAuth",
        AuthKind::TokenAccount => "TokenAccount",
        AuthKind::Registration => "RegistrationToken",
    };
    api.set("kind", "auditLog")
        .set_date("created", Some(row.created))
        .set("accountId", intent.project.map(format_id))
        .set("authType", auth)
        .set("authenticatedAsAccountId", intent.account.map(|id| format!("1a{id}")))
        .set("authenticatedAsIdentityId", intent.account.map(|id| format!("1i!rancher_id:{id}")))
        .set("clientIp", intent.client_ip.clone())
        .set("eventType", intent.event.clone())
        .set("resourceType", intent.resource_type.clone())
        .set("resourceId", intent.resource_id)
        .set("responseCode", intent.response_code)
        .set("requestObject", intent.request.clone())
        .set("description", intent.error.clone());
    api
}

pub(super) fn project_template(row: &Row<ProjectTemplate>) -> ApiRow {
    let intent = &row.intent;
    let stack = |stack: &TemplateStack| {
        let TemplateStack { name, description, template, docker_compose, rancher_compose, answers } = stack;
        json!({
            "type": "catalogTemplate",
            "name": name,
            "description": description,
            "templateId": template,
            "dockerCompose": docker_compose,
            "rancherCompose": rancher_compose,
            "answers": answers,
        })
    };
    let mut api = base("projectTemplate", format_id(row.id), row, &simple_state(row, false));
    api.set("accountId", intent.account.map(format_id))
        .set("name", intent.name.clone())
        .set("description", intent.description.clone())
        .set("externalId", intent.external_id.clone())
        .set("isPublic", intent.public)
        .set("stacks", intent.stacks.iter().map(stack).collect::<Vec<_>>());
    api
}
