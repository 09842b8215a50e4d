//! A process started in a simulated container.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use contract_protocol::{ExecRequest, FailureCode};
use futures_util::StreamExt;
use host_driver::{EngineError, ExecControl, ExecSession, OutputChunk};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::refused;
use crate::shell::{Answer, Shell, Start};

const PROMPT: &str = "/ # ";

/// Starts it.
pub(super) fn start(
    request: &ExecRequest,
    hostname: String,
    environment: BTreeMap<String, String>,
) -> Result<ExecSession, EngineError> {
    let mut shell = Shell { hostname, environment, size: (80, 24), last: 0 };
    let start = match shell.start(&request.command) {
        Start::Missing => {
            let name = request.command.first().map_or("", String::as_str);
            let text = format!("OCI runtime exec failed: exec: {name:?}: executable file not found in $PATH");
            return refused(FailureCode::CommandNotFound, text);
        }
        start => start,
    };
    let (input, process_input) = tokio::io::duplex(4096);
    let (output_sender, output) = mpsc::channel(64);
    let (code_sender, code) = oneshot::channel();
    let size = Arc::new(Mutex::new(shell.size));
    let process = Process {
        input: process_input,
        output: output_sender,
        tty: request.tty,
        stdin: request.stdin,
        size: Arc::clone(&size),
    };
    let task = tokio::spawn(async move {
        // Nobody reads any more: there is nobody to tell a code either.
        if let Some(last) = process.run(shell, start).await {
            let _ = code_sender.send(last);
        }
    });
    let task = EndOnDrop(task.abort_handle());
    let stream = futures_util::stream::unfold((output, task), |(mut output, task)| async move {
        let piece = output.recv().await?;
        Some((Ok(piece), (output, task)))
    });
    let control = Control { code: tokio::sync::Mutex::new(Some(code)), size };
    Ok(ExecSession { input: Box::new(input), output: stream.boxed(), control: Box::new(control) })
}

struct EndOnDrop(AbortHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Control {
    code: tokio::sync::Mutex<Option<oneshot::Receiver<i64>>>,
    size: Arc<Mutex<(u16, u16)>>,
}

#[async_trait]
impl ExecControl for Control {
    async fn resize(&self, columns: u16, rows: u16) -> Result<(), EngineError> {
        *self.size.lock().expect("nothing panics while it holds a size") = (columns, rows);
        Ok(())
    }

    async fn exit_code(&self) -> Result<Option<i64>, EngineError> {
        Ok(match self.code.lock().await.take() {
            Some(code) => code.await.ok(),
            None => None,
        })
    }
}

struct Process {
    input: DuplexStream,
    output: mpsc::Sender<OutputChunk>,
    tty: bool,
    stdin: bool,
    size: Arc<Mutex<(u16, u16)>>,
}

impl Process {
    /// Runs to its end and gives its exit code; `None` when nobody listens any more.
    async fn run(mut self, mut shell: Shell, start: Start) -> Option<i64> {
        match start {
            Start::Run(answer) => self.answer(answer).await,
            Start::Shell if self.stdin && self.tty => self.terminal(&mut shell).await,
            Start::Shell if self.stdin => self.script(&mut shell).await,
            Start::Shell | Start::Missing => Some(0),
        }
    }

    async fn answer(&mut self, answer: Answer) -> Option<i64> {
        tokio::time::sleep(answer.takes).await;
        self.write(answer.out, false).await?;
        self.write(answer.err, true).await?;
        if answer.echoes && self.stdin {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = self.input.read(&mut bytes).await {
                let text = Bytes::copy_from_slice(&bytes[..length]);
                self.output.send(OutputChunk::Out(text)).await.ok()?;
            }
        }
        Some(answer.code)
    }

    /// Reads commands to the end of the input.
    async fn script(&mut self, shell: &mut Shell) -> Option<i64> {
        let mut rest = Vec::new();
        let mut bytes = [0; 4096];
        loop {
            let length = self.input.read(&mut bytes).await.unwrap_or(0);
            rest.extend_from_slice(&bytes[..length]);
            // What is longer is no line that a person typed.
            let whole = match rest.iter().rposition(|byte| *byte == b'\n') {
                Some(end) => end + 1,
                None if length == 0 || rest.len() > 64 * 1024 => rest.len(),
                None => 0,
            };
            let text: Vec<u8> = rest.drain(..whole).collect();
            for line in String::from_utf8_lossy(&text).lines() {
                let answer = shell.run(line);
                let (code, ends) = (answer.code, answer.ends);
                self.answer(Answer { echoes: false, ..answer }).await?;
                if ends {
                    return Some(code);
                }
            }
            if length == 0 {
                return Some(shell.last);
            }
        }
    }

    /// Reads keys, shows what is typed, and runs each line.
    async fn terminal(&mut self, shell: &mut Shell) -> Option<i64> {
        self.write(PROMPT.to_owned(), false).await?;
        let mut line = Vec::new();
        let mut bytes = [0; 1024];
        loop {
            let length = self.input.read(&mut bytes).await.unwrap_or(0);
            if length == 0 {
                return Some(shell.last);
            }
            let mut shown = Vec::new();
            for &byte in &bytes[..length] {
                match byte {
                    b'\r' | b'\n' => {
                        shown.extend_from_slice(b"\r\n");
                        self.output.send(OutputChunk::Out(std::mem::take(&mut shown).into())).await.ok()?;
                        shell.size = *self.size.lock().expect("nothing panics while it holds a size");
                        let answer = shell.run(&String::from_utf8_lossy(&line));
                        line.clear();
                        let (code, ends) = (answer.code, answer.ends);
                        self.answer(Answer { echoes: false, ..answer }).await?;
                        if ends {
                            return Some(code);
                        }
                        shown.extend_from_slice(PROMPT.as_bytes());
                    }
                    0x08 | 0x7f => {
                        shown.extend_from_slice(line.pop().map_or(&b""[..], |_| b"\x08 \x08"));
                    }
                    0x03 => {
                        line.clear();
                        shown.extend_from_slice(format!("^C\r\n{PROMPT}").as_bytes());
                    }
                    0x04 if line.is_empty() => return Some(shell.last),
                    byte if byte >= 0x20 && line.len() < 4096 => {
                        line.push(byte);
                        shown.push(byte);
                    }
                    _ => {}
                }
            }
            if !shown.is_empty() {
                self.output.send(OutputChunk::Out(shown.into())).await.ok()?;
            }
        }
    }

    async fn write(&mut self, text: String, is_error: bool) -> Option<()> {
        if text.is_empty() {
            return Some(());
        }
        let piece = match (self.tty, is_error) {
            (true, _) => OutputChunk::Out(Bytes::from(text.replace('\n', "\r\n"))),
            (false, false) => OutputChunk::Out(Bytes::from(text)),
            (false, true) => OutputChunk::Err(Bytes::from(text)),
        };
        self.output.send(piece).await.ok()
    }
}
