//! The files of a build context: all below its folder, without what `.dockerignore` names.

use std::io::Write;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

/// The name that steps written in the compose file have in the context.
pub const INLINE: &str = ".lariat.dockerfile";

/// The lines of a `.dockerignore`.
#[derive(Default)]
pub struct Ignored {
    rules: Vec<Rule>,
}

struct Rule {
    matcher: GlobMatcher,
    keeps: bool,
}

impl Ignored {
    /// Reads the lines. A later one wins; one with `!` in front keeps what an earlier one left out.
    ///
    /// # Errors
    /// Says which line makes no sense.
    pub fn parse(text: &str) -> std::io::Result<Self> {
        let mut rules = Vec::new();
        for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (keeps, pattern) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            let pattern = pattern.trim_start_matches('/').trim_end_matches('/');
            let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
            let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
            let glob = glob.map_err(|error| {
                std::io::Error::new(
                    std::io::ErrorKind::InvalidData,
                    format!(".dockerignore: `{line}`: {error}"),
                )
            })?;
            rules.push(Rule { matcher: glob.compile_matcher(), keeps });
        }
        Ok(Self { rules })
    }

    /// Whether a path stays behind: it, or a folder that it is in, is named.
    pub fn holds(&self, path: &Path) -> bool {
        let mut left_out = false;
        for rule in &self.rules {
            let matches = path.ancestors().any(|part| part != Path::new("") && rule.matcher.is_match(part));
            if matches {
                left_out = !rule.keeps;
            }
        }
        left_out
    }

    /// Whether something below a folder that stays behind may be kept all the same.
    fn may_keep_below(&self) -> bool {
        self.rules.iter().any(|rule| rule.keeps)
    }
}

/// Packs a context.
///
/// # Errors
/// Fails if a file cannot be read, or nobody takes the stream.
pub fn pack(
    writer: &mut impl Write,
    root: &Path,
    dockerfile: &str,
    inline: Option<&str>,
) -> std::io::Result<()> {
    let own = root.join(format!("{dockerfile}.dockerignore"));
    let list = if own.is_file() { own } else { root.join(".dockerignore") };
    let ignored = match std::fs::read_to_string(&list) {
        Ok(text) => Ignored::parse(&text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ignored::default(),
        Err(error) => return Err(error),
    };
    let mut builder = tar::Builder::new(writer);
    builder.follow_symlinks(false);
    add_folder(&mut builder, root, Path::new(""), &ignored, Path::new(dockerfile))?;
    if let Some(text) = inline {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        builder.append_data(&mut header, INLINE, text.as_bytes())?;
    }
    builder.into_inner()?.flush()
}

fn add_folder(
    builder: &mut tar::Builder<&mut impl Write>,
    root: &Path,
    folder: &Path,
    ignored: &Ignored,
    dockerfile: &Path,
) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(root.join(folder))?.collect::<Result<Vec<_>, _>>()?;
    // The same files make the same stream.
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        let kind = entry.file_type()?;
        // The engine needs these two, whatever the list says.
        let needed = path == dockerfile || path == Path::new(".dockerignore");
        let left_out = !needed && ignored.holds(&path);
        if kind.is_dir() {
            if !left_out {
                builder.append_path_with_name(root.join(&path), &path)?;
            }
            if !left_out || ignored.may_keep_below() || dockerfile.starts_with(&path) {
                add_folder(builder, root, &path, ignored, dockerfile)?;
            }
        } else if !left_out && (kind.is_file() || kind.is_symlink()) {
            builder.append_path_with_name(root.join(&path), &path)?;
        }
    }
    Ok(())
}
