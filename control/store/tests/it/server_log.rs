//! What a PostgreSQL server says. Waiting for its words is how tests know its state without asking again and again.

use std::io::{BufRead, BufReader};
use std::process::ChildStderr;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

/// No server takes longer to start or to end.
const LIMIT: Duration = Duration::from_secs(60);

/// What has been read so far.
#[derive(Debug, Default)]
pub struct Said {
    text: String,
    ready: bool,
    /// The server and all its children have closed their ends.
    ended: bool,
}

/// Reads what a server and its children write, until the last of them is gone.
pub struct ServerLog {
    said: watch::Receiver<Said>,
    reader: Option<JoinHandle<()>>,
}

impl ServerLog {
    pub fn read(pipe: ChildStderr) -> Self {
        let (sender, said) = watch::channel(Said::default());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                sender.send_modify(|said| {
                    said.ready |= line.contains("database system is ready to accept connections");
                    said.text.push_str(&line);
                    said.text.push('\n');
                });
            }
            sender.send_modify(|said| said.ended = true);
        });
        Self { said, reader: Some(reader) }
    }

    /// Waits until the server serves.
    pub async fn ready(&mut self) {
        let said = self.wait(|said| said.ready || said.ended).await;
        assert!(!said.ended, "the server ended:\n{}", said.text);
    }

    /// Waits until the server and all its children are gone: beside them a new one does not start.
    pub async fn ended(&mut self) {
        self.wait(|said| said.ended).await;
    }

    async fn wait(&mut self, condition: impl FnMut(&Said) -> bool) -> watch::Ref<'_, Said> {
        // Looked at beside the wait, because that one holds the receiver.
        let last = self.said.clone();
        match tokio::time::timeout(LIMIT, self.said.wait_for(condition)).await {
            Ok(said) => said.expect("the reader tells the end before it goes"),
            Err(_) => panic!("PostgreSQL hangs; last seen: {:#?}", last.borrow()),
        }
    }
}

impl Drop for ServerLog {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
