//! What the caller hands in: texts, variables and a way to further files. Nothing here touches a disk.

use std::collections::BTreeMap;
use std::fmt;

/// One file: its name as errors show it, and its text, which may hold passwords and is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SourceFile {
    /// The path relative to the folder of the project, with `/` between its parts.
    pub name: String,
    /// The text.
    pub text: String,
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.text.len())
    }
}

impl SourceFile {
    /// A file with this name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// Why a further file cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileSourceError {
    /// There is none of that name.
    #[error("the file does not exist")]
    Missing,
    /// It may not be read, or is no text.
    #[error("{0}")]
    Unreadable(String),
}

/// Gives the files that others name: `env_file`, `label_file`, `extends`, `include`.
///
/// Paths are relative to the folder of the project, use `/`, and hold neither `..` nor `.`: what points outside was
/// refused before.
pub trait FileSource {
    /// Reads one file.
    ///
    /// # Errors
    /// Tells why the file cannot be had.
    fn read(&self, path: &str) -> Result<String, FileSourceError>;

    /// Reads the content of a secret or config, which need not be text.
    ///
    /// # Errors
    /// Tells why the file cannot be had.
    fn read_bytes(&self, path: &str) -> Result<Vec<u8>, FileSourceError> {
        self.read(path).map(String::into_bytes)
    }
}

/// Files held in memory, by their path.
impl FileSource for BTreeMap<String, String> {
    fn read(&self, path: &str) -> Result<String, FileSourceError> {
        self.get(path).cloned().ok_or(FileSourceError::Missing)
    }
}

/// A source without files.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl FileSource for NoFiles {
    fn read(&self, _path: &str) -> Result<String, FileSourceError> {
        Err(FileSourceError::Unreadable("only the files that were sent can be read here".into()))
    }
}

/// A set of compose files to be read as one.
pub struct ComposeInput<'a> {
    /// The compose files; a later one is merged over the earlier.
    pub files: Vec<SourceFile>,
    /// The `rancher-compose.yml` files, merged over all of those.
    pub rancher_files: Vec<SourceFile>,
    /// The variables, by falling precedence already folded into one: file, answers, process environment.
    pub variables: BTreeMap<String, String>,
    /// Files as `.env`: their values hold where `variables` has none; a later file wins over an earlier.
    pub env_files: Vec<SourceFile>,
    /// The name of the stack.
    pub stack_name: String,
    /// Profiles that are switched on; `*` for all.
    pub profiles: Vec<String>,
    /// The absolute folder that `./` in host paths means; without it such paths are refused.
    pub project_folder: Option<String>,
    /// Whether the files are run through the template engine first.
    pub templating: Templating,
    /// What templates read beside the variables.
    pub release: Release,
    /// Further files.
    pub sources: &'a dyn FileSource,
    /// Bounds on what is read.
    pub limits: Limits,
}

impl Default for ComposeInput<'_> {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            rancher_files: Vec::new(),
            variables: BTreeMap::new(),
            env_files: Vec::new(),
            stack_name: String::new(),
            profiles: Vec::new(),
            project_folder: None,
            templating: Templating::default(),
            release: Release::default(),
            sources: &NoFiles,
            limits: Limits::default(),
        }
    }
}

/// Whether files are run through the template engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Templating {
    /// Those that name what only templates have: `.Values`, `.Stack`, `.Release` or `.Environment` in `{{ }}`.
    #[default]
    Auto,
    /// All, but those that begin with `#notemplating`.
    Always,
    /// None.
    Never,
}

/// What templates read beside the variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// The version of the catalog entry.
    pub version: String,
    /// The version that it replaces; empty at first.
    pub previous_version: String,
    /// The name of the environment.
    pub environment: String,
}

/// Bounds on what is read, so that a hostile file costs no more than a large honest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub file_bytes: usize,
    /// Files, with those that others name.
    pub files: usize,
    /// Levels of nesting in a document.
    pub depth: usize,
    /// Keys and values of a document after its aliases are expanded.
    pub nodes: usize,
    /// Items of one list, and keys of one map.
    pub entries: usize,
    /// Bytes of text of a document after its aliases and variables are expanded.
    pub expanded_bytes: usize,
    /// Levels of `extends` and `include`.
    pub file_depth: usize,
    /// Published ports of one service after ranges are expanded.
    pub ports: usize,
    /// Faults to list.
    pub errors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 2 << 20,
            files: 200,
            depth: 64,
            nodes: 100_000,
            entries: 5000,
            expanded_bytes: 8 << 20,
            file_depth: 16,
            ports: 2000,
            errors: 50,
        }
    }
}
