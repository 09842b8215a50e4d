//! The templates of `--format`: the part of Go's language that people use on command lines.
//!
//! `{{.name}}` is a field, whatever the case of its letters, `{{.labels.tier}}` one inside another. There are `if`,
//! `else`, `range`, `with` and `end`, pipes, and the functions `json`, `join`, `len`, `upper`, `lower`, `index`, `eq`, `ne`,
//! `not`, `and`, `or` and `default`.

use serde_json::Value;

use crate::error::CliError;

/// A template that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    text: String,
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Text(String),
    Value(Pipe),
    If { test: Pipe, yes: Vec<Node>, no: Vec<Node> },
    Range { list: Pipe, body: Vec<Node>, empty: Vec<Node> },
    With { value: Pipe, body: Vec<Node>, empty: Vec<Node> },
}

/// Commands, each of which gets what the one before gave as its last argument.
type Pipe = Vec<Vec<Term>>;

#[derive(Clone, Debug, PartialEq)]
enum Term {
    /// A path from here, or from the document.
    Path {
        from_root: bool,
        parts: Vec<String>,
    },
    Constant(Value),
    Function(Function),
    Nested(Pipe),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Json,
    Join,
    Len,
    Upper,
    Lower,
    Index,
    Eq,
    Ne,
    Not,
    And,
    Or,
    Default,
}

const FUNCTIONS: &[(&str, Function)] = &[
    ("json", Function::Json),
    ("join", Function::Join),
    ("len", Function::Len),
    ("upper", Function::Upper),
    ("lower", Function::Lower),
    ("index", Function::Index),
    ("eq", Function::Eq),
    ("ne", Function::Ne),
    ("not", Function::Not),
    ("and", Function::And),
    ("or", Function::Or),
    ("default", Function::Default),
];

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = cut(text)?.into_iter().peekable();
        let (nodes, end) = block(&mut pieces, false)?;
        match end {
            None => Ok(Self { text: text.to_owned(), nodes }),
            Some(word) => Err(format!("there is a `{{{{{word}}}}}` too many")),
        }
    }

    /// Fills it in.
    ///
    /// # Errors
    /// Fails when it names a field that there is not, or calls a function with what it cannot take.
    pub fn render(&self, document: &Value) -> Result<String, CliError> {
        let mut out = String::new();
        run(&self.nodes, document, document, &mut out).map_err(|what| {
            CliError::usage(format!("the template `{}` does not fit: {what}", self.text))
                .hint("`--format json` shows the fields")
        })?;
        Ok(out)
    }
}

enum Piece {
    Text(String),
    Action(String),
}

/// Cuts a text at its `{{ }}`.
fn cut(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim_next = false;
    while let Some(at) = rest.find("{{") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let end = after.find("}}").ok_or("a `{{` has no `}}`")?;
        let (action, next) = (&after[..end], &after[end + 2..]);
        let mut before = unescape(before);
        if trim_next {
            before = before.trim_start().to_owned();
        }
        let action = match action.strip_prefix("- ") {
            Some(trimmed) => {
                before = before.trim_end().to_owned();
                trimmed
            }
            None => action,
        };
        let (action, trim) = match action.strip_suffix(" -") {
            Some(trimmed) => (trimmed, true),
            None => (action, false),
        };
        pieces.push(Piece::Text(before));
        let action = action.trim();
        if !(action.starts_with("/*") && action.ends_with("*/")) {
            pieces.push(Piece::Action(action.to_owned()));
        }
        (rest, trim_next) = (next, trim);
    }
    let last = unescape(rest);
    pieces.push(Piece::Text(if trim_next { last.trim_start().to_owned() } else { last }));
    Ok(pieces)
}

/// A shell leaves `\t` and `\n` as they were typed.
fn unescape(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n")
}

/// Reads until the end of a block; gives the word that ended it.
fn block(
    pieces: &mut std::iter::Peekable<std::vec::IntoIter<Piece>>,
    inside: bool,
) -> Result<(Vec<Node>, Option<String>), String> {
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.next() {
        let action = match piece {
            Piece::Text(text) => {
                if !text.is_empty() {
                    nodes.push(Node::Text(text));
                }
                continue;
            }
            Piece::Action(action) => action,
        };
        let (word, rest) = action.split_once(char::is_whitespace).unwrap_or((action.as_str(), ""));
        match word {
            "end" | "else" => return Ok((nodes, Some(action))),
            "if" | "range" | "with" => {
                let node = branch(word, rest, pieces)?;
                nodes.push(node);
            }
            _ => nodes.push(Node::Value(pipe(&action)?)),
        }
    }
    if inside {
        return Err("an `{{end}}` is missing".to_owned());
    }
    Ok((nodes, None))
}

fn branch(
    word: &str,
    test: &str,
    pieces: &mut std::iter::Peekable<std::vec::IntoIter<Piece>>,
) -> Result<Node, String> {
    let pipe = pipe(test)?;
    let (yes, end) = block(pieces, true)?;
    let end = end.unwrap_or_default();
    let no = match end.strip_prefix("else") {
        None => Vec::new(),
        Some(more) => match more.trim().split_once(char::is_whitespace) {
            Some(("if", test)) => vec![branch("if", test, pieces)?],
            Some(_) => return Err(format!("`{{{{{end}}}}}` is not understood")),
            None => {
                let (no, end) = block(pieces, true)?;
                if end.as_deref() != Some("end") {
                    return Err("after `{{else}}` comes `{{end}}`".to_owned());
                }
                no
            }
        },
    };
    Ok(match word {
        "range" => Node::Range { list: pipe, body: yes, empty: no },
        "with" => Node::With { value: pipe, body: yes, empty: no },
        _ => Node::If { test: pipe, yes, no },
    })
}

fn pipe(text: &str) -> Result<Pipe, String> {
    let words = words(text)?;
    let (pipe, rest) = pipe_of(&words, text)?;
    if rest.is_empty() { Ok(pipe) } else { Err(format!("`{text}` has a `)` too many")) }
}

fn pipe_of<'a>(words: &'a [Word], text: &str) -> Result<(Pipe, &'a [Word]), String> {
    let mut commands = vec![Vec::new()];
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        let term = match word {
            Word::Close => {
                rest = &words[words.len() - after.len() - 1..];
                break;
            }
            Word::Bar => {
                commands.push(Vec::new());
                continue;
            }
            Word::Open => {
                let (inner, after) = pipe_of(rest, text)?;
                match after.split_first() {
                    Some((Word::Close, after)) => rest = after,
                    _ => return Err(format!("`{text}` lacks a `)`")),
                }
                Term::Nested(inner)
            }
            Word::Constant(value) => Term::Constant(value.clone()),
            Word::Name(name) => name_term(name)?,
        };
        commands.last_mut().expect("there is always one").push(term);
    }
    if commands.iter().any(Vec::is_empty) {
        return Err(format!("`{{{{{text}}}}}` is empty"));
    }
    Ok((commands, rest))
}

fn name_term(name: &str) -> Result<Term, String> {
    let path = |from_root, path: &str| Term::Path {
        from_root,
        parts: path.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
    };
    if let Some(rest) = name.strip_prefix('.') {
        return Ok(path(false, rest));
    }
    if let Some(rest) = name.strip_prefix('$') {
        return Ok(path(true, rest));
    }
    if let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| *known == name) {
        return Ok(Term::Function(*function));
    }
    match serde_json::from_str::<Value>(name) {
        Ok(value) if !value.is_object() && !value.is_array() => Ok(Term::Constant(value)),
        _ => Err(format!("there is no function `{name}`; a field is written `.{name}`")),
    }
}

enum Word {
    Name(String),
    Constant(Value),
    Open,
    Close,
    Bar,
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' | '|' => {
                found.push(match first {
                    '(' => Word::Open,
                    ')' => Word::Close,
                    _ => Word::Bar,
                });
                1
            }
            '"' => {
                let mut texts = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                let Some(Ok(string)) = texts.next() else { return Err(format!("`{rest}` has no end")) };
                found.push(Word::Constant(string.into()));
                texts.byte_offset()
            }
            '`' => {
                let end = rest[1..].find('`').ok_or_else(|| format!("`{rest}` has no end"))?;
                found.push(Word::Constant(rest[1..=end].into()));
                end + 2
            }
            _ => {
                let end =
                    rest.find(|c: char| c.is_whitespace() || "()|\"`".contains(c)).unwrap_or(rest.len());
                found.push(Word::Name(rest[..end].to_owned()));
                end
            }
        };
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

fn run(nodes: &[Node], here: &Value, root: &Value, out: &mut String) -> Result<(), String> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Value(pipe) => out.push_str(&shown(&evaluate(pipe, here, root)?)),
            Node::If { test, yes, no } => {
                let branch = if is_true(&evaluate(test, here, root)?) { yes } else { no };
                run(branch, here, root, out)?;
            }
            Node::With { value, body, empty } => {
                let value = evaluate(value, here, root)?;
                if is_true(&value) { run(body, &value, root, out)? } else { run(empty, here, root, out)? }
            }
            Node::Range { list, body, empty } => {
                let items: Vec<Value> = match evaluate(list, here, root)? {
                    Value::Array(items) => items,
                    Value::Object(map) => map.into_values().collect(),
                    Value::Null => Vec::new(),
                    other => return Err(format!("`{}` is no list", shown(&other))),
                };
                if items.is_empty() {
                    run(empty, here, root, out)?;
                }
                items.iter().try_for_each(|item| run(body, item, root, out))?;
            }
        }
    }
    Ok(())
}

fn evaluate(pipe: &Pipe, here: &Value, root: &Value) -> Result<Value, String> {
    let mut last: Option<Value> = None;
    for command in pipe {
        let mut values = Vec::new();
        let function = match command.first() {
            Some(Term::Function(function)) => Some(*function),
            _ => None,
        };
        for term in &command[usize::from(function.is_some())..] {
            values.push(match term {
                Term::Constant(value) => value.clone(),
                Term::Nested(inner) => evaluate(inner, here, root)?,
                Term::Path { from_root, parts } => field(if *from_root { root } else { here }, parts)?,
                Term::Function(_) => return Err("a function stands at the start of its command".to_owned()),
            });
        }
        values.extend(last.take());
        last = Some(match function {
            Some(function) => call(function, &values)?,
            None if values.len() == 1 => values.swap_remove(0),
            None => return Err("only functions take arguments".to_owned()),
        });
    }
    Ok(last.unwrap_or(Value::Null))
}

fn field(from: &Value, parts: &[String]) -> Result<Value, String> {
    let mut here = from;
    for part in parts {
        here = match here {
            Value::Object(map) => {
                let close = || map.iter().find(|(name, _)| name.eq_ignore_ascii_case(part)).map(|(_, v)| v);
                match map.get(part).or_else(close) {
                    Some(value) => value,
                    None => {
                        let names: Vec<&str> = map.keys().map(String::as_str).collect();
                        return Err(format!("there is no field `{part}`, only {}", names.join(", ")));
                    }
                }
            }
            Value::Null => &Value::Null,
            other => return Err(format!("`{}` has no field `{part}`", shown(other))),
        };
    }
    Ok(here.clone())
}

fn call(function: Function, values: &[Value]) -> Result<Value, String> {
    let arguments = |count: usize| {
        if values.len() == count { Ok(()) } else { Err(format!("a function takes {count} arguments here")) }
    };
    Ok(match function {
        Function::Json => {
            arguments(1)?;
            values[0].to_string().into()
        }
        Function::Join => {
            arguments(2)?;
            // Piped, the list comes last.
            let (list, separator) = match (&values[0], &values[1]) {
                (Value::Array(list), separator) | (separator, Value::Array(list)) => (list, separator),
                _ => return Err("`join` takes a list and a text".to_owned()),
            };
            list.iter().map(shown).collect::<Vec<_>>().join(&shown(separator)).into()
        }
        Function::Len => {
            arguments(1)?;
            match &values[0] {
                Value::Array(list) => list.len().into(),
                Value::Object(map) => map.len().into(),
                Value::Null => 0.into(),
                other => shown(other).chars().count().into(),
            }
        }
        Function::Upper | Function::Lower => {
            arguments(1)?;
            let text = shown(&values[0]);
            if function == Function::Upper { text.to_uppercase().into() } else { text.to_lowercase().into() }
        }
        Function::Index => {
            arguments(2)?;
            match (&values[0], &values[1]) {
                (Value::Array(list), Value::Number(number)) => {
                    let number = number.as_u64().and_then(|number| usize::try_from(number).ok());
                    number.and_then(|number| list.get(number)).cloned().unwrap_or_default()
                }
                (Value::Object(map), Value::String(name)) => map.get(name).cloned().unwrap_or_default(),
                _ => return Err("`index` takes a list and a number, or a map and a name".to_owned()),
            }
        }
        Function::Eq | Function::Ne => {
            arguments(2)?;
            Value::Bool((values[0] == values[1]) == (function == Function::Eq))
        }
        Function::Not => {
            arguments(1)?;
            Value::Bool(!is_true(&values[0]))
        }
        Function::And => {
            values.iter().find(|value| !is_true(value)).or(values.last()).cloned().unwrap_or_default()
        }
        Function::Or => {
            values.iter().find(|value| is_true(value)).or(values.last()).cloned().unwrap_or_default()
        }
        Function::Default => {
            arguments(2)?;
            if is_true(&values[1]) { values[1].clone() } else { values[0].clone() }
        }
    })
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
