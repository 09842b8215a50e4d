//! Secrets and configs as files of a container.

use contract_api::launch::{ConfigReference, SecretReference};
use contract_api::{ErrorCode, Invalid, format_id, parse_reference};
use contract_values::kind;
use control_model::{FileMount, SecretMount};

/// The rights that a file has when nobody says.
const MODE: u32 = 0o444;

fn number(field: &str, text: Option<&str>) -> Result<u32, Invalid> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(0) };
    text.parse().map_err(|_| {
        let text = format!("`{field}` is `{text}`; it is the number of a user or a group");
        Invalid::field(ErrorCode::InvalidFormat, field, text)
    })
}

fn mode(text: Option<&str>) -> Result<u32, Invalid> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(MODE) };
    let digits = text.trim_start_matches("0o");
    u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(|| {
        let text = format!("`mode` is `{text}`; write octal digits such as 0444");
        Invalid::field(ErrorCode::InvalidFormat, "mode", text)
    })
}

fn target(field: &str, text: &str) -> Result<String, Invalid> {
    let climbs = text.split('/').any(|part| part == "..");
    let control = text.chars().any(char::is_control);
    if climbs || control || text.ends_with('/') || text.len() > 4096 {
        let text = format!("`{text}` is no path of a file; write it without `..`");
        return Err(Invalid::field(ErrorCode::InvalidFormat, field, text));
    }
    Ok(text.to_owned())
}

pub(super) fn secret_mount(reference: &SecretReference) -> Result<SecretMount, Invalid> {
    let SecretReference { secret_id, secret, name, uid, gid, mode: rights } = reference;
    let id =
        secret_id.as_deref().filter(|id| !id.is_empty()).map(parse_reference::<kind::Secret>).transpose();
    let id = id.map_err(|_| {
        Invalid::field(ErrorCode::InvalidReference, "secretId", "`secretId` is no id of the form 1se7")
    })?;
    if id.is_none() && secret.as_deref().is_none_or(str::is_empty) {
        let text = "a secret is named by `secretId` or by `secret`";
        return Err(Invalid::field(ErrorCode::MissingRequired, "secretId", text));
    }
    let known = secret.clone().unwrap_or_default();
    Ok(SecretMount {
        secret: id,
        target: target("name", name.as_deref().unwrap_or(&known))?,
        name: known,
        uid: number("uid", uid.as_deref())?,
        gid: number("gid", gid.as_deref())?,
        mode: mode(rights.as_deref())?,
    })
}

pub(super) fn secret_reference(mount: &SecretMount) -> SecretReference {
    let SecretMount { secret, name, target, uid, gid, mode } = mount;
    SecretReference {
        secret_id: secret.map(format_id),
        secret: Some(name.clone()).filter(|name| !name.is_empty()),
        name: Some(target.clone()).filter(|target| !target.is_empty()),
        uid: Some(uid.to_string()),
        gid: Some(gid.to_string()),
        mode: Some(format!("{mode:04o}")),
    }
}

pub(super) fn file_mount(reference: &ConfigReference) -> Result<FileMount, Invalid> {
    let ConfigReference { config, target: path, uid, gid, mode: rights } = reference;
    let path = match path.as_deref().filter(|path| !path.is_empty()) {
        Some(path) => target("target", path)?,
        None => format!("/{config}"),
    };
    if !path.starts_with('/') {
        let text = format!("`{path}` is no whole path; it begins with `/`");
        return Err(Invalid::field(ErrorCode::InvalidFormat, "target", text));
    }
    Ok(FileMount {
        config: config.clone(),
        target: path,
        content: String::new(),
        uid: number("uid", uid.as_deref())?,
        gid: number("gid", gid.as_deref())?,
        mode: mode(rights.as_deref())?,
    })
}

pub(super) fn config_reference(mount: &FileMount) -> ConfigReference {
    let FileMount { config, target, content: _, uid, gid, mode } = mount;
    ConfigReference {
        config: config.clone(),
        target: Some(target.clone()),
        uid: Some(uid.to_string()),
        gid: Some(gid.to_string()),
        mode: Some(format!("{mode:04o}")),
    }
}
