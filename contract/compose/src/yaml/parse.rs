//! From text to tree: anchors and merge keys expanded within bounds, double keys refused, syntax faults in plain words.

use std::collections::HashMap;
use std::fmt::Write;

use indexmap::map::Entry as Slot;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::{Entry, Map, MergeTag, Node, Scalar, Value};
use crate::error::{At, Path, Report, shorten, show_key};
use crate::input::Limits;

/// Reads one document; what is wrong with it goes to the report, and a document with a broken syntax is `None`.
pub(crate) fn parse(file: u16, text: &str, limits: &Limits, report: &mut Report) -> Option<Node> {
    let start = At { file, line: 1, column: 1 };
    if text.len() > limits.file_bytes {
        report.error(
            start,
            Path::Root,
            format!("the file has {} bytes; at most {} are read", text.len(), limits.file_bytes),
            "split it into several files, or move large texts out of it",
        );
        return None;
    }
    let mut loader = Loader {
        file,
        limits,
        report,
        stack: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        nodes: 0,
        bytes: 0,
    };
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0_usize;
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let path = loader.path();
                let open = loader.stack.last().map(|frame| frame.at);
                explain(file, text, &error, path, open, loader.report);
                return None;
            }
        };
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                let at = loader.at(&span);
                loader.fault(
                    at,
                    "a second document begins here",
                    "keep one document per file: remove the `---`, or give each document its own file",
                );
                return None;
            }
        }
        loader.take(event, &span)?;
    }
    Some(loader.root.unwrap_or(Node { at: start, value: Value::Null, tag: MergeTag::None }))
}

struct Loader<'a> {
    file: u16,
    limits: &'a Limits,
    report: &'a mut Report,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
    bytes: usize,
}

/// A list or map under construction.
struct Frame {
    at: At,
    anchor: usize,
    tag: MergeTag,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { map: Map, key: Option<(String, At)>, merges: Vec<Node> },
}

impl Loader<'_> {
    fn fault(&mut self, at: At, message: impl Into<String>, remedy: impl Into<String>) {
        let path = self.path();
        self.report.error_at(at, path, message, remedy);
    }

    /// The key path of the value that is being read.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.stack {
            match &frame.content {
                Content::List(items) => {
                    let _ = write!(path, "[{}]", items.len());
                }
                Content::Map { key: Some((key, _)), .. } => {
                    let dot = if path.is_empty() { "" } else { "." };
                    let _ = write!(path, "{dot}{}", show_key(key.trim_start_matches('\0')));
                }
                Content::Map { key: None, .. } => {}
            }
        }
        path
    }

    fn at(&self, span: &Span) -> At {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        At { file: self.file, line: number(span.start.line()), column: number(span.start.col() + 1) }
    }

    /// Takes one event; `None` ends the reading.
    fn take(&mut self, event: Event<'_>, span: &Span) -> Option<()> {
        let at = self.at(span);
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Some(()),
            Event::Scalar(text, style, anchor, tag) => {
                self.count(at, 1, text.len())?;
                let (node, plain) = self.scalar(at, &text, style, tag.as_deref());
                self.finish(node, anchor, plain)
            }
            Event::SequenceStart(anchor, tag) => {
                let tag = self.collection_tag(at, tag.as_deref(), "seq");
                self.open(Frame { at, anchor, tag, content: Content::List(Vec::new()) })
            }
            Event::MappingStart(anchor, tag) => {
                let tag = self.collection_tag(at, tag.as_deref(), "map");
                let content = Content::Map { map: Map::new(), key: None, merges: Vec::new() };
                self.open(Frame { at, anchor, tag, content })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let frame = self.stack.pop().expect("the parser closes only what it opened");
                let value = match frame.content {
                    Content::List(items) => Value::List(items),
                    Content::Map { map, merges, .. } => Value::Map(self.merge(map, merges)?),
                };
                self.finish(Node { at: frame.at, value, tag: frame.tag }, frame.anchor, false)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    self.fault(
                        at,
                        "this alias stands inside the value that it names",
                        "let the alias name a value that ends before it",
                    );
                    return None;
                };
                let (nodes, bytes) = node.size();
                self.count(at, nodes, bytes)?;
                let node = self.anchors[&anchor].clone();
                // The place of a value that an alias repeats is where it was written, which is where it can be
                // mended.
                self.finish(node, 0, false)
            }
        }
    }

    fn count(&mut self, at: At, nodes: usize, bytes: usize) -> Option<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        let message = if self.nodes > self.limits.nodes {
            format!(
                "the document has more than {} keys and values, counting what its aliases repeat",
                self.limits.nodes
            )
        } else if self.bytes > self.limits.expanded_bytes {
            format!(
                "the document has more than {} bytes of text, counting what its aliases repeat",
                self.limits.expanded_bytes
            )
        } else {
            return Some(());
        };
        self.fault(at, message, "repeat less with aliases, or split the stack");
        None
    }

    fn open(&mut self, frame: Frame) -> Option<()> {
        self.count(frame.at, 1, 0)?;
        if self.stack.len() >= self.limits.depth {
            self.fault(
                frame.at,
                format!("lists and maps are nested deeper than {} levels", self.limits.depth),
                "no compose file needs that depth: look for brackets or dashes that are never closed",
            );
            return None;
        }
        self.stack.push(frame);
        Some(())
    }

    /// Puts a finished value where it belongs; `plain` tells whether it may be a merge key.
    fn finish(&mut self, node: Node, anchor: usize, plain: bool) -> Option<()> {
        if anchor > 0 {
            let (nodes, bytes) = node.size();
            self.count(node.at, nodes, bytes)?;
            self.anchors.insert(anchor, node.clone());
        }
        let entries = match self.stack.last().map(|frame| &frame.content) {
            Some(Content::List(items)) => items.len(),
            Some(Content::Map { map, merges, .. }) => map.len() + merges.len(),
            None => 0,
        };
        if entries > self.limits.entries {
            self.fault(
                node.at,
                format!("a list or map has more than {} entries", self.limits.entries),
                "split the stack, or move large data into a volume",
            );
            return None;
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Some(());
        };
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map { map, key, merges } => match key.take() {
                None => {
                    let at = node.at;
                    // A quoted `<<` is an ordinary key.
                    let text = match node.value {
                        Value::Scalar(scalar) if plain && scalar.text == "<<" => Some(MERGE.to_owned()),
                        Value::Scalar(scalar) => Some(scalar.text),
                        Value::Null => Some("null".to_owned()),
                        Value::List(_) | Value::Map(_) => None,
                    };
                    let readable = text.is_some();
                    *key = Some((text.unwrap_or_default(), at));
                    if !readable {
                        self.fault(
                            at,
                            "a list or map stands where a key must stand",
                            "put text in quotes when it begins with `{`, `[` or `?`; a variable is written `${NAME}`",
                        );
                    }
                }
                Some((name, _)) if name == MERGE => merges.push(node),
                Some((name, at)) => match map.entry(name) {
                    Slot::Vacant(slot) => {
                        slot.insert(Entry { at, node });
                    }
                    Slot::Occupied(mut slot) => {
                        let name = slot.key().clone();
                        let first = slot.insert(Entry { at, node }).at.line;
                        let message = format!(
                            "the key `{}` stands here for the second time; the first is in line {first}",
                            shorten(&name)
                        );
                        *key = Some((name, at));
                        let path = self.path();
                        self.report.double(at, path, message);
                        if let Some(Frame { content: Content::Map { key, .. }, .. }) = self.stack.last_mut() {
                            *key = None;
                        }
                    }
                },
            },
        }
        Some(())
    }

    /// Adds what `<<` brings to a map: its own keys win, and an earlier source wins over a later.
    fn merge(&mut self, mut map: Map, merges: Vec<Node>) -> Option<Map> {
        for merge in merges {
            let sources = match merge.value {
                Value::List(items) => items,
                Value::Null | Value::Scalar(_) | Value::Map(_) => vec![merge],
            };
            for source in sources {
                match source.value {
                    Value::Map(other) => {
                        for (key, entry) in other {
                            map.entry(key).or_insert(entry);
                        }
                    }
                    Value::Null => {}
                    Value::Scalar(_) | Value::List(_) => self.fault(
                        source.at,
                        "`<<` takes a map, or a list of maps",
                        "name an anchor of a map, as `<<: *defaults`",
                    ),
                }
            }
        }
        Some(map)
    }

    fn scalar(&mut self, at: At, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> (Node, bool) {
        let mut plain = style == ScalarStyle::Plain;
        let mut merge_tag = MergeTag::None;
        match tag.map(|tag| (tag.is_yaml_core_schema(), tag.handle.as_str(), tag.suffix.as_str())) {
            None => {}
            Some((true, _, "str")) | Some((false, "!", "")) => plain = false,
            Some((true, _, "int" | "float" | "bool" | "null")) => plain = true,
            Some((false, "!", "reset")) => merge_tag = MergeTag::Reset,
            Some((false, "!", "override")) => merge_tag = MergeTag::Override,
            Some((_, handle, suffix)) => self.unknown_tag(at, handle, suffix),
        }
        let null = plain && matches!(text, "" | "~" | "null" | "Null" | "NULL");
        let value = if null { Value::Null } else { Value::Scalar(Scalar { text: text.to_owned(), plain }) };
        (Node { at, value, tag: merge_tag }, style == ScalarStyle::Plain)
    }

    fn collection_tag(&mut self, at: At, tag: Option<&Tag>, own: &str) -> MergeTag {
        match tag.map(|tag| (tag.is_yaml_core_schema(), tag.handle.as_str(), tag.suffix.as_str())) {
            None => MergeTag::None,
            Some((true, _, suffix)) if suffix == own => MergeTag::None,
            Some((false, "!", "reset")) => MergeTag::Reset,
            Some((false, "!", "override")) => MergeTag::Override,
            Some((_, handle, suffix)) => {
                self.unknown_tag(at, handle, suffix);
                MergeTag::None
            }
        }
    }

    fn unknown_tag(&mut self, at: At, handle: &str, suffix: &str) {
        let short = if handle == "tag:yaml.org,2002:" { "!!" } else { handle };
        self.fault(
            at,
            format!("the tag `{}` has no meaning in a compose file", shorten(&format!("{short}{suffix}"))),
            "remove it, or put a text that begins with `!` in quotes",
        );
    }
}

/// The name under which a merge key waits for its value; no key of a document can be equal to it.
const MERGE: &str = "\u{0}<<";

/// Says a syntax fault in plain words, with what usually causes it.
fn explain(file: u16, text: &str, error: &ScanError, path: String, open: Option<At>, report: &mut Report) {
    let marker = error.marker();
    let line_number = marker.line();
    let line = text.lines().nth(line_number.saturating_sub(1)).unwrap_or("");
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let mut at = At { file, line: number(line_number), column: number(marker.col() + 1) };
    let info = error.info();
    let at_end = text.lines().skip(line_number.saturating_sub(1)).all(|line| line.trim().is_empty());
    let indent_tab = |line: &str| line.find('\t').filter(|tab| line[..*tab].chars().all(|c| c == ' '));
    let before = text.lines().take(line_number).enumerate().filter_map(|(n, l)| Some((n, indent_tab(l)?)));
    let (message, remedy) = if let Some((n, tab)) =
        before.last().filter(|(n, _)| info.contains("tab") || n + 1 == line_number || n + 2 == line_number)
    {
        at = At { file, line: number(n + 1), column: number(tab + 1) };
        (
            "a tab stands where only spaces may stand".to_owned(),
            "indent with spaces: two per level".to_owned(),
        )
    } else if line.trim_start().starts_with("{{") || line.trim_start().starts_with("{%") {
        at.column = number(line.len() - line.trim_start().len() + 1);
        (
            "the line looks like a template of another language than the platform's".to_owned(),
            "fill it in first, or put the text in quotes; the platform's templates name `.Values`".to_owned(),
        )
    } else if info.contains("quoted scalar")
        && (info.contains("end of stream")
            || info.contains("indentation")
            || info.contains("document indicator"))
    {
        (
            "a quote is opened here and never closed".to_owned(),
            "close the text with the same quote".to_owned(),
        )
    } else if let Some(bracket) = open.filter(|_| info.contains("flow") && at_end) {
        at = bracket;
        ("a `[` or `{` is opened here and never closed".to_owned(), "close it with `]` or `}`".to_owned())
    } else if info.contains("unknown escape") {
        (
            "a text in double quotes holds a `\\` that means nothing".to_owned(),
            "write `\\\\`, or use single quotes".to_owned(),
        )
    } else if info.contains("unknown anchor") {
        (
            "the alias names an anchor that is not defined above".to_owned(),
            "define it before with `&name`".to_owned(),
        )
    } else if info.contains("mapping values are not allowed") {
        (
            "a `:` stands where no key can be".to_owned(),
            "look at the indentation of this line and the one before; put a text that holds `: ` in quotes"
                .to_owned(),
        )
    } else if info.contains("simple key expect") || info.contains("did not find expected key") {
        (
            "a key without `:`, or a line that is indented otherwise than its neighbours".to_owned(),
            "write `key: value`, and indent all keys of one map alike".to_owned(),
        )
    } else if info.contains("flow") || info.contains("misplaced bracket") {
        (
            format!("a list in `[]` or a map in `{{}}` is not well formed ({info})"),
            "close each bracket, and put a comma between entries".to_owned(),
        )
    } else if info.contains("recursion limit") {
        (
            "lists and maps are nested too deep".to_owned(),
            "look for brackets that are never closed".to_owned(),
        )
    } else if info.contains("unexpected character") || info.contains("cannot start") {
        (format!("a character that cannot begin a text ({info})"), "put the text in quotes".to_owned())
    } else {
        (
            format!("this is not well-formed YAML ({info})"),
            "look at the indentation and the quotes of this line and the one before".to_owned(),
        )
    };
    report.error_at(at, path, message, remedy);
}
