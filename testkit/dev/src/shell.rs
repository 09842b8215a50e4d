//! The shell in a simulated container: a few words, enough to see that a terminal works. Pure: what it answers is a
//! function of what it was told.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a command does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What it writes.
    pub out: String,
    /// What it writes of its troubles.
    pub err: String,
    /// Its exit code.
    pub code: i64,
    /// How long it takes.
    pub takes: Duration,
    /// Whether the shell ends with it.
    pub ends: bool,
    /// Whether it gives back what it reads until its input ends.
    pub echoes: bool,
}

/// A shell.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The container's name.
    pub hostname: String,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The exit code of the last command.
    pub last: i64,
}

/// Names under which a shell is started.
const SHELLS: [&str; 4] = ["sh", "bash", "ash", "/bin/sh"];

/// What a command line of `exec` asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// A shell that reads commands.
    Shell,
    /// One command, or several.
    Run(Answer),
    /// There is no such program.
    Missing,
}

impl Shell {
    /// Finds out what the words of `exec` ask for.
    pub fn start(&mut self, words: &[String]) -> Start {
        let is_shell = |word: &str| SHELLS.contains(&word) || word == "/bin/bash";
        match words {
            [] => Start::Missing,
            [shell] if is_shell(shell) => Start::Shell,
            [shell, option, script, ..] if is_shell(shell) && option == "-c" => Start::Run(self.run(script)),
            words => match self.command(words) {
                Some(answer) => Start::Run(answer),
                None => Start::Missing,
            },
        }
    }

    /// Runs a line: commands with `;` between them.
    pub fn run(&mut self, line: &str) -> Answer {
        let mut all = Answer { code: self.last, ..Answer::default() };
        for command in line.split([';', '\n']) {
            let (command, to_error) = match command.trim().strip_suffix(">&2") {
                Some(command) => (command.trim(), true),
                None => (command.trim(), false),
            };
            let words: Vec<String> = split(command).iter().map(|word| self.expand(word)).collect();
            let Some(first) = words.first() else { continue };
            let one = self.command(&words).unwrap_or_else(|| Answer {
                err: format!("sh: {first}: not found\n"),
                code: 127,
                ..Answer::default()
            });
            all.code = one.code;
            self.last = one.code;
            all.takes += one.takes;
            all.echoes |= one.echoes;
            all.ends |= one.ends;
            if to_error { &mut all.err } else { &mut all.out }.push_str(&one.out);
            all.err.push_str(&one.err);
            if all.ends {
                break;
            }
        }
        all
    }

    fn command(&self, words: &[String]) -> Option<Answer> {
        let (name, rest) = words.split_first()?;
        let name = name.strip_prefix("/bin/").or_else(|| name.strip_prefix("/usr/bin/")).unwrap_or(name);
        let out = |out: String| Some(Answer { out, ..Answer::default() });
        match name {
            "echo" => out(format!("{}\n", rest.join(" "))),
            "true" | ":" | "trap" | "cd" | "export" => out(String::new()),
            "false" => Some(Answer { code: 1, ..Answer::default() }),
            "pwd" => out("/\n".to_owned()),
            "whoami" => out("root\n".to_owned()),
            "id" => out("uid=0(root) gid=0(root) groups=0(root)\n".to_owned()),
            "hostname" => out(format!("{}\n", self.hostname)),
            "ls" => out("bin  dev  etc  home  proc  root  sys  tmp  usr  var\n".to_owned()),
            "ps" => out("PID   USER     COMMAND\n    1 root     sim\n   17 root     sh\n".to_owned()),
            "uname" => out("Linux\n".to_owned()),
            "env" | "printenv" => {
                let lines = self.environment.iter().map(|(name, value)| format!("{name}={value}\n"));
                out(lines.collect())
            }
            "stty" if rest.first().is_some_and(|word| word == "size") => {
                out(format!("{} {}\n", self.size.1, self.size.0))
            }
            "stty" => out(String::new()),
            "cat" if rest.is_empty() => Some(Answer { echoes: true, ..Answer::default() }),
            "cat" => Some(Answer {
                err: format!("cat: can't open '{}': No such file or directory\n", rest[0]),
                code: 1,
                ..Answer::default()
            }),
            "sleep" => {
                let takes = rest.first().and_then(|time| crate::behaviour::read_duration(time));
                Some(Answer { takes: takes.unwrap_or_default(), ..Answer::default() })
            }
            "exit" => {
                let code = rest.first().map_or(self.last, |code| code.parse().unwrap_or(2));
                Some(Answer { code, ends: true, ..Answer::default() })
            }
            _ => None,
        }
    }

    /// Puts variables in, and the sum of two numbers, which tests of terminals like to ask for.
    fn expand(&self, word: &str) -> String {
        let mut text = String::new();
        let mut rest = word;
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            if let Some((sum, after)) = after.strip_prefix("((").and_then(|sum| sum.split_once("))")) {
                let parts = sum.split('+').map(|part| part.trim().parse::<i64>());
                let sum = parts.map(Result::unwrap_or_default).fold(0, i64::saturating_add);
                text.push_str(&sum.to_string());
                rest = after;
                continue;
            }
            if let Some(after) = after.strip_prefix('?') {
                text.push_str(&self.last.to_string());
                rest = after;
                continue;
            }
            let inner = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (name, after) = inner.unwrap_or_else(|| {
                after.split_at(
                    after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len()),
                )
            });
            let value = match name {
                "HOSTNAME" => Some(&self.hostname),
                name => self.environment.get(name),
            };
            text.push_str(value.map_or("", String::as_str));
            rest = after;
        }
        text + rest
    }
}

/// Splits a command at its blanks, but for those in quotes.
fn split(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests;
