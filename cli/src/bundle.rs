//! From files on the user's disk to what is sent to the server.
//!
//! Everything is read and checked here first, so that a mistake is shown with file, line and column before anything
//! has changed. The server cannot read the user's disk. So a single file that needs nothing besides its variables is sent
//! as it is, with comments; whatever names other files or folders is sent in one piece that means the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use contract_api::launch::{DockerBuild, PullPolicy, StackPlan};
use contract_compose::{ComposeErrors, ComposeInput, FileSource, FileSourceError, SourceFile};

use crate::error::{CliError, FAILED};
use crate::io::Io;

/// What a folder is searched for when no file is named.
const USUAL: &[&str] = &["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// Which files, in the user's words.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Compose files; those of the folder when empty.
    pub files: Vec<PathBuf>,
    /// Further files of the platform.
    pub rancher_files: Vec<PathBuf>,
    /// Files of variables.
    pub env_files: Vec<PathBuf>,
    /// The name of the stack.
    pub stack: Option<String>,
    /// Profiles that are switched on.
    pub profiles: Vec<String>,
    /// Fetch images even where they are already.
    pub pull: bool,
    /// Only these services and what they need; all when empty.
    pub services: Vec<String>,
    /// So many containers at a time are replaced.
    pub batch_size: Option<u32>,
    /// Milliseconds between such batches.
    pub interval: Option<u64>,
}

/// What is sent to the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// The name of the stack.
    pub stack: String,
    /// The compose file.
    pub docker_compose: String,
    /// The platform's second file.
    pub rancher_compose: Option<String>,
    /// The variables that the files use.
    pub environment: BTreeMap<String, String>,
    /// What the files mean.
    pub plan: StackPlan,
    /// The folder of the first file, where build contexts and further files are.
    pub folder: PathBuf,
    /// The images that are built, each by the name that its services run.
    pub builds: Vec<ImageBuild>,
}

/// An image that is built from the user's files.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageBuild {
    /// The first service that runs it.
    pub service: String,
    /// Its name.
    pub image: String,
    /// How it is built.
    pub build: DockerBuild,
}

/// Reads the files.
///
/// # Errors
/// Fails if a file cannot be read, or with every mistake in them.
pub fn read(io: &Io, choice: &Choice) -> Result<Bundle, CliError> {
    let (folder, files) = find_files(io, &choice.files)?;
    let place = Place::of(io, &folder);
    let mut rancher_files = Vec::new();
    if choice.rancher_files.is_empty() {
        // The old tools take the second file along when it lies beside the first.
        let beside = ["rancher-compose.yml", "rancher-compose.yaml"].map(|name| folder.join(name));
        if let Some(path) = beside.iter().find(|path| choice.files.len() <= 1 && path.is_file()) {
            rancher_files.push(read_file(&folder, path)?);
        }
    }
    for path in &choice.rancher_files {
        rancher_files.push(read_file(&folder, &io.folder.join(path))?);
    }
    let mut variables = io.variables().clone();
    for path in &choice.env_files {
        let file = read_file(&folder, &io.folder.join(path))?;
        let is_map = [".yml", ".yaml", ".json"].iter().any(|end| file.name.ends_with(end));
        let pairs = if is_map {
            contract_compose::read_variables(&file)
        } else {
            contract_compose::read_dotenv(&file, &variables)
        };
        variables.extend(pairs.map_err(|errors| mistakes(&errors, &place))?);
    }
    let mut env_files = Vec::new();
    if choice.env_files.is_empty() && folder.join(".env").is_file() {
        env_files.push(read_file(&folder, &folder.join(".env"))?);
    }

    let disk = Disk { folder: folder.clone() };
    let input = |stack: &str| ComposeInput {
        files: files.clone(),
        rancher_files: rancher_files.clone(),
        variables: variables.clone(),
        env_files: env_files.clone(),
        stack_name: stack.to_owned(),
        profiles: choice.profiles.clone(),
        project_folder: folder.to_str().map(str::to_owned),
        sources: &disk,
        ..ComposeInput::default()
    };
    let of_folder = folder.file_name().and_then(|name| name.to_str()).map(as_stack_name).unwrap_or_default();
    let of_variable = || io.variable("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty());
    let named = choice.stack.clone().or_else(of_variable);
    let mut stack = named.clone().unwrap_or(of_folder);
    let mut plan = contract_compose::load(&input(&stack)).map_err(|errors| mistakes(&errors, &place))?;
    if named.is_none()
        && let Some(name) = plan.name.clone()
    {
        stack = as_stack_name(&name);
        plan = contract_compose::load(&input(&stack)).map_err(|errors| mistakes(&errors, &place))?;
    }
    for notice in &mut plan.notices {
        notice.file = place.shown(&notice.file);
    }
    if stack.is_empty() {
        return Err(CliError::usage("the stack has no name").hint("give one with -s NAME"));
    }

    select(&mut plan, &choice.services)?;
    let builds = name_images(&mut plan, &stack);
    let as_written = !choice.pull
        && choice.services.is_empty()
        && choice.batch_size.is_none()
        && choice.interval.is_none()
        && builds.is_empty()
        // What is read from a file or a variable must not travel as a variable of the stack.
        && plan.secrets.iter().all(|secret| secret.external);
    let used = used_variables(files.iter().chain(&rancher_files), &variables, &env_files, &place)?;
    if as_written && let ([file], [] | [_]) = (files.as_slice(), rancher_files.as_slice()) {
        // Read it as the server will: if that gives the same, the user's own text can be sent.
        let as_server = ComposeInput {
            files: vec![file.clone()],
            rancher_files: rancher_files.clone(),
            variables: used.clone(),
            stack_name: stack.clone(),
            ..ComposeInput::default()
        };
        let same = contract_compose::load(&as_server)
            .is_ok_and(|seen| without_notices(seen) == without_notices(plan.clone()));
        if same {
            return Ok(Bundle {
                stack,
                docker_compose: file.text.clone(),
                rancher_compose: rancher_files.first().map(|file| file.text.clone()),
                environment: used,
                plan,
                folder,
                builds,
            });
        }
    }
    if choice.pull {
        for service in plan.services.iter_mut().chain(&mut plan.containers) {
            let own = std::iter::once(&mut service.launch_config);
            for launch in own.chain(&mut service.secondary_launch_configs) {
                launch.pull_policy = Some(PullPolicy::Always);
            }
        }
    }
    if choice.batch_size.is_some() || choice.interval.is_some() {
        for service in &mut plan.services {
            let strategy = service.upgrade_strategy.get_or_insert_default();
            strategy.batch_size = choice.batch_size.or(strategy.batch_size);
            let interval = choice.interval.map(|interval| i64::try_from(interval).unwrap_or(i64::MAX));
            strategy.interval_millis = interval.or(strategy.interval_millis);
        }
    }
    let rendered = contract_compose::render(&plan);
    Ok(Bundle {
        stack,
        docker_compose: rendered.docker_compose,
        rancher_compose: Some(rendered.rancher_compose).filter(|text| !text.trim().is_empty()),
        environment: BTreeMap::new(),
        plan,
        folder,
        builds,
    })
}

/// Leaves out all but the services that are named and those that they need.
fn select(plan: &mut StackPlan, names: &[String]) -> Result<(), CliError> {
    if names.is_empty() {
        return Ok(());
    }
    let known =
        |name: &str| plan.services.iter().chain(&plan.containers).find(|service| service.name == name);
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let mut next: Vec<String> = Vec::new();
    for name in names {
        if known(name).is_none() {
            let all: Vec<&str> =
                plan.services.iter().chain(&plan.containers).map(|service| service.name.as_str()).collect();
            return Err(CliError::new(format!("there is no service `{name}` in the files"))
                .hint(format!("there are: {}", all.join(", "))));
        }
        next.push(name.clone());
    }
    while let Some(name) = next.pop() {
        let Some(service) = known(&name) else { continue };
        if wanted.insert(name) {
            next.extend(service.depends_on.iter().map(|dependency| dependency.service.clone()));
            next.extend(service.links.iter().map(|link| link.service.clone()));
        }
    }
    plan.services.retain(|service| wanted.contains(&service.name));
    plan.containers.retain(|service| wanted.contains(&service.name));
    Ok(())
}

/// Gives every image that is built a name, and takes the building out of the plan: hosts run what has been built.
fn name_images(plan: &mut StackPlan, stack: &str) -> Vec<ImageBuild> {
    let mut builds: Vec<ImageBuild> = Vec::new();
    for service in plan.services.iter_mut().chain(&mut plan.containers) {
        let primary = service.name.clone();
        let own = std::iter::once(&mut service.launch_config);
        for launch in own.chain(&mut service.secondary_launch_configs) {
            let Some(build) = launch.build.take() else { continue };
            let name = launch.name.clone().unwrap_or_else(|| primary.clone());
            let image = launch.image_uuid.get_or_insert_with(|| {
                // Names of images know no capital letters.
                format!("docker:{}", build.tag.clone().unwrap_or(format!("{stack}-{name}").to_lowercase()))
            });
            let image = image.strip_prefix("docker:").unwrap_or(image).to_owned();
            if !builds.iter().any(|known| known.image == image && known.build == build) {
                builds.push(ImageBuild { service: name, image, build });
            }
        }
    }
    builds
}

fn without_notices(plan: StackPlan) -> StackPlan {
    StackPlan { notices: Vec::new(), ..plan }
}

/// Finds the compose files and the folder that they lie in.
fn find_files(io: &Io, named: &[PathBuf]) -> Result<(PathBuf, Vec<SourceFile>), CliError> {
    let mut paths: Vec<PathBuf> = named.to_vec();
    if paths.is_empty()
        && let Some(list) = io.variable("COMPOSE_FILE").filter(|list| !list.is_empty())
    {
        let separator = io.variable("COMPOSE_PATH_SEPARATOR").filter(|s| !s.is_empty());
        paths.extend(list.split(separator.as_deref().unwrap_or(":")).map(PathBuf::from));
    }
    if paths.is_empty() {
        let Some(found) = USUAL.iter().find(|name| io.folder.join(name).is_file()) else {
            return Err(CliError::usage(format!("there is no compose file in {}", io.folder.display()))
                .hint("name one with -f FILE"));
        };
        paths.push(PathBuf::from(found));
        // As other tools do, what lies beside it under this name goes on top.
        let (stem, _) = found.rsplit_once('.').expect("the usual names have an ending");
        let beside = ["yml", "yaml"].map(|other| format!("{stem}.override.{other}"));
        let beside = beside.iter().find(|name| io.folder.join(name).is_file());
        paths.extend(beside.map(PathBuf::from));
    }
    let first = &paths[0];
    let folder = if first.as_os_str() == "-" {
        io.folder.clone()
    } else {
        let path = io.folder.join(first);
        let parent = path.parent().unwrap_or(Path::new("/")).to_owned();
        std::fs::canonicalize(&parent).unwrap_or(parent)
    };
    let mut files = Vec::new();
    for path in &paths {
        if path.as_os_str() == "-" {
            files.push(SourceFile::new("<stdin>", io.read_all()?));
        } else {
            let full = io.folder.join(path);
            let full = std::fs::canonicalize(&full).unwrap_or(full);
            files.push(read_file(&folder, &full)?);
        }
    }
    Ok((folder, files))
}

fn read_file(folder: &Path, path: &Path) -> Result<SourceFile, CliError> {
    let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
    let bytes = std::fs::read(path)
        .map_err(|error| CliError::new(format!("could not read `{}`: {error}", path.display())))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SourceFile::new(name, text)),
        Err(_) => Err(CliError::new(format!("`{}` is no text", path.display()))),
    }
}

/// A name for a stack out of any text: letters, digits and single hyphens.
fn as_stack_name(text: &str) -> String {
    let mut name = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            name.push(character);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(63);
    name.trim_end_matches('-').to_owned()
}

/// The variables that the texts name, so that nothing else of the user's environment leaves his machine.
fn used_variables<'a>(
    files: impl Iterator<Item = &'a SourceFile>,
    variables: &BTreeMap<String, String>,
    env_files: &[SourceFile],
    place: &Place,
) -> Result<BTreeMap<String, String>, CliError> {
    let mut known = BTreeMap::new();
    for file in env_files {
        known.extend(
            contract_compose::read_dotenv(file, variables).map_err(|errors| mistakes(&errors, place))?,
        );
    }
    known.extend(variables.clone());
    let mut names = BTreeSet::new();
    for file in files {
        collect_names(&file.text, &mut names);
    }
    Ok(known.into_iter().filter(|(name, _)| names.contains(name.as_str())).collect())
}

/// Collects what stands behind a `$`, and what may be an entry of `environment` without a value.
fn collect_names<'a>(text: &'a str, names: &mut BTreeSet<&'a str>) {
    let word = |text: &'a str| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        &text[..end]
    };
    for (at, _) in text.match_indices('$') {
        let rest = &text[at + 1..];
        names.insert(word(rest.strip_prefix('{').unwrap_or(rest)));
    }
    for line in text.lines() {
        let line = line.trim();
        let entry = line.strip_prefix('-').map(str::trim).or_else(|| line.strip_suffix(':'));
        if let Some(entry) = entry {
            names.insert(entry.trim_matches(['"', '\'']));
        }
        if let Some((_, list)) = line.split_once('[') {
            names.extend(list.split([',', ']']).map(|item| item.trim().trim_matches(['"', '\''])));
        }
    }
}

/// The folder of the compose file and what lies below it.
struct Disk {
    folder: PathBuf,
}

impl FileSource for Disk {
    fn read(&self, path: &str) -> Result<String, FileSourceError> {
        String::from_utf8(self.read_bytes(path)?)
            .map_err(|_| FileSourceError::Unreadable("it is no text".to_owned()))
    }

    fn read_bytes(&self, path: &str) -> Result<Vec<u8>, FileSourceError> {
        let relative = Path::new(path);
        if relative.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(FileSourceError::Unreadable(
                "it lies outside the folder of the compose file".to_owned(),
            ));
        }
        let full = self.folder.join(relative);
        match std::fs::read(&full) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(FileSourceError::Missing),
            Err(error) => Err(FileSourceError::Unreadable(error.to_string())),
        }
    }
}

/// The folder of the compose file, as it is written in front of the names of files.
#[derive(Clone, Debug, Default)]
struct Place(String);

impl Place {
    fn of(io: &Io, folder: &Path) -> Self {
        let own = std::fs::canonicalize(&io.folder).unwrap_or_else(|_| io.folder.clone());
        match folder.strip_prefix(&own) {
            Ok(below) if below.as_os_str().is_empty() => Self::default(),
            Ok(below) => Self(format!("{}/", below.display())),
            Err(_) => Self(format!("{}/", folder.display())),
        }
    }

    /// The name of a file as somebody finds it from where the command runs.
    fn shown(&self, file: &str) -> String {
        if file.starts_with(['/', '<']) { file.to_owned() } else { format!("{}{file}", self.0) }
    }
}

/// All mistakes of a reading, each with its place.
fn mistakes(errors: &ComposeErrors, place: &Place) -> CliError {
    let mut lines = Vec::new();
    for error in errors.errors() {
        let path = if error.path.is_empty() { String::new() } else { format!("{}: ", error.path) };
        let file = place.shown(&error.file);
        lines.push(format!("{file}:{}:{}: {path}{}", error.line, error.column, error.message));
        if !error.remedy.is_empty() {
            lines.push(format!("  hint: {}", error.remedy));
        }
    }
    if errors.left_off() > 0 {
        lines.push(format!("and {} more", errors.left_off()));
    }
    let hint =
        lines.get(1).filter(|_| lines.len() == 2).map(|hint| hint.trim_start_matches("  hint: ").to_owned());
    if hint.is_some() {
        lines.truncate(1);
    }
    CliError { what: lines.join("\n"), hint, code: FAILED, silent: false }
}

#[cfg(test)]
mod tests;
