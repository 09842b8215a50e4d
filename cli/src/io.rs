//! Where a command reads and writes: the process's streams, or a test's.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, IsTerminal as _, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::CliError;

/// The surroundings of a command. Clones are the same.
#[derive(Clone)]
pub struct Io {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    err: Arc<Mutex<Box<dyn Write + Send>>>,
    input: Arc<Mutex<Box<dyn BufRead + Send>>>,
    /// Whether a person reads the output.
    pub out_is_terminal: bool,
    /// Whether a person reads the messages.
    pub err_is_terminal: bool,
    /// Whether a person types.
    pub in_is_terminal: bool,
    /// Whether colours are wanted, where a person reads.
    pub colours: bool,
    /// Whether colours are wanted even where a program reads.
    pub colours_forced: bool,
    /// How many orders were given to the server, which goes on with them whatever becomes of this command.
    pub orders: Arc<AtomicU64>,
    variables: Arc<BTreeMap<String, String>>,
    now: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
}

impl Io {
    /// Those of this process.
    pub fn process() -> Self {
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let (colours, forced) = wants_colours(&variables);
        Self {
            out: Arc::new(Mutex::new(Box::new(std::io::stdout()))),
            err: Arc::new(Mutex::new(Box::new(std::io::stderr()))),
            input: Arc::new(Mutex::new(Box::new(BufReader::new(std::io::stdin())))),
            out_is_terminal: std::io::stdout().is_terminal(),
            err_is_terminal: std::io::stderr().is_terminal(),
            in_is_terminal: std::io::stdin().is_terminal(),
            colours,
            colours_forced: forced,
            orders: Arc::default(),
            variables: Arc::new(variables),
            now: Arc::new(|| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
            }),
            folder: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// Those of a test: written to memory, with the given variables and input, and a clock that stands still.
    pub fn captured(
        variables: BTreeMap<String, String>,
        folder: PathBuf,
        input: &str,
        now_ms: i64,
    ) -> (Self, Captured, Captured) {
        let (out, err) = (Captured::default(), Captured::default());
        let io = Self {
            out: Arc::new(Mutex::new(Box::new(out.clone()))),
            err: Arc::new(Mutex::new(Box::new(err.clone()))),
            input: Arc::new(Mutex::new(Box::new(Cursor::new(input.to_owned())))),
            out_is_terminal: false,
            err_is_terminal: false,
            in_is_terminal: false,
            colours: false,
            colours_forced: false,
            orders: Arc::default(),
            variables: Arc::new(variables),
            now: Arc::new(move || now_ms),
            folder,
        };
        (io, out, err)
    }

    /// An environment variable.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    /// All environment variables.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        (self.now)()
    }

    /// Reads one line that a person or a pipe gives.
    ///
    /// # Errors
    /// Fails when there is none.
    pub fn read_line(&self) -> Result<String, CliError> {
        let mut line = String::new();
        if self.input.lock().expect("no holder of this lock panics").read_line(&mut line)? == 0 {
            return Err(CliError::new("the standard input ended before the answer came"));
        }
        Ok(line.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// Reads all of the input.
    ///
    /// # Errors
    /// Fails if it is no text.
    pub fn read_all(&self) -> Result<String, CliError> {
        let mut text = String::new();
        self.input.lock().expect("no holder of this lock panics").read_to_string(&mut text)?;
        Ok(text)
    }

    /// Reads a file, or the input where it is called `-`.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub fn read_file(&self, path: &Path) -> Result<Vec<u8>, CliError> {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            self.input.lock().expect("no holder of this lock panics").read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
        std::fs::read(self.folder.join(path))
            .map_err(|error| CliError::new(format!("could not read `{}`: {error}", path.display())))
    }

    /// Writes output: what the user asked for.
    ///
    /// # Errors
    /// Fails when nobody reads any more.
    pub fn out(&self, text: &str) -> Result<(), CliError> {
        self.out_bytes(text.as_bytes())
    }

    /// Writes a line of output.
    ///
    /// # Errors
    /// Fails when nobody reads any more.
    pub fn line(&self, text: &str) -> Result<(), CliError> {
        self.out_bytes(format!("{text}\n").as_bytes())
    }

    /// Writes output as it came.
    ///
    /// # Errors
    /// Fails when nobody reads any more.
    pub fn out_bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = self.out.lock().expect("no holder of this lock panics");
        out.write_all(bytes)?;
        out.flush()?;
        Ok(())
    }

    /// Writes a message as it is: progress, warnings, errors.
    pub fn say_bytes(&self, bytes: &[u8]) {
        let mut err = self.err.lock().expect("no holder of this lock panics");
        // Nobody is left to tell.
        let _ = err.write_all(bytes).and_then(|()| err.flush());
    }

    /// Writes a line beside the output: progress, warnings, errors.
    pub fn say(&self, text: &str) {
        self.say_bytes(format!("{text}\n").as_bytes());
    }

    /// Paints a text for the output, where a person reads it.
    pub fn paint(&self, colour: &str, text: &str) -> String {
        paint(self.colours && (self.out_is_terminal || self.colours_forced), colour, text)
    }

    /// Paints a text for messages, where a person reads them.
    pub fn paint_message(&self, colour: &str, text: &str) -> String {
        paint(self.colours && (self.err_is_terminal || self.colours_forced), colour, text)
    }
}

/// Whether colours are wanted at all, and whether even where no person reads.
fn wants_colours(variables: &BTreeMap<String, String>) -> (bool, bool) {
    let is = |name: &str, test: fn(&str) -> bool| variables.get(name).is_some_and(|value| test(value));
    if is("NO_COLOR", |value| !value.is_empty()) {
        return (false, false);
    }
    if is("CLICOLOR_FORCE", |value| !value.is_empty() && value != "0") {
        return (true, true);
    }
    (!is("CLICOLOR", |value| value == "0") && !is("TERM", |value| value == "dumb"), false)
}

fn paint(wanted: bool, colour: &str, text: &str) -> String {
    if wanted && !colour.is_empty() { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}

/// What a test's command wrote.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// The text so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no holder of this lock panics")).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no holder of this lock panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
