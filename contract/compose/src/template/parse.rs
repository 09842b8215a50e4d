//! From pieces to a tree: texts, actions, and the blocks that `if`, `range`, `with` and `define` open.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Fault;
use super::lex::{Kind, Piece, Token};
use super::value::Value;
use crate::error::shorten;
use crate::words;

/// Blocks and brackets in each other.
const DEEPEST: usize = 50;

/// A template that is well formed.
#[derive(Debug, Default)]
pub(super) struct Template<'t> {
    pub body: Vec<Node<'t>>,
    /// What `define` and `block` name.
    pub named: BTreeMap<String, Rc<Vec<Node<'t>>>>,
}

#[derive(Debug)]
pub(super) enum Node<'t> {
    Text(&'t str, usize),
    Action(Pipe),
    /// Arms in order, and what holds when none does.
    If(Vec<(Pipe, Vec<Node<'t>>)>, Vec<Node<'t>>),
    With(Vec<(Pipe, Vec<Node<'t>>)>, Vec<Node<'t>>),
    Range(Pipe, Vec<Node<'t>>, Vec<Node<'t>>),
    Template(String, Option<Pipe>, usize),
    Break(usize),
    Continue(usize),
}

/// Commands that hand their result on, and the variables that take the last one.
#[derive(Debug)]
pub(super) struct Pipe {
    pub offset: usize,
    pub variables: Vec<String>,
    /// `:=` makes variables, `=` changes them.
    pub declares: bool,
    pub commands: Vec<Command>,
}

#[derive(Debug)]
pub(super) struct Command {
    pub offset: usize,
    pub first: Operand,
    pub arguments: Vec<(Operand, usize)>,
}

#[derive(Debug)]
pub(super) enum Operand {
    Constant(Value),
    Nil,
    Dot,
    /// `.A.B`.
    Field(Vec<String>),
    /// `$x.A.B`.
    Variable(String, Vec<String>),
    Function(String),
    /// `(…).A`.
    Pipe(Box<Pipe>, Vec<String>),
}

/// Builds the tree.
pub(super) fn parse(pieces: Vec<Piece<'_>>) -> Result<Template<'_>, Fault> {
    let mut parser = Parser { pieces: pieces.into_iter(), named: BTreeMap::new(), loops: 0, depth: 0 };
    let (body, end) = parser.block()?;
    if let Some(end) = end {
        return Err(Fault::new(
            end.offset(),
            format!("`{}` closes nothing", end.word()),
            "remove it, or look for an `if` or `range` that is missing",
        ));
    }
    Ok(Template { body, named: parser.named })
}

struct Parser<'t> {
    pieces: std::vec::IntoIter<Piece<'t>>,
    named: BTreeMap<String, Rc<Vec<Node<'t>>>>,
    loops: usize,
    depth: usize,
}

/// What ends a block.
enum End {
    End(usize),
    /// `else`, with what stands behind it.
    Else(Words, usize),
}

impl End {
    fn offset(&self) -> usize {
        match self {
            Self::End(offset) | Self::Else(_, offset) => *offset,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::End(_) => "end",
            Self::Else(..) => "else",
        }
    }
}

impl<'t> Parser<'t> {
    /// Reads up to the `end` or `else` that closes this block, or to the end of the text.
    fn block(&mut self) -> Result<(Vec<Node<'t>>, Option<End>), Fault> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (tokens, offset) = match piece {
                Piece::Text(text, offset) => {
                    nodes.push(Node::Text(text, offset));
                    continue;
                }
                Piece::Action(tokens, offset) => (tokens, offset),
            };
            let mut words = Words::new(tokens, offset);
            let keyword = match words.peek() {
                Some(Kind::Word(word)) => word.clone(),
                Some(_) => String::new(),
                None => {
                    return Err(Fault::new(
                        offset,
                        "the braces are empty",
                        "remove them, or write a value between them",
                    ));
                }
            };
            let opens = matches!(keyword.as_str(), "if" | "with" | "range" | "define" | "block");
            if opens {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(Fault::new(
                        offset,
                        format!("blocks are nested deeper than {DEEPEST} levels"),
                        "look for an `end` that is missing",
                    ));
                }
            }
            match keyword.as_str() {
                "end" => {
                    words.next();
                    words.finish()?;
                    return Ok((nodes, Some(End::End(offset))));
                }
                "else" => {
                    words.next();
                    return Ok((nodes, Some(End::Else(words, offset))));
                }
                "if" | "with" => {
                    words.next();
                    let (arms, otherwise) = self.arms(&keyword, words, offset)?;
                    nodes.push(if keyword == "if" {
                        Node::If(arms, otherwise)
                    } else {
                        Node::With(arms, otherwise)
                    });
                }
                "range" => {
                    words.next();
                    let pipe = words.pipe(0)?;
                    words.finish()?;
                    self.loops += 1;
                    let (body, end) = self.block()?;
                    self.loops -= 1;
                    let otherwise = match self.closed(end, "range", offset)? {
                        None => Vec::new(),
                        Some(rest) => {
                            rest.finish()?;
                            self.rest("range", offset)?
                        }
                    };
                    nodes.push(Node::Range(pipe, body, otherwise));
                }
                "define" | "block" => {
                    words.next();
                    let name = words.name()?;
                    let pipe = if keyword == "block" { Some(words.pipe(0)?) } else { None };
                    words.finish()?;
                    let loops = std::mem::take(&mut self.loops);
                    let body = self.rest(&keyword, offset)?;
                    self.loops = loops;
                    self.named.insert(name.clone(), Rc::new(body));
                    if pipe.is_some() {
                        nodes.push(Node::Template(name, pipe, offset));
                    }
                }
                "template" => {
                    words.next();
                    let name = words.name()?;
                    let pipe = if words.peek().is_some() { Some(words.pipe(0)?) } else { None };
                    words.finish()?;
                    nodes.push(Node::Template(name, pipe, offset));
                }
                "break" | "continue" => {
                    words.next();
                    words.finish()?;
                    if self.loops == 0 {
                        return Err(Fault::new(
                            offset,
                            format!("`{keyword}` stands outside of a `range`"),
                            "remove it",
                        ));
                    }
                    nodes.push(if keyword == "break" { Node::Break(offset) } else { Node::Continue(offset) });
                }
                _ => {
                    let pipe = words.pipe(0)?;
                    words.finish()?;
                    nodes.push(Node::Action(pipe));
                }
            }
            if opens {
                self.depth -= 1;
            }
        }
        Ok((nodes, None))
    }

    /// The rest of an `else`, if the block ended with one.
    fn closed(&self, end: Option<End>, keyword: &str, offset: usize) -> Result<Option<Words>, Fault> {
        match end {
            Some(End::End(_)) => Ok(None),
            Some(End::Else(rest, _)) => Ok(Some(rest)),
            None => Err(Fault::new(
                offset,
                format!("this `{keyword}` is never closed"),
                "close it with `{{ end }}`",
            )),
        }
    }

    /// Reads up to `end`; no `else` may come.
    fn rest(&mut self, keyword: &str, offset: usize) -> Result<Vec<Node<'t>>, Fault> {
        let (body, end) = self.block()?;
        match end {
            Some(End::Else(_, offset)) => {
                Err(Fault::new(offset, "this `else` has no `if` of its own", "remove it, or add the `if`"))
            }
            end => self.closed(end, keyword, offset).map(|_| body),
        }
    }

    /// Reads the arms of an `if` or `with` whose keyword is taken.
    #[expect(clippy::type_complexity, reason = "the parts of a node")]
    fn arms(
        &mut self,
        keyword: &str,
        mut words: Words,
        offset: usize,
    ) -> Result<(Vec<(Pipe, Vec<Node<'t>>)>, Vec<Node<'t>>), Fault> {
        let mut arms = Vec::new();
        loop {
            let pipe = words.pipe(0)?;
            words.finish()?;
            let (body, end) = self.block()?;
            arms.push((pipe, body));
            let Some(mut rest) = self.closed(end, keyword, offset)? else {
                return Ok((arms, Vec::new()));
            };
            match rest.peek() {
                None => return Ok((arms, self.rest(keyword, offset)?)),
                Some(Kind::Word(word)) if word == keyword => {
                    rest.next();
                    words = rest;
                }
                Some(_) => {
                    return Err(Fault::new(
                        rest.offset(),
                        format!("behind `else` stands nothing, or `{keyword}`"),
                        format!("write `{{{{ else }}}}` or `{{{{ else {keyword} … }}}}`"),
                    ));
                }
            }
        }
    }
}

/// The words of one action, read from the front.
struct Words {
    tokens: Vec<Token>,
    /// How many are read.
    read: usize,
    /// Where the action begins.
    start: usize,
}

impl Words {
    fn new(tokens: Vec<Token>, offset: usize) -> Self {
        Self { tokens, read: 0, start: offset }
    }

    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.read).map(|token| &token.kind)
    }

    fn next(&mut self) -> Option<Kind> {
        let token = self.tokens.get_mut(self.read)?;
        self.read += 1;
        // A word is read once.
        Some(std::mem::replace(&mut token.kind, Kind::Dot))
    }

    /// The place of the next word, or of the last.
    fn offset(&self) -> usize {
        let word = self.tokens.get(self.read).or(self.tokens.last());
        word.map_or(self.start, |token| token.offset)
    }

    fn finish(mut self) -> Result<(), Fault> {
        let offset = self.offset();
        match self.next() {
            None => Ok(()),
            Some(Kind::Close) => Err(Fault::new(offset, "a `)` closes nothing", "remove it")),
            Some(_) => Err(Fault::new(offset, "something stands here that has no place", "remove it")),
        }
    }

    /// The name of a template.
    fn name(&mut self) -> Result<String, Fault> {
        let offset = self.offset();
        match self.next() {
            Some(Kind::Text(name)) => Ok(name),
            _ => Err(Fault::new(offset, "the name of a template is missing", "write it in double quotes")),
        }
    }

    fn pipe(&mut self, depth: usize) -> Result<Pipe, Fault> {
        let offset = self.offset();
        if depth > DEEPEST {
            return Err(Fault::new(
                offset,
                format!("brackets are nested deeper than {DEEPEST} levels"),
                "write fewer of them",
            ));
        }
        let mut pipe = Pipe { offset, variables: Vec::new(), declares: false, commands: Vec::new() };
        if let Some(Kind::Variable(_)) = self.peek() {
            // `$x := …`, `$x = …` or `$i, $x := …`; else the variable is a value.
            let ahead = self.tokens.iter().skip(self.read).take(4).map(|token| &token.kind);
            let kinds: Vec<&Kind> = ahead.collect();
            let (count, declares) = match kinds[..] {
                [Kind::Variable(_), Kind::Declare, ..] => (1, true),
                [Kind::Variable(_), Kind::Assign, ..] => (1, false),
                [Kind::Variable(_), Kind::Comma, Kind::Variable(_), Kind::Declare] => (2, true),
                [Kind::Variable(_), Kind::Comma, Kind::Variable(_), Kind::Assign] => (2, false),
                _ => (0, false),
            };
            pipe.declares = declares;
            for _ in 0..count * 2 {
                if let Some(Kind::Variable(name)) = self.next() {
                    pipe.variables.push(name);
                }
            }
        }
        loop {
            pipe.commands.push(self.command(depth)?);
            match self.peek() {
                Some(Kind::Pipe) => drop(self.next()),
                _ => return Ok(pipe),
            }
        }
    }

    fn command(&mut self, depth: usize) -> Result<Command, Fault> {
        let offset = self.offset();
        let first = self.operand(depth)?;
        let mut arguments = Vec::new();
        loop {
            match self.peek() {
                None | Some(Kind::Pipe | Kind::Close) => break,
                Some(_) => {
                    let offset = self.offset();
                    arguments.push((self.operand(depth)?, offset));
                }
            }
        }
        Ok(Command { offset, first, arguments })
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, Fault> {
        let offset = self.offset();
        let missing =
            || Fault::new(offset, "a value is missing here", "write a value, as `.Values.NAME` or \"text\"");
        Ok(match self.next().ok_or_else(missing)? {
            Kind::Text(text) => Operand::Constant(Value::text(text)),
            Kind::Integer(value) => Operand::Constant(Value::Integer(value)),
            Kind::Float(value) => Operand::Constant(Value::Float(value)),
            Kind::Dot => Operand::Dot,
            Kind::Field(name) => Operand::Field(self.fields(name)),
            Kind::Variable(name) => {
                let fields = self.more_fields();
                Operand::Variable(name, fields)
            }
            Kind::Open => {
                let pipe = self.pipe(depth + 1)?;
                if self.next() != Some(Kind::Close) {
                    return Err(Fault::new(
                        offset,
                        "a `(` is opened here and never closed",
                        "close it with `)`",
                    ));
                }
                let fields = self.more_fields();
                Operand::Pipe(Box::new(pipe), fields)
            }
            Kind::Word(word) => match word.as_str() {
                "true" => Operand::Constant(Value::Bool(true)),
                "false" => Operand::Constant(Value::Bool(false)),
                "nil" => Operand::Nil,
                name => {
                    super::functions::check(name)
                        .map_err(|(message, remedy)| Fault::new(offset, message, remedy))?;
                    Operand::Function(word)
                }
            },
            Kind::Pipe | Kind::Close => return Err(missing()),
            Kind::Comma | Kind::Declare | Kind::Assign => {
                return Err(Fault::new(
                    offset,
                    "`,`, `=` and `:=` have no place here",
                    "write `$name := value`, or `$index, $item := list` behind `range`",
                ));
            }
        })
    }

    /// The fields that follow without a blank.
    fn more_fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        let joined = |token: &Token| matches!(token.kind, Kind::Field(_)) && !token.spaced;
        while self.tokens.get(self.read).is_some_and(joined) {
            if let Some(Kind::Field(name)) = self.next() {
                fields.push(name);
            }
        }
        fields
    }

    fn fields(&mut self, first: String) -> Vec<String> {
        let mut fields = vec![first];
        fields.append(&mut self.more_fields());
        fields
    }
}

/// The fault of a name that is no function, with the one that was likely meant.
pub(super) fn no_function<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> (String, String) {
    let message = format!("there is no function `{}`", shorten(name));
    match words::nearest(name, known) {
        Some(near) => (message, format!("did you mean `{near}`?")),
        None => {
            (message, "put a text in double quotes; values begin with a dot, as `.Values.NAME`".to_owned())
        }
    }
}
