//! The archive that `docker load` reads: one layer, its configuration, a manifest.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::RECIPE_LABEL;
use super::recipes::Recipe;

/// Parts of packages that no container reads.
const LEFT_OUT: &[&str] = &[
    "usr/share/doc/",
    "usr/share/doc-base/",
    "usr/share/man/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/bug/",
    "usr/share/bash-completion/",
    "usr/share/perl",
    "usr/lib/x86_64-linux-gnu/gconv/",
    "usr/lib/aarch64-linux-gnu/gconv/",
];

/// Directories that Debian's `base-files` would bring.
const DIRECTORIES: &[(&str, u32)] = &[
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o755),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("usr/sbin", 0o755),
    ("var", 0o755),
    ("var/tmp", 0o1777),
];

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    www-data:x:33:33:www-data:/var/www:/bin/false\n\
    postgres:x:70:70:postgres:/var/lib/postgresql:/bin/sh\n\
    nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n";
const GROUP: &str = "root:x:0:\nwww-data:x:33:\npostgres:x:70:\nnogroup:x:65534:\n";

/// What `busybox` is to be called in every image; no image needs a shell of its own.
const APPLETS: &str = "sh ash cat ls ps top kill sleep echo env id hostname ip ping nc wget httpd grep sed awk \
    head tail sort uniq wc cut tr test true false mkdir rm rmdir mv cp ln chmod chown touch date df du free find \
    mount umount vi less more ping6 nslookup traceroute netstat stat dd seq yes tee tar gzip gunzip xargs which \
    whoami uname dirname basename readlink mktemp timeout usleep printf pwd od expr stty tty clear reset \
    sha256sum md5sum base64 setsid su pidof time watch getopt sync truncate";

pub(super) fn write(
    path: &Path,
    reference: &str,
    recipe: &Recipe,
    hash: &str,
    packages: &[PathBuf],
) -> Result<()> {
    let layer_path = path.with_extension("layer");
    let digest = write_layer(&layer_path, recipe, packages)?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let exposed: serde_json::Map<_, _> =
        recipe.ports.iter().map(|port| (format!("{port}/tcp"), json!({}))).collect();
    let volumes: serde_json::Map<_, _> =
        recipe.volumes.iter().map(|path| ((*path).to_owned(), json!({}))).collect();
    let mut environment = recipe.environment.to_vec();
    if !environment.iter().any(|line| line.starts_with("PATH=")) {
        environment.push("PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    }
    let mut config = json!({
        "Env": environment,
        "Entrypoint": recipe.entrypoint,
        "Cmd": recipe.command,
        "Labels": { RECIPE_LABEL: hash },
        "ExposedPorts": exposed,
        "Volumes": volumes,
    });
    if let Some(signal) = recipe.stop_signal {
        config["StopSignal"] = json!(signal);
    }
    let created = "2000-01-01T00:00:00Z";
    let config = serde_json::to_vec(&json!({
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
        "history": [{ "created": created, "created_by": format!("Debian: {}", recipe.packages.join(" ")) }],
    }))?;
    let config_name = format!("{}.json", hex(&Sha256::digest(&config)));
    let manifest = serde_json::to_vec(&json!([{
        "Config": config_name,
        "RepoTags": [reference],
        "Layers": ["layer.tar"],
    }]))?;

    let mut archive = Builder::new(BufWriter::new(File::create(path)?));
    append_bytes(&mut archive, "manifest.json", &manifest, 0o644)?;
    append_bytes(&mut archive, &config_name, &config, 0o644)?;
    archive.append_file("layer.tar", &mut File::open(&layer_path)?)?;
    archive.into_inner()?.flush()?;
    std::fs::remove_file(&layer_path)?;
    Ok(())
}

/// Writes the file system and gives its SHA-256.
fn write_layer(path: &Path, recipe: &Recipe, packages: &[PathBuf]) -> Result<String> {
    let mut layer = Builder::new(BufWriter::new(File::create(path)?));
    let mut seen = BTreeSet::new();
    for (directory, mode) in DIRECTORIES {
        append_directory(&mut layer, directory, *mode)?;
        seen.insert(PathBuf::from(directory));
    }
    // What a recipe says goes before what packages bring: the engine takes no path twice.
    append_bytes(&mut layer, "etc/passwd", PASSWD.as_bytes(), 0o644)?;
    append_bytes(&mut layer, "etc/group", GROUP.as_bytes(), 0o644)?;
    seen.extend(["etc/passwd", "etc/group"].map(PathBuf::from));
    for (link, target) in [("var/run", "/run"), ("var/lock", "/run")].iter().chain(recipe.links) {
        append_link(&mut layer, Path::new(link), target)?;
        seen.insert(PathBuf::from(link));
    }
    for (name, bytes, mode) in &recipe.files {
        append_bytes(&mut layer, name, bytes, *mode)?;
        seen.insert(PathBuf::from(name));
    }
    for package in packages {
        append_package(&mut layer, package, recipe, &mut seen)
            .with_context(|| format!("could not unpack `{}`", package.display()))?;
    }
    for applet in APPLETS.split_whitespace() {
        let name = Path::new("bin").join(applet);
        let elsewhere = Path::new("usr").join(&name);
        if seen.contains(Path::new("bin/busybox")) && !seen.contains(&elsewhere) && seen.insert(name.clone())
        {
            append_link(&mut layer, &name, "/bin/busybox")?;
        }
    }
    layer.into_inner()?.flush()?;
    // Debian's own program does this twenty times faster than an unoptimised build of ours.
    let sum = Command::new("sha256sum").arg(path).output().context("could not run `sha256sum`")?;
    let sum = String::from_utf8_lossy(&sum.stdout).split_whitespace().next().map(str::to_owned);
    sum.filter(|sum| sum.len() == 64).context("`sha256sum` gave no sum")
}

fn append_package(
    layer: &mut Builder<impl Write>,
    package: &Path,
    recipe: &Recipe,
    seen: &mut BTreeSet<PathBuf>,
) -> Result<()> {
    let mut unpack = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not run `dpkg-deb`")?;
    let stdout = unpack.stdout.take().expect("the pipe was asked for");
    let mut reader = tar::Archive::new(BufReader::with_capacity(1 << 18, stdout));
    for entry in reader.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        let name = name.strip_prefix(".").unwrap_or(&name).to_owned();
        let text = name.to_str().context("a path in a package is not text")?;
        let directory = entry.header().entry_type() == EntryType::Directory;
        let probe = if directory { format!("{text}/") } else { text.to_owned() };
        let left_out = LEFT_OUT.iter().chain(recipe.left_out).any(|prefix| probe.starts_with(prefix));
        // Many packages bring the same directories; the first one counts.
        if text.is_empty() || left_out || !seen.insert(name.clone()) {
            continue;
        }
        let mut header = entry.header().clone();
        match entry.link_name()? {
            Some(target) => {
                let target = target.into_owned();
                // Names of hard links in a package begin with `./` like all names there.
                let target = target.strip_prefix(".").unwrap_or(&target);
                layer.append_link(&mut header, &name, target)?;
            }
            None => layer.append_data(&mut header, &name, &mut entry)?,
        }
    }
    let status = unpack.wait()?;
    if !status.success() {
        bail!("`dpkg-deb` ended with {status}");
    }
    Ok(())
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(946_684_800);
    header.set_size(size);
    header
}

fn append_directory(layer: &mut Builder<impl Write>, name: &str, mode: u32) -> Result<()> {
    Ok(layer.append_data(&mut header(EntryType::Directory, mode, 0), format!("{name}/"), std::io::empty())?)
}

fn append_link(layer: &mut Builder<impl Write>, name: &Path, target: &str) -> Result<()> {
    Ok(layer.append_link(&mut header(EntryType::Symlink, 0o777, 0), name, target)?)
}

fn append_bytes(layer: &mut Builder<impl Write>, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
    Ok(layer.append_data(&mut header(EntryType::Regular, mode, bytes.len() as u64), name, bytes)?)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
