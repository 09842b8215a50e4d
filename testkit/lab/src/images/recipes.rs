//! What goes into each image.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::archive::hex;
use super::tree;

/// The image of most tests: a static busybox.
pub const BUSYBOX: &str = "lariat-test/busybox:1";
/// A page that says which container answered.
pub const WHOAMI: &str = "lariat-examples/whoami:1";
/// The shop's front: nginx.
pub const SHOP_WEB: &str = "lariat-examples/shop-web:1";
/// The shop's application, its worker and its migration: Python.
pub const SHOP_APP: &str = "lariat-examples/shop-app:1";
/// The shop's database: PostgreSQL.
pub const SHOP_DB: &str = "lariat-examples/shop-db:1";

pub(super) const ALL: &[&str] = &[BUSYBOX, WHOAMI, SHOP_WEB, SHOP_APP, SHOP_DB];

/// Grows when the way changes in which archives are written, so that all are made anew.
const FORMAT: u32 = 3;

/// Packages whose only use is in maintainer scripts, or in parts that are left out.
const NEVER_RUN: &[&str] = &[
    "adduser",
    "debconf",
    "dpkg",
    "init-system-helpers",
    "iproute2",
    "libbpf1",
    "libc-bin",
    "libc-l10n",
    "libcap2-bin",
    "libelf1",
    "libfile-find-rule-perl",
    "libjson-perl",
    "libllvm14",
    "libnumber-compare-perl",
    "libpam-modules",
    "libpam-modules-bin",
    "libperl5.36",
    "libtext-glob-perl",
    "libz3-4",
    "locales",
    "lsb-base",
    "openssl",
    "passwd",
    "perl",
    "perl-base",
    "perl-modules-5.36",
    "postgresql-client-common",
    "postgresql-common",
    "readline-common",
    "sensible-utils",
    "ssl-cert",
    "sysvinit-utils",
    "tar",
    "ucf",
    "usrmerge",
];

#[derive(Debug, Default)]
pub(super) struct Recipe {
    /// Debian packages; what they depend on comes along.
    pub(super) packages: &'static [&'static str],
    /// Dependencies to do without.
    pub(super) without: &'static [&'static str],
    /// Beginnings of paths to leave out.
    pub(super) left_out: &'static [&'static str],
    /// Path, content and mode.
    pub(super) files: Vec<(String, Vec<u8>, u32)>,
    /// Symbolic links: path and target.
    pub(super) links: &'static [(&'static str, &'static str)],
    pub(super) environment: &'static [&'static str],
    pub(super) entrypoint: &'static [&'static str],
    pub(super) command: &'static [&'static str],
    pub(super) ports: &'static [u16],
    pub(super) volumes: &'static [&'static str],
    pub(super) stop_signal: Option<&'static str>,
}

impl Recipe {
    /// A hash over all that decides the image, but for the versions of the packages.
    pub(super) fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(format!("{FORMAT} {} {self:?}", std::env::consts::ARCH));
        hex(&hasher.finalize())
    }

    fn file(mut self, name: &str, source: &str, mode: u32) -> Result<Self> {
        let path = tree().join("examples").join(Path::new(source));
        let bytes = std::fs::read(&path).with_context(|| format!("could not read `{}`", path.display()))?;
        self.files.push((name.to_owned(), bytes, mode));
        Ok(self)
    }
}

pub(super) fn recipe(reference: &str) -> Result<Recipe> {
    match reference {
        BUSYBOX => Ok(Recipe { packages: &["busybox-static"], command: &["sh"], ..Recipe::default() }),
        WHOAMI => Recipe {
            packages: &["busybox-static"],
            command: &["httpd", "-f", "-p", "8080", "-h", "/www"],
            ports: &[8080],
            ..Recipe::default()
        }
        .file("www/cgi-bin/whoami", "whoami/app/whoami.sh", 0o755)?
        .file("www/index.html", "whoami/app/index.html", 0o644),
        SHOP_WEB => Recipe {
            packages: &["nginx", "busybox-static"],
            without: NEVER_RUN,
            links: &[("var/log/nginx/access.log", "/dev/stdout"), ("var/log/nginx/error.log", "/dev/stderr")],
            command: &["nginx", "-g", "daemon off;"],
            ports: &[80],
            stop_signal: Some("SIGQUIT"),
            ..Recipe::default()
        }
        .file("etc/nginx/nginx.conf", "shop/web/nginx.conf", 0o644),
        SHOP_APP => Recipe {
            packages: &["python3", "python3-psycopg2", "busybox-static"],
            without: NEVER_RUN,
            environment: &["PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"],
            entrypoint: &["python3", "/app/shop.py"],
            command: &["serve"],
            ports: &[8000],
            ..Recipe::default()
        }
        .file("app/shop.py", "shop/app/shop.py", 0o644)?
        .file("app/page.html", "shop/app/page.html", 0o644),
        SHOP_DB => Recipe {
            packages: &["postgresql-15", "busybox-static"],
            without: NEVER_RUN,
            // Without LLVM the engine must not find the module that needs it.
            left_out: &["usr/lib/postgresql/15/lib/llvmjit", "usr/lib/postgresql/15/lib/bitcode/"],
            environment: &[
                "PATH=/usr/local/bin:/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG=C.UTF-8",
            ],
            entrypoint: &["/usr/local/bin/start-database"],
            ports: &[5432],
            volumes: &["/var/lib/postgresql/data"],
            // A fast shutdown, not one that waits for clients to leave.
            stop_signal: Some("SIGINT"),
            ..Recipe::default()
        }
        .file("usr/local/bin/start-database", "shop/db/start-database.sh", 0o755),
        other => bail!("there is no recipe for an image `{other}`"),
    }
}
