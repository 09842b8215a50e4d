//! From a set of files to one merged document: variables, further files, `include`, `extends`, merging.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::document::{self, Dialect, Document};
use crate::error::{At, Path, Report, shorten};
use crate::field::Field;
use crate::input::{ComposeInput, FileSourceError, SourceFile, Templating};
use crate::interpolate::{Variables, interpolate_map};
use crate::merge::{merge_section, merge_service};
use crate::template::{self, TemplateData};
use crate::variables::{Pair, dotenv, raw_lines};
use crate::words;
use crate::yaml::{self, Entry, Map, Node, Value};

/// Bytes of one secret or config, as in Docker's own limits.
const MOST_CONTENT: usize = 1 << 20;

/// What every reader needs beside the value that it reads.
pub(crate) struct Context<'a> {
    pub input: &'a ComposeInput<'a>,
    pub report: Report,
    pub dialect: Dialect,
    /// A file whose syntax is broken: what others say about its services cannot be judged.
    pub broken: bool,
    /// The folder that relative paths of a file start from, by the number of the file.
    folders: Vec<String>,
    /// Variables of `.env` files.
    dotenv: BTreeMap<String, String>,
    /// Texts of further files, by path.
    texts: BTreeMap<String, String>,
    /// How many secrets and configs were read from files.
    contents: usize,
    /// Documents that `extends` reads from, by path.
    documents: BTreeMap<String, Rc<Document>>,
    /// What files of `NAME=value` lines hold, by path and manner of reading.
    pairs: BTreeMap<(String, bool), Rc<Vec<Pair>>>,
    /// Bytes that variables may still add.
    budget: usize,
    /// Keys and values that `extends` may still copy.
    copies: usize,
}

impl<'a> Context<'a> {
    pub fn new(input: &'a ComposeInput<'a>) -> Self {
        Self {
            input,
            report: Report::new(input.limits.errors),
            dialect: Dialect::Today,
            broken: false,
            folders: Vec::new(),
            dotenv: BTreeMap::new(),
            texts: BTreeMap::new(),
            contents: 0,
            documents: BTreeMap::new(),
            pairs: BTreeMap::new(),
            budget: input.limits.expanded_bytes,
            copies: input.limits.nodes,
        }
    }

    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        Variables {
            given: &self.input.variables,
            files: &self.dotenv,
            project: &self.input.stack_name,
            lenient: false,
        }
        .get(name)
    }

    /// The folder that relative paths at a place start from.
    pub fn folder(&self, at: At) -> &str {
        self.folders.get(usize::from(at.file)).map_or("", String::as_str)
    }

    fn add_file(&mut self, name: &str, folder: &str) -> u16 {
        let number = self.report.add_file(name);
        self.folders.push(folder.to_owned());
        number
    }

    /// The path of a further file below the folder of the project; `None` after a fault.
    fn locate(&mut self, field: &Field<'_>, path: &str) -> Option<String> {
        match join(self.folder(field.at()), path) {
            Ok(full) => Some(full),
            Err(JoinError::Absolute) => {
                field.error(
                    &mut self.report,
                    format!("`{}` is not a path inside the project", shorten(path)),
                    "copy the file into the folder of the project, and name it relative to that folder",
                );
                None
            }
            Err(JoinError::Outside) => {
                field.error(
                    &mut self.report,
                    format!("`{}` lies outside the folder of the project", shorten(path)),
                    "copy the file into the folder of the project, or start one folder further up",
                );
                None
            }
        }
    }

    /// Whether there is room for one more file; says so otherwise.
    fn has_room(&mut self, field: &Field<'_>) -> bool {
        let room = self.texts.len() + self.folders.len() + self.contents < self.input.limits.files;
        if !room {
            field.error(
                &mut self.report,
                format!("the project has more than {} files", self.input.limits.files),
                "put several of them into one",
            );
        }
        room
    }

    /// Says why a file cannot be had.
    fn unread(&mut self, field: &Field<'_>, full: &str, error: &FileSourceError) {
        field.error(
            &mut self.report,
            format!("could not read `{}`: {error}", shorten(full)),
            "check the path, which starts from the folder of the file that names it, and send the file too",
        );
    }

    /// Reads the content of a secret or config; `None` after a fault.
    pub fn read_content(&mut self, field: &Field<'_>, path: &str) -> Option<Vec<u8>> {
        let full = self.locate(field, path)?;
        if !self.has_room(field) {
            return None;
        }
        self.contents += 1;
        match self.input.sources.read_bytes(&full) {
            Ok(bytes) if bytes.len() > MOST_CONTENT => {
                field.error(
                    &mut self.report,
                    format!("`{full}` has {} bytes; at most {MOST_CONTENT} are taken", bytes.len()),
                    "put large data into a volume",
                );
                None
            }
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.unread(field, &full, &error);
                None
            }
        }
    }

    /// Takes up a further file; `None` after a fault, or when it is missing and need not be there.
    pub fn read_file(&mut self, field: &Field<'_>, path: &str, required: bool) -> Option<(String, String)> {
        let full = self.locate(field, path)?;
        if let Some(text) = self.texts.get(&full) {
            return Some((full.clone(), text.clone()));
        }
        if !self.has_room(field) {
            return None;
        }
        match self.input.sources.read(&full) {
            Ok(text) if text.len() > self.input.limits.file_bytes => {
                field.error(
                    &mut self.report,
                    format!(
                        "`{full}` has {} bytes; at most {} are read",
                        text.len(),
                        self.input.limits.file_bytes
                    ),
                    "split it into several files",
                );
                None
            }
            Ok(text) => {
                self.texts.insert(full.clone(), text.clone());
                Some((full, text))
            }
            Err(FileSourceError::Missing) if !required => None,
            Err(error) => {
                self.unread(field, &full, &error);
                None
            }
        }
    }

    /// Reads a file of `NAME=value` lines.
    pub fn read_pairs(&mut self, name: &str, text: &str, raw: bool) -> Rc<Vec<Pair>> {
        let key = (name.to_owned(), raw);
        if let Some(pairs) = self.pairs.get(&key) {
            return Rc::clone(pairs);
        }
        let file = self.add_file(name, folder_of(name));
        let pairs = Rc::new(if raw {
            raw_lines(file, text, &mut self.report)
        } else {
            let variables = Variables {
                given: &self.input.variables,
                files: &self.dotenv,
                project: &self.input.stack_name,
                lenient: true,
            };
            dotenv(file, text, &variables, &mut self.report)
        });
        self.pairs.insert(key, Rc::clone(&pairs));
        pairs
    }

    fn take_dotenv(&mut self, file: &SourceFile) {
        let pairs = self.read_pairs(&file.name, &file.text, false);
        for (name, value) in pairs.iter() {
            if let Some(value) = value {
                self.dotenv.insert(name.clone(), value.clone());
            }
        }
    }

    /// The text of a file, filled in where it is a template; `None` after a fault.
    fn fill_in<'t>(&mut self, file: u16, text: &'t str) -> Option<Cow<'t, str>> {
        let wanted = match self.input.templating {
            Templating::Auto => template::is_template(text),
            Templating::Always => text.contains("{{") && !template::is_excepted(text),
            Templating::Never => false,
        };
        if !wanted {
            return Some(Cow::Borrowed(text));
        }
        let mut values = self.dotenv.clone();
        values.extend(self.input.variables.iter().map(|(name, value)| (name.clone(), value.clone())));
        let release = &self.input.release;
        let data = TemplateData {
            values,
            stack: self.input.stack_name.clone(),
            version: release.version.clone(),
            previous_version: release.previous_version.clone(),
            environment: release.environment.clone(),
        };
        let output = template::render(file, text, &data, &self.input.limits, &mut self.report)?;
        self.report.set_lines(file, output.lines);
        Some(Cow::Owned(output.text))
    }

    /// Parses, sorts and interpolates one file.
    fn read_document(&mut self, file: &SourceFile, folder: &str, rancher: bool) -> Option<Document> {
        let number = self.add_file(&file.name, folder);
        let Some(text) = self.fill_in(number, &file.text) else {
            self.broken = true;
            return None;
        };
        let Some(root) = yaml::parse(number, &text, &self.input.limits, &mut self.report) else {
            self.broken = true;
            return None;
        };
        let mut document = document::read(root, rancher, &mut self.report);
        self.report.settle_doubles(document.dialect == Dialect::Old);
        let variables = Variables {
            given: &self.input.variables,
            files: &self.dotenv,
            project: &self.input.stack_name,
            lenient: document.dialect == Dialect::Today,
        };
        let (report, budget) = (&mut self.report, &mut self.budget);
        let root = Path::Root;
        let path = if document.flat { root } else { root.key("services") };
        interpolate_map(&mut document.services, path, &variables, budget, report);
        interpolate_map(&mut document.containers, root.key("containers"), &variables, budget, report);
        interpolate_map(&mut document.volumes, root.key("volumes"), &variables, budget, report);
        interpolate_map(&mut document.networks, root.key("networks"), &variables, budget, report);
        interpolate_map(&mut document.configs, root.key("configs"), &variables, budget, report);
        if document.dialect == Dialect::Today {
            interpolate_map(&mut document.secrets, root.key("secrets"), &variables, budget, report);
            for (key, node) in [("name", &mut document.name), ("include", &mut document.include)] {
                if let Some(node) = node {
                    crate::interpolate::interpolate(node, root.key(key), &variables, budget, report);
                }
            }
        }
        Some(document)
    }

    /// Reads everything that the input names, and gives one document.
    pub fn read_all(&mut self) -> Document {
        for file in &self.input.env_files {
            self.take_dotenv(file);
        }
        let total = self.input.files.len() + self.input.rancher_files.len();
        if total > self.input.limits.files {
            let file = self.add_file("", "");
            self.report.error(
                At { file, line: 1, column: 1 },
                Path::Root,
                format!("{total} files are too many; at most {} are read", self.input.limits.files),
                "put several of them into one",
            );
            return Document::new(Dialect::Today);
        }
        let folder = self.input.files.first().map_or("", |file| folder_of(&file.name)).to_owned();
        let mut all: Option<Document> = None;
        for file in &self.input.files {
            if let Some(document) = self.read_document(file, &folder, false) {
                let mut chain = vec![file.name.clone()];
                let document = self.complete(document, all.as_ref(), &mut chain);
                all = Some(match all {
                    None => document,
                    Some(base) => merge_documents(base, document),
                });
            }
        }
        for file in &self.input.rancher_files {
            if let Some(document) = self.read_document(file, &folder, true) {
                let document = self.complete(document, all.as_ref(), &mut vec![file.name.clone()]);
                all = Some(match all {
                    None => document,
                    Some(base) => {
                        // The second file speaks the dialect of the first, whatever version it bears.
                        let (dialect, flat) = (base.dialect, base.flat);
                        let mut merged = merge_documents(base, Document { dialect, ..document });
                        merged.flat = flat;
                        merged
                    }
                });
            }
        }
        let document = all.unwrap_or_else(|| {
            if !self.report.has_errors() {
                let file = self.add_file("", "");
                let at = At { file, line: 1, column: 1 };
                self.report.error(at, Path::Root, "no compose file was given", "give a docker-compose.yml");
            }
            Document::new(Dialect::Today)
        });
        self.dialect = document.dialect;
        document
    }

    /// Resolves `extends` and `include` of one document.
    fn complete(
        &mut self,
        mut document: Document,
        earlier: Option<&Document>,
        chain: &mut Vec<String>,
    ) -> Document {
        let root = Path::Root;
        let prefix = if document.flat { root } else { root.key("services") };
        for (section, prefix) in [(true, prefix), (false, root.key("containers"))] {
            let slot = if section { &mut document.services } else { &mut document.containers };
            if slot.values().all(|entry| entry.node.get("extends").is_none()) {
                continue;
            }
            let own = std::mem::take(slot);
            let mut done = Map::with_capacity(own.len());
            for (name, entry) in &own {
                let node = if entry.node.get("extends").is_some() {
                    let file = chain.last().cloned().unwrap_or_default();
                    let link = format!("{file}#{name}");
                    let siblings = Siblings {
                        services: &own,
                        earlier: earlier.map(|document| &document.services),
                        file,
                        dialect: document.dialect,
                        flat: document.flat,
                    };
                    self.extend(&siblings, name, prefix.key(name), &mut vec![link])
                } else {
                    None
                };
                let node = node.unwrap_or_else(|| entry.node.clone());
                done.insert(name.clone(), Entry { at: entry.at, node });
            }
            *(if section { &mut document.services } else { &mut document.containers }) = done;
        }
        if let Some(include) = document.include.take() {
            self.include(&mut document, &include, chain);
        }
        document
    }

    /// The service `name` of `own` merged over what it extends; `None` when it extends nothing or a fault was found.
    ///
    /// `chain` names what is being extended, `file` is the path of the document that `own` stands in.
    fn extend(
        &mut self,
        own: &Siblings<'_>,
        name: &str,
        path: Path<'_>,
        chain: &mut Vec<String>,
    ) -> Option<Node> {
        let entry = own.services.get(name)?;
        let map = entry.node.as_map()?;
        let path = path.key("extends");
        let field = Field::new(&map.get("extends")?.node, path);
        let mut over = map.clone();
        over.shift_remove("extends");
        let entries: Vec<_>;
        let (target, file) = match &field.node.value {
            Value::Null => (None, None),
            Value::Scalar(_) if own.dialect == Dialect::Old => {
                field.notice(
                    &mut self.report,
                    "`extends` with a bare name has no effect in this version of the format",
                );
                (None, None)
            }
            Value::Scalar(_) => (Some((field.filled_text(&mut self.report)?, field)), None),
            Value::List(_) | Value::Map(_) => {
                let (mut service, mut file) = (None, None);
                entries = field.entries(&mut self.report).collect();
                for (key, at, value) in &entries {
                    match *key {
                        "service" => service = Some((value.filled_text(&mut self.report)?, *value)),
                        "file" if value.is_null() => {}
                        "file" => file = Some((value.filled_text(&mut self.report)?, *value)),
                        _ => self.report.error(
                            *at,
                            value.path,
                            format!("unknown key `{}`", shorten(key)),
                            words::did_you_mean(key, &["service", "file"]),
                        ),
                    }
                }
                if service.is_none() {
                    field.error(&mut self.report, "`extends` names no service", "add `service: NAME`");
                    return None;
                }
                (service, file)
            }
        };
        let Some((target, target_field)) = target else {
            return Some(Node { at: entry.node.at, value: Value::Map(over), tag: entry.node.tag });
        };
        let other;
        let (siblings, flat) = match file {
            None => (own, own.flat),
            Some((file, file_field)) => {
                let (full, text) = self.read_file(&file_field, &file, true)?;
                other = match self.documents.get(&full) {
                    Some(document) => Rc::clone(document),
                    None => {
                        let source = SourceFile { name: full.clone(), text };
                        let document = Rc::new(self.read_document(&source, folder_of(&full), false)?);
                        self.documents.insert(full.clone(), Rc::clone(&document));
                        document
                    }
                };
                (
                    &Siblings {
                        services: &other.services,
                        earlier: None,
                        file: full,
                        dialect: other.dialect,
                        flat: other.flat,
                    },
                    other.flat,
                )
            }
        };
        let link = format!("{}#{target}", siblings.file);
        if chain.contains(&link) {
            target_field.error(
                &mut self.report,
                format!("`{}` extends itself, by way of {} services", shorten(&target), chain.len()),
                "let one of them stand alone",
            );
            return None;
        }
        if chain.len() >= self.input.limits.file_depth {
            target_field.error(
                &mut self.report,
                format!("`extends` goes deeper than {} services", self.input.limits.file_depth),
                "write the settings into fewer services",
            );
            return None;
        }
        chain.push(link);
        let found = siblings.services.get(&target).map(|entry| &entry.node);
        let base = match found {
            Some(node) if node.get("extends").is_some() => {
                let root = Path::Root;
                let services = if flat { root } else { root.key("services") };
                self.extend(siblings, &target, services.key(&target), chain)
            }
            Some(node) => Some(node.clone()),
            None => match siblings.earlier.and_then(|services| services.get(&target)) {
                Some(entry) => Some(entry.node.clone()),
                None => {
                    let names = siblings.services.keys().map(String::as_str);
                    let remedy = match self.report.nearest(&target, names) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("define it in `{}`", siblings.file),
                    };
                    target_field.error(
                        &mut self.report,
                        format!("there is no service `{}` in `{}`", shorten(&target), siblings.file),
                        remedy,
                    );
                    None
                }
            },
        };
        chain.pop();
        let Value::Map(mut base) = base?.value else { return None };
        base.shift_remove("extends");
        if own.dialect == Dialect::Old {
            for key in ["links", "volumes_from"] {
                if let Some(entry) = base.get(key) {
                    let message = format!("the service `{}` that this extends has `{key}`", shorten(&target));
                    self.report.error(
                        entry.at,
                        path,
                        message,
                        format!("move `{key}` to the services that extend it"),
                    );
                    return None;
                }
            }
        }
        let copied = base.iter().map(|(_, entry)| entry.node.size().0).sum::<usize>();
        let Some(left) = self.copies.checked_sub(copied) else {
            target_field.error(
                &mut self.report,
                "`extends` copies more than any project needs",
                "let fewer services extend that one",
            );
            return None;
        };
        self.copies = left;
        merge_service(&mut base, over, own.dialect);
        Some(Node { at: entry.node.at, value: Value::Map(base), tag: entry.node.tag })
    }

    /// Reads what `include` names and adds it to a document.
    fn include(&mut self, document: &mut Document, include: &Node, chain: &mut Vec<String>) {
        let field = Field::new(include, Path::Key(&Path::Root, "include"));
        let items: Vec<_> = field.items(&mut self.report).collect();
        for item in items {
            let mut paths: Vec<(String, Field<'_>)> = Vec::new();
            let mut env_files: Vec<(String, Field<'_>)> = Vec::new();
            let mut directory: Option<(String, Field<'_>)> = None;
            let entries: Vec<_>;
            let lists: Vec<(bool, Vec<Field<'_>>)>;
            if let Some(text) = item.node.as_text() {
                paths.push((text.to_owned(), item));
            } else {
                entries = item.entries(&mut self.report).collect();
                lists = entries
                    .iter()
                    .filter_map(|(key, at, value)| match *key {
                        "path" => Some((true, value.one_or_more(&mut self.report))),
                        "env_file" => Some((false, value.one_or_more(&mut self.report))),
                        "project_directory" => {
                            directory = value.filled_text(&mut self.report).map(|text| (text, *value));
                            None
                        }
                        _ => {
                            self.report.error(
                                *at,
                                value.path,
                                format!("unknown key `{}`", shorten(key)),
                                words::did_you_mean(key, &["path", "env_file", "project_directory"]),
                            );
                            None
                        }
                    })
                    .collect();
                for (is_path, fields) in &lists {
                    for field in fields {
                        if let Some(text) = field.filled_text(&mut self.report) {
                            if *is_path { &mut paths } else { &mut env_files }.push((text, *field));
                        }
                    }
                }
            }
            let before = self.dotenv.clone();
            let mut folder: Option<String> = match &directory {
                Some((path, field)) => match self.locate(field, path) {
                    Some(folder) => Some(folder),
                    None => continue,
                },
                None => None,
            };
            let mut env_texts: Vec<SourceFile> = Vec::new();
            for (path, field) in &env_files {
                let read = self.read_file(field, path, true);
                env_texts.extend(read.map(|(name, text)| SourceFile { name, text }));
            }
            if env_files.is_empty()
                && let Some((path, field)) = paths.first()
            {
                // Without a word about it, the `.env` of that project holds, if there is one.
                let beside = folder.clone().or_else(|| {
                    join(self.folder(field.at()), path).ok().map(|full| folder_of(&full).to_owned())
                });
                let name = beside.and_then(|folder| join(&folder, ".env").ok());
                if let Some(name) = name
                    && self.texts.len() + self.folders.len() < self.input.limits.files
                    && let Ok(text) = self.input.sources.read(&name)
                    && text.len() <= self.input.limits.file_bytes
                {
                    env_texts.push(SourceFile { name, text });
                }
            }
            for file in &env_texts {
                let outer = self.dotenv.clone();
                self.take_dotenv(file);
                // What is outside wins over what an included file brings along.
                self.dotenv.extend(outer);
            }
            let mut all: Option<Document> = None;
            for (path, field) in &paths {
                let Some((name, text)) = self.read_file(field, path, true) else { continue };
                if chain.contains(&name) {
                    field.error(
                        &mut self.report,
                        format!("`{}` includes itself", shorten(&name)),
                        "remove one of the two `include`",
                    );
                    continue;
                }
                if chain.len() >= self.input.limits.file_depth {
                    field.error(
                        &mut self.report,
                        format!("`include` goes deeper than {} files", self.input.limits.file_depth),
                        "include the inner files from the first one",
                    );
                    continue;
                }
                let folder = folder.get_or_insert_with(|| folder_of(&name).to_owned()).clone();
                chain.push(name.clone());
                if let Some(inner) = self.read_document(&SourceFile { name, text }, &folder, false) {
                    let inner = self.complete(inner, all.as_ref(), chain);
                    all = Some(match all {
                        None => inner,
                        Some(base) => merge_documents(base, inner),
                    });
                }
                chain.pop();
            }
            self.dotenv = before;
            if let Some(inner) = all {
                self.adopt(document, inner, &item);
            }
        }
    }

    /// Adds an included document; a name that both have is a fault unless both mean the same lines.
    fn adopt(&mut self, document: &mut Document, inner: Document, field: &Field<'_>) {
        let Document { services, containers, volumes, networks, secrets, configs, kinds, .. } = inner;
        for (section, own, other) in [
            ("service", &mut document.services, services),
            ("container", &mut document.containers, containers),
            ("volume", &mut document.volumes, volumes),
            ("network", &mut document.networks, networks),
            ("secret", &mut document.secrets, secrets),
            ("config", &mut document.configs, configs),
        ] {
            for (name, entry) in other {
                match own.get(&name) {
                    None => drop(own.insert(name, entry)),
                    Some(old) => {
                        let place = |at: At| (self.report.file_name(at.file).to_owned(), at.line, at.column);
                        let same =
                            place(old.at) == place(entry.at) || (old.node.is_null() && entry.node.is_null());
                        if !same {
                            let (file, line, _) = place(entry.at);
                            field.error(
                                &mut self.report,
                                format!(
                                    "the {section} `{}` stands here and in `{file}` (line {line})",
                                    shorten(&name)
                                ),
                                "give one of the two another name",
                            );
                        }
                    }
                }
            }
        }
        document.kinds.extend(kinds);
    }
}

/// The services among which `extends` looks for its base.
struct Siblings<'a> {
    services: &'a Map,
    /// What earlier files of the same set defined.
    earlier: Option<&'a Map>,
    file: String,
    dialect: Dialect,
    flat: bool,
}

fn merge_documents(mut base: Document, over: Document) -> Document {
    let dialect = base.dialect.max(over.dialect);
    let Document { services, containers, volumes, networks, secrets, configs, kinds, name, flat, .. } = over;
    base.dialect = dialect;
    base.flat &= flat;
    base.name = name.or(base.name);
    base.kinds.extend(kinds);
    for (old, new) in [
        (&mut base.services, services),
        (&mut base.containers, containers),
        (&mut base.volumes, volumes),
        (&mut base.networks, networks),
        (&mut base.secrets, secrets),
        (&mut base.configs, configs),
    ] {
        merge_section(old, new, dialect);
    }
    base
}

/// Why two parts make no path inside the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinError {
    Absolute,
    Outside,
}

/// Puts a relative path below a folder, without `.` and `..`.
pub(crate) fn join(folder: &str, path: &str) -> Result<String, JoinError> {
    if path.starts_with(['/', '~', '\\']) || path.contains("://") || path.get(1..2) == Some(":") {
        return Err(JoinError::Absolute);
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or(JoinError::Outside)?),
            part if part.contains('\0') => return Err(JoinError::Outside),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The folder that a file stands in.
pub(crate) fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}
