//! From the text of a template to stretches of plain text and actions, and the words inside of actions.

use super::Fault;
use crate::error::shorten;

/// A stretch of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece<'t> {
    /// Text that is given out as it stands, and where it stands.
    Text(&'t str, usize),
    /// An action: its words, and where it begins.
    Action(Vec<Token>, usize),
}

/// A word of an action and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    pub offset: usize,
    /// Whether blank space stands before it: `.a .b` is not `.a.b`.
    pub spaced: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or keyword.
    Word(String),
    /// `.Name`.
    Field(String),
    /// `.` alone.
    Dot,
    /// `$` or `$name`, with the `$`.
    Variable(String),
    Text(String),
    Integer(i64),
    Float(f64),
    Pipe,
    Comma,
    Open,
    Close,
    /// `:=`.
    Declare,
    /// `=`.
    Assign,
}

const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

/// Splits a template.
pub(super) fn split(text: &str) -> Result<Vec<Piece<'_>>, Fault> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trim = false;
    loop {
        let open = text[at..].find("{{").map(|found| at + found);
        let mut plain = &text[at..open.unwrap_or(text.len())];
        let mut start = at;
        if trim {
            let kept = plain.trim_start_matches(BLANK);
            start += plain.len() - kept.len();
            plain = kept;
        }
        let Some(open) = open else {
            if !plain.is_empty() {
                pieces.push(Piece::Text(plain, start));
            }
            return Ok(pieces);
        };
        let mut inside = open + 2;
        if text[inside..].starts_with('-') && text[inside + 1..].starts_with(BLANK) {
            plain = plain.trim_end_matches(BLANK);
            inside += 1;
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain, start));
        }
        let blanks = text[inside..].len() - text[inside..].trim_start_matches(BLANK).len();
        if text[inside + blanks..].starts_with("/*") {
            let Some(end) = text[inside + blanks + 2..].find("*/") else {
                return Err(Fault::new(
                    open,
                    "a comment is opened here and never closed",
                    "close it with `*/}}`",
                ));
            };
            let rest = inside + blanks + 2 + end + 2;
            let after = text[rest..].trim_start_matches(BLANK);
            trim = after.starts_with("-}}");
            if !trim && !after.starts_with("}}") {
                return Err(Fault::new(open, "a comment stands alone in its braces", "close it with `*/}}`"));
            }
            at = text.len() - after.len() + if trim { 3 } else { 2 };
            continue;
        }
        let (tokens, end, trims) = action(text, open, inside)?;
        pieces.push(Piece::Action(tokens, open));
        at = end;
        trim = trims;
    }
}

/// Reads the words of an action that begins at `at`; gives its end, and whether blanks after it are dropped.
fn action(text: &str, open: usize, mut at: usize) -> Result<(Vec<Token>, usize, bool), Fault> {
    let mut tokens = Vec::new();
    let mut spaced = true;
    loop {
        let rest = &text[at..];
        let Some(c) = rest.chars().next() else {
            return Err(Fault::new(open, "a `{{` is opened here and never closed", "close it with `}}`"));
        };
        if rest.starts_with("}}") {
            return Ok((tokens, at + 2, false));
        }
        if spaced && rest.starts_with("-}}") {
            return Ok((tokens, at + 3, true));
        }
        if BLANK.contains(&c) {
            at += 1;
            spaced = true;
            continue;
        }
        let (kind, length) = token(rest, at)?;
        tokens.push(Token { kind, offset: at, spaced });
        spaced = false;
        at += length;
    }
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Reads one word and its length.
fn token(rest: &str, offset: usize) -> Result<(Kind, usize), Fault> {
    let c = rest.chars().next().expect("a word is only sought where one begins");
    let simple = |kind| Ok((kind, 1));
    match c {
        '|' => simple(Kind::Pipe),
        ',' => simple(Kind::Comma),
        '(' => simple(Kind::Open),
        ')' => simple(Kind::Close),
        '=' => simple(Kind::Assign),
        ':' if rest.starts_with(":=") => Ok((Kind::Declare, 2)),
        '"' => quoted(rest, offset, '"').map(|(text, length)| (Kind::Text(text), length)),
        '\'' => {
            let (text, length) = quoted(rest, offset, '\'')?;
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(only), None) => Ok((Kind::Integer(i64::from(u32::from(only))), length)),
                _ => Err(Fault::new(
                    offset,
                    "single quotes hold one character in a template",
                    "write texts in double quotes",
                )),
            }
        }
        '`' => match rest[1..].find('`') {
            Some(end) => Ok((Kind::Text(rest[1..=end].replace('\r', "")), end + 2)),
            None => Err(Fault::new(
                offset,
                "a quote is opened here and never closed",
                "close it with the same quote",
            )),
        },
        '$' => {
            let length = 1 + name_length(&rest[1..]);
            Ok((Kind::Variable(rest[..length].to_owned()), length))
        }
        '.' => {
            let length = name_length(&rest[1..]);
            match rest[1..].chars().next() {
                Some(first) if first.is_ascii_digit() => number(rest, offset),
                _ if length == 0 => simple(Kind::Dot),
                _ => Ok((Kind::Field(rest[1..=length].to_owned()), length + 1)),
            }
        }
        c if c.is_ascii_digit() || c == '-' || c == '+' => number(rest, offset),
        c if c.is_alphabetic() || c == '_' => {
            let length = name_length(rest);
            Ok((Kind::Word(rest[..length].to_owned()), length))
        }
        c => Err(Fault::new(
            offset,
            format!("a `{c}` means nothing inside of `{{{{ }}}}`"),
            "put a text in double quotes; write braces for other programs as {{\"{{…}}\"}}",
        )),
    }
}

fn number(rest: &str, offset: usize) -> Result<(Kind, usize), Fault> {
    let sign = usize::from(rest.starts_with(['-', '+']));
    let body = &rest[sign..];
    let mut length =
        body.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_').unwrap_or(body.len());
    // The sign of an exponent.
    if body[..length].ends_with(['e', 'E'])
        && !body.starts_with("0x")
        && body[length..].starts_with(['-', '+'])
    {
        let more = &body[length + 1..];
        length += 1 + more.find(|c: char| !c.is_ascii_digit()).unwrap_or(more.len());
    }
    let text = body[..length].replace('_', "");
    let wrong = || {
        let shown = shorten(&rest[..sign + length]);
        Fault::new(offset, format!("`{shown}` is no number"), "write a number, or a text in double quotes")
    };
    let (digits, base) = match text.get(..2) {
        Some("0x" | "0X") => (&text[2..], 16),
        Some("0o" | "0O") => (&text[2..], 8),
        Some("0b" | "0B") => (&text[2..], 2),
        _ => (text.as_str(), 10),
    };
    let negative = rest.starts_with('-');
    if let Ok(value) = i128::from_str_radix(digits, base) {
        let value = i64::try_from(if negative { -value } else { value }).map_err(|_| wrong())?;
        return Ok((Kind::Integer(value), sign + length));
    }
    if base == 10
        && digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && let Ok(value) = digits.parse::<f64>()
    {
        return Ok((Kind::Float(if negative { -value } else { value }), sign + length));
    }
    Err(wrong())
}

/// Reads a text in quotes and its length with them.
fn quoted(rest: &str, offset: usize, quote: char) -> Result<(String, usize), Fault> {
    let open =
        || Fault::new(offset, "a quote is opened here and never closed", "close it with the same quote");
    let escape = || {
        Fault::new(
            offset,
            "a text in double quotes holds a `\\` that means nothing",
            "write `\\\\`, or use backquotes",
        )
    };
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((text, index + c.len_utf8())),
            '\n' => return Err(open()),
            '\\' => {
                let (_, code) = chars.next().ok_or_else(open)?;
                let hex = |count: usize, chars: &mut dyn Iterator<Item = (usize, char)>| {
                    let digits: String = chars.take(count).map(|(_, c)| c).collect();
                    u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == count)
                };
                let c = match code {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'a' => '\u{7}',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'v' => '\u{b}',
                    '\\' | '"' | '\'' => code,
                    'x' => hex(2, &mut chars).and_then(char::from_u32).ok_or_else(escape)?,
                    'u' => hex(4, &mut chars).and_then(char::from_u32).ok_or_else(escape)?,
                    'U' => hex(8, &mut chars).and_then(char::from_u32).ok_or_else(escape)?,
                    _ => return Err(escape()),
                };
                text.push(c);
            }
            c => text.push(c),
        }
    }
    Err(open())
}
