//! Walks the tree and writes the text, counting every step.

use super::parse::{Command, Node, Operand, Pipe, Template};
use super::value::{DEEPEST, LONGEST, MOST, Value};
use super::{Fault, Output, TemplateData, functions};
use crate::error::shorten;
use std::collections::BTreeMap;

/// Steps of one template: many times what the largest honest one needs.
const STEPS: usize = 500_000;
/// Templates that call each other.
const CALLS: usize = 30;

/// Fills in a template; `source` is its text, `room` bounds the output.
pub(super) fn run(
    template: &Template<'_>,
    source: &str,
    data: &TemplateData,
    room: usize,
) -> Result<Output, Fault> {
    let text = |text: &str| Value::text(text);
    let release = || {
        Value::map(BTreeMap::from([
            ("Name".to_owned(), text(&data.stack)),
            ("Version".to_owned(), text(&data.version)),
            ("PreviousVersion".to_owned(), text(&data.previous_version)),
        ]))
    };
    let root = Value::map(BTreeMap::from([
        ("Values".to_owned(), Value::answers(&data.values)),
        ("Stack".to_owned(), release()),
        ("Release".to_owned(), release()),
        (
            "Environment".to_owned(),
            Value::map(BTreeMap::from([("Name".to_owned(), text(&data.environment))])),
        ),
    ]));
    let mut runner = Runner {
        template,
        out: Writer::new(source, room),
        variables: vec![("$".to_owned(), root.clone())],
        steps: STEPS,
        calls: 0,
    };
    runner.nodes(&template.body, &root)?;
    Ok(runner.out.output)
}

/// What a stretch of a template ends with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Runner<'r, 't> {
    template: &'r Template<'t>,
    out: Writer<'r>,
    variables: Vec<(String, Value)>,
    steps: usize,
    calls: usize,
}

/// The output, which remembers where its lines come from.
struct Writer<'s> {
    source: &'s str,
    output: Output,
    room: usize,
    /// A place of the source and its line, so that lines are counted once.
    known: (usize, u32),
}

impl<'s> Writer<'s> {
    fn new(source: &'s str, room: usize) -> Self {
        Self { source, output: Output::default(), room, known: (0, 1) }
    }

    fn line_of(&mut self, offset: usize) -> u32 {
        let (mut from, mut line) = self.known;
        if offset < from {
            (from, line) = (0, 1);
        }
        let between = self.source.as_bytes().get(from..offset).unwrap_or_default();
        let newlines = between.iter().filter(|b| **b == b'\n').count();
        line = line.saturating_add(u32::try_from(newlines).unwrap_or(u32::MAX));
        self.known = (offset, line);
        line
    }

    /// Adds text that comes from a place; `moves` when the text itself stands there, so that its lines are counted.
    fn write(&mut self, text: &str, offset: usize, moves: bool) -> Result<(), Fault> {
        if self.output.text.len() + text.len() > self.room {
            return Err(Fault::new(
                offset,
                format!("the template gives more than {} bytes", self.room),
                "let it repeat less",
            ));
        }
        let mut line = self.line_of(offset);
        let mut fresh = self.output.text.is_empty() || self.output.text.ends_with('\n');
        for piece in text.split_inclusive('\n') {
            if fresh {
                self.output.lines.push(line);
            }
            fresh = piece.ends_with('\n');
            if fresh && moves {
                line += 1;
            }
        }
        self.output.text.push_str(text);
        Ok(())
    }
}

impl Runner<'_, '_> {
    fn step(&mut self, cost: usize, offset: usize) -> Result<(), Fault> {
        match self.steps.checked_sub(cost) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(Fault::new(
                offset,
                format!("the template takes more than {STEPS} steps"),
                "let its loops run over shorter lists",
            )),
        }
    }

    fn nodes(&mut self, nodes: &[Node<'_>], dot: &Value) -> Result<Flow, Fault> {
        let mark = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn node(&mut self, node: &Node<'_>, dot: &Value) -> Result<Flow, Fault> {
        match node {
            Node::Text(text, offset) => {
                self.step(1 + text.len() / 256, *offset)?;
                self.out.write(text, *offset, true)?;
                Ok(Flow::On)
            }
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    let text = value.show().ok_or_else(|| too_long(pipe.offset))?;
                    self.out.write(&text, pipe.offset, false)?;
                }
                Ok(Flow::On)
            }
            Node::If(arms, otherwise) => self.arms(arms, otherwise, dot, false),
            Node::With(arms, otherwise) => self.arms(arms, otherwise, dot, true),
            Node::Range(pipe, body, otherwise) => self.range(pipe, body, otherwise, dot),
            Node::Template(name, pipe, offset) => self.call(name, pipe.as_ref(), *offset, dot),
            Node::Break(offset) => self.step(1, *offset).map(|()| Flow::Break),
            Node::Continue(offset) => self.step(1, *offset).map(|()| Flow::Continue),
        }
    }

    fn arms(
        &mut self,
        arms: &[(Pipe, Vec<Node<'_>>)],
        otherwise: &[Node<'_>],
        dot: &Value,
        moves_dot: bool,
    ) -> Result<Flow, Fault> {
        let mark = self.variables.len();
        let mut flow = None;
        for (pipe, body) in arms {
            let value = self.pipe(pipe, dot)?;
            if value.truth() {
                flow = Some(self.nodes(body, if moves_dot { &value } else { dot })?);
                break;
            }
        }
        let flow = match flow {
            Some(flow) => flow,
            None => self.nodes(otherwise, dot)?,
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn range(
        &mut self,
        pipe: &Pipe,
        body: &[Node<'_>],
        otherwise: &[Node<'_>],
        dot: &Value,
    ) -> Result<Flow, Fault> {
        let mark = self.variables.len();
        let over = self.commands(pipe, dot)?;
        let items: Vec<(Value, Value)> = match &over {
            Value::Nil => Vec::new(),
            Value::List(list) => {
                let index = |(index, item): (usize, &Value)| {
                    (Value::Integer(i64::try_from(index).unwrap_or(i64::MAX)), item.clone())
                };
                list.items.iter().enumerate().map(index).collect()
            }
            Value::Map(map) | Value::Answers(map) => {
                map.entries.iter().map(|(key, value)| (Value::text(key.as_str()), value.clone())).collect()
            }
            Value::Integer(count) => {
                self.step(usize::try_from((*count).max(0)).unwrap_or(usize::MAX), pipe.offset)?;
                (0..*count).map(|number| (Value::Integer(number), Value::Integer(number))).collect()
            }
            Value::Bool(_) | Value::Float(_) | Value::Text(_) => {
                return Err(Fault::new(
                    pipe.offset,
                    format!("`range` goes over a list, not {}", over.kind()),
                    "split a text with `splitPreserveQuotes` or `splitList \",\"`",
                ));
            }
        };
        let empty = items.is_empty();
        for (key, item) in items {
            self.step(1, pipe.offset)?;
            match &pipe.variables[..] {
                [] => {}
                [one] => self.assign(one, item.clone(), pipe)?,
                [first, second, ..] => {
                    self.assign(first, key, pipe)?;
                    self.assign(second, item.clone(), pipe)?;
                }
            }
            let flow = self.nodes(body, &item)?;
            if pipe.declares {
                self.variables.truncate(mark);
            }
            if flow == Flow::Break {
                break;
            }
        }
        let flow = if empty { self.nodes(otherwise, dot)? } else { Flow::On };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn call(&mut self, name: &str, pipe: Option<&Pipe>, offset: usize, dot: &Value) -> Result<Flow, Fault> {
        self.step(1, offset)?;
        let template = self.template;
        let Some(body) = template.named.get(name) else {
            return Err(Fault::new(
                offset,
                format!("there is no template `{}`", shorten(name)),
                "define it with `{{ define \"name\" }}`",
            ));
        };
        if self.calls >= CALLS {
            return Err(Fault::new(
                offset,
                format!("templates call each other more than {CALLS} deep"),
                "let none of them call itself",
            ));
        }
        let value = match pipe {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::Nil,
        };
        self.calls += 1;
        let outer = std::mem::replace(&mut self.variables, vec![("$".to_owned(), value.clone())]);
        let result = self.nodes(body, &value);
        self.variables = outer;
        self.calls -= 1;
        result.map(|_| Flow::On)
    }

    /// The value of a pipe, which its variable takes.
    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, Fault> {
        let value = self.commands(pipe, dot)?;
        match &pipe.variables[..] {
            [] => {}
            [name] => self.assign(name, value.clone(), pipe)?,
            _ => {
                return Err(Fault::new(
                    pipe.offset,
                    "only `range` gives two values at a time",
                    "name one variable",
                ));
            }
        }
        Ok(value)
    }

    fn assign(&mut self, name: &str, value: Value, pipe: &Pipe) -> Result<(), Fault> {
        if pipe.declares {
            self.variables.push((name.to_owned(), value));
            return Ok(());
        }
        match self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, old)) => {
                *old = value;
                Ok(())
            }
            None => Err(no_variable(name, pipe.offset)),
        }
    }

    fn commands(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, Fault> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, value, dot)?);
        }
        Ok(value.unwrap_or(Value::Nil))
    }

    fn command(&mut self, command: &Command, last: Option<Value>, dot: &Value) -> Result<Value, Fault> {
        self.step(1, command.offset)?;
        if let Operand::Function(name) = &command.first {
            return self.function(name, command, last, dot);
        }
        if !command.arguments.is_empty() || last.is_some() {
            let offset = command.arguments.first().map_or(command.offset, |(_, offset)| *offset);
            return Err(Fault::new(
                offset,
                "something follows a value that is no function",
                "write the function first, as `and A B` or `eq A B`",
            ));
        }
        self.operand(&command.first, command.offset, dot)
    }

    fn function(
        &mut self,
        name: &str,
        command: &Command,
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Fault> {
        // These stop at the first value that decides.
        if matches!(name, "and" | "or") {
            let mut value = None;
            for (operand, offset) in &command.arguments {
                let next = self.operand(operand, *offset, dot)?;
                let decides = next.truth() == (name == "or");
                value = Some(next);
                if decides {
                    return Ok(value.unwrap_or(Value::Nil));
                }
            }
            return last.or(value).ok_or_else(|| {
                Fault::new(
                    command.offset,
                    format!("`{name}` has nothing to judge"),
                    "write the values behind it",
                )
            });
        }
        let mut arguments = Vec::with_capacity(command.arguments.len() + 1);
        for (operand, offset) in &command.arguments {
            arguments.push(self.operand(operand, *offset, dot)?);
        }
        arguments.extend(last);
        let cost = arguments.iter().map(Value::size).sum();
        self.step(cost, command.offset)?;
        let value = functions::call(name, &arguments).map_err(|(message, remedy)| {
            Fault::new(command.offset, format!("`{name}`: {message}"), remedy)
        })?;
        self.step(value.size(), command.offset)?;
        let fits = match &value {
            Value::Text(text) => text.len() <= LONGEST,
            Value::List(list) => list.items.len() <= MOST && list.depth <= DEEPEST,
            Value::Map(map) | Value::Answers(map) => map.entries.len() <= MOST && map.depth <= DEEPEST,
            Value::Nil | Value::Bool(_) | Value::Integer(_) | Value::Float(_) => true,
        };
        if fits { Ok(value) } else { Err(too_long(command.offset)) }
    }

    fn operand(&mut self, operand: &Operand, offset: usize, dot: &Value) -> Result<Value, Fault> {
        self.step(1, offset)?;
        match operand {
            Operand::Constant(value) => Ok(value.clone()),
            Operand::Nil => Ok(Value::Nil),
            Operand::Dot => Ok(dot.clone()),
            Operand::Field(fields) => walk(dot.clone(), fields, offset),
            Operand::Variable(name, fields) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                let value = found.map(|(_, value)| value.clone()).ok_or_else(|| no_variable(name, offset))?;
                walk(value, fields, offset)
            }
            Operand::Function(name) => {
                let value = functions::call(name, &[]);
                value.map_err(|(message, remedy)| Fault::new(offset, format!("`{name}`: {message}"), remedy))
            }
            Operand::Pipe(pipe, fields) => {
                let value = self.pipe(pipe, dot)?;
                walk(value, fields, offset)
            }
        }
    }
}

/// Follows fields into maps.
fn walk(mut value: Value, fields: &[String], offset: usize) -> Result<Value, Fault> {
    for field in fields {
        value = match &value {
            Value::Answers(map) => map.entries.get(field).cloned().unwrap_or_else(|| Value::text("")),
            Value::Map(map) => match map.entries.get(field) {
                Some(found) => found.clone(),
                None if map.entries.contains_key("Values") || map.entries.contains_key("PreviousVersion") => {
                    let names = map.entries.keys().map(String::as_str);
                    let remedy = match crate::words::nearest(field, names) {
                        Some(near) => format!("did you mean `.{near}`?"),
                        None => "write `.Values.NAME` for a variable; for other programs write {{\"{{…}}\"}}"
                            .to_owned(),
                    };
                    return Err(Fault::new(
                        offset,
                        format!("there is no field `.{}`", shorten(field)),
                        remedy,
                    ));
                }
                None => Value::Nil,
            },
            Value::Nil
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::List(_) => {
                return Err(Fault::new(
                    offset,
                    format!("{} has no field `.{}`", value.kind(), shorten(field)),
                    "inside of `range` and `with` the dot is the item: write `$.Values.NAME` for a variable",
                ));
            }
        };
    }
    Ok(value)
}

fn no_variable(name: &str, offset: usize) -> Fault {
    Fault::new(
        offset,
        format!("the variable `{}` is not defined here", shorten(name)),
        format!("define it before with `{} := …`, outside of the block that ended", shorten(name)),
    )
}

fn too_long(offset: usize) -> Fault {
    Fault::new(offset, "the value grows larger than any template needs", "let it repeat less")
}
