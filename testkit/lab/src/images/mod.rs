//! Docker images without a registry.
//!
//! Images of the tests and of `examples/` are put together from Debian's
//! packages and files of this tree, written as the archives that `docker load`
//! reads, and kept in a directory. Each carries the hash of its recipe as a
//! label, so that neither building nor loading is done twice.
//!
//! Packages are unpacked, never configured: no maintainer script runs. That is
//! enough for a program and its libraries, and it makes an image in seconds
//! without an engine, without root and without a container.

mod archive;
mod debian;
mod recipes;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

pub use recipes::{BUSYBOX, SHOP_APP, SHOP_DB, SHOP_WEB, WHOAMI};

/// The label that holds the hash of an image's recipe.
pub const RECIPE_LABEL: &str = "io.lariat.recipe";

/// An image that lies ready as an archive.
#[derive(Debug, Clone)]
pub struct Image {
    /// What a compose file calls it, such as `lariat-test/busybox:1`.
    pub reference: String,
    /// A file for `docker load`.
    pub archive: PathBuf,
    /// The hash of all that went in.
    pub recipe: String,
}

/// A directory with built images.
#[derive(Debug, Clone)]
pub struct Images {
    directory: PathBuf,
}

impl Images {
    /// Images in the directory of the tests: `LARIAT_TEST_IMAGES`, or `target/images` of this tree.
    #[must_use]
    pub fn for_tests() -> Self {
        match std::env::var_os("LARIAT_TEST_IMAGES") {
            Some(directory) => Self::in_directory(directory),
            None => Self::in_directory(tree().join("target/images")),
        }
    }

    /// Images in the given directory, which need not exist yet.
    #[must_use]
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// `lariat-test/busybox:1`, about 1 MB: a shell, `sleep`, `httpd`, `nc` and so on.
    ///
    /// # Errors
    /// As [`Images::build`].
    pub fn busybox(&self) -> Result<Image> {
        self.build(BUSYBOX)
    }

    /// All images of `examples/shop`.
    ///
    /// # Errors
    /// As [`Images::build`].
    pub fn shop(&self) -> Result<Vec<Image>> {
        [SHOP_WEB, SHOP_APP, SHOP_DB].into_iter().map(|reference| self.build(reference)).collect()
    }

    /// Every image that a test or an example uses.
    ///
    /// # Errors
    /// As [`Images::build`].
    pub fn all(&self) -> Result<Vec<Image>> {
        recipes::ALL.iter().map(|reference| self.build(reference)).collect()
    }

    /// Builds an image unless it is there already; processes that ask at once wait for each other.
    ///
    /// # Errors
    /// Fails for an unknown reference, or if packages cannot be fetched or files not be written.
    pub fn build(&self, reference: &str) -> Result<Image> {
        let recipe = recipes::recipe(reference)?;
        let hash = recipe.hash();
        let name = reference.replace(['/', ':'], "-");
        let path = self.directory.join(format!("{name}-{}.tar", &hash[..12]));
        let image = Image { reference: reference.to_owned(), archive: path.clone(), recipe: hash.clone() };
        if path.is_file() {
            return Ok(image);
        }
        std::fs::create_dir_all(&self.directory)
            .with_context(|| format!("could not make `{}`", self.directory.display()))?;
        let lock = std::fs::File::create(self.directory.join(".lock"))?;
        lock.lock()?;
        if path.is_file() {
            return Ok(image);
        }
        let packages = debian::fetch(&self.directory.join("packages"), recipe.packages, recipe.without)
            .with_context(|| format!("could not fetch the packages of `{reference}`"))?;
        let unfinished = path.with_extension("unfinished");
        archive::write(&unfinished, reference, &recipe, &hash, &packages)
            .with_context(|| format!("could not write the image `{reference}`"))?;
        std::fs::rename(&unfinished, &path)?;
        self.remove_older(&name, &path);
        Ok(image)
    }

    /// Old versions of an image are of no use to anybody.
    fn remove_older(&self, name: &str, keep: &Path) {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            let older = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
            if path != keep && older.is_some_and(|rest| rest.len() == 16 && rest.ends_with(".tar")) {
                let _ = std::fs::remove_file(&path);
            }
        }
    }
}

impl Image {
    /// Loads the image into the engine at `docker_host` unless it has this very one; says whether it did.
    ///
    /// # Errors
    /// Fails with what `docker` says.
    pub fn load_into(&self, docker_host: &str) -> Result<bool> {
        let format = format!("{{{{index .Config.Labels {RECIPE_LABEL:?}}}}}");
        let have = Command::new("docker")
            .env("DOCKER_HOST", docker_host)
            .args(["image", "inspect", "--format", &format, &self.reference])
            .stdin(Stdio::null())
            .output()
            .context("could not run `docker`")?;
        if have.status.success() && String::from_utf8_lossy(&have.stdout).trim() == self.recipe {
            return Ok(false);
        }
        let load = Command::new("docker")
            .env("DOCKER_HOST", docker_host)
            .args(["load", "--quiet", "--input"])
            .arg(&self.archive)
            .stdin(Stdio::null())
            .output()
            .context("could not run `docker`")?;
        if !load.status.success() {
            let complaint = String::from_utf8_lossy(&load.stderr);
            bail!("could not load `{}`: {}", self.reference, complaint.trim());
        }
        Ok(true)
    }
}

/// The root of this source tree.
fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in the tree")
}
