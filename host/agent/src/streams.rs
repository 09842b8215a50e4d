//! Streams that the server opens: logs, consoles, figures, the engine's socket.
//!
//! A stream is one task. It reads from the engine only as fast as the server takes, and when the server resets the
//! stream the task ends and with it whatever it held in the engine's API.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use contract_link::{FrameReader, FrameWriter, LinkError, LinkStream};
use contract_protocol::{ExecRequest, StreamFrame, StreamRequest};
use futures_util::stream::{BoxStream, select_all};
use futures_util::{Stream, StreamExt};
use host_driver::{Engine, EngineError, OutputChunk, Upload};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use crate::core::describe;
use crate::probe::Probe;

/// The longest frame that comes in: input of a terminal.
const INPUT_LIMIT: usize = 1024 * 1024;
/// How long the first frame may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);
/// How long the engine may take to hear that a tar is broken off.
const BROKEN_LIMIT: Duration = Duration::from_secs(5);
/// Pieces of output above this size are cut, so that a stream holds little at a time.
const PIECE: usize = 32 * 1024;

type Reader = FrameReader<ReadHalf<LinkStream>>;
type Writer = FrameWriter<WriteHalf<LinkStream>>;

/// Serves streams.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) probe: Arc<dyn Probe>,
}

/// How a stream ended early.
enum End {
    /// The peer has gone, nothing can be told.
    Gone,
    /// The engine would not.
    Engine(EngineError),
    /// For another reason.
    Text(String),
}

impl From<LinkError> for End {
    fn from(_: LinkError) -> Self {
        Self::Gone
    }
}

impl From<EngineError> for End {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl Streams {
    /// Serves one stream until it ends.
    pub(crate) async fn serve(&self, stream: LinkStream) {
        let (read, write) = tokio::io::split(stream);
        let (mut reader, mut writer) = (FrameReader::with_limit(read, INPUT_LIMIT), FrameWriter::new(write));
        let request = match tokio::time::timeout(REQUEST_LIMIT, reader.read::<StreamRequest>()).await {
            Ok(Ok(Some(request))) => request,
            Ok(Err(error)) if error.is_recoverable() => StreamRequest::Unknown,
            Ok(Ok(None) | Err(_)) | Err(_) => return,
        };
        tracing::debug!(?request, "the server opened a stream");
        let last = match self.carry(request, &mut reader, &mut writer).await {
            Ok(code) => StreamFrame::End { code },
            Err(End::Gone) => return,
            Err(End::Engine(error)) => StreamFrame::Failed { message: describe(&error) },
            Err(End::Text(message)) => StreamFrame::Failed { message },
        };
        if writer.write_stream_frame(&last).await.is_ok() {
            // The peer may be faster and have gone.
            let _ = writer.finish().await;
        }
    }

    async fn carry(
        &self,
        request: StreamRequest,
        reader: &mut Reader,
        writer: &mut Writer,
    ) -> Result<Option<i64>, End> {
        match request {
            StreamRequest::Logs(request) => {
                let output = self.engine.logs(&request).await?;
                until_gone(reader, send_output(output, writer)).await?;
                Ok(None)
            }
            StreamRequest::Exec(request) => self.exec(&request, reader, writer).await,
            StreamRequest::Stats { docker_ids } => {
                let mut all: Vec<BoxStream<'static, Result<String, EngineError>>> = Vec::new();
                for docker_id in docker_ids {
                    match self.engine.stats(&docker_id).await {
                        Ok(documents) => all.push(documents),
                        // One that has gone does not end the figures of the others.
                        Err(error) if error.is_not_found() => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                let documents = select_all(all);
                until_gone(reader, send_documents(documents, writer)).await?;
                Ok(None)
            }
            StreamRequest::HostStats => {
                let documents = futures_util::stream::unfold(
                    (Arc::clone(&self.probe), tokio::time::interval(Duration::from_secs(1))),
                    |(probe, mut interval)| async move {
                        interval.tick().await;
                        let text =
                            serde_json::to_string(&probe.metrics()?).expect("metrics are plain numbers");
                        Some((Ok(text), (probe, interval)))
                    },
                );
                until_gone(reader, send_documents(Box::pin(documents), writer)).await?;
                Ok(None)
            }
            StreamRequest::Inspect { docker_id } => {
                let text = self.engine.inspect_json(&docker_id).await?;
                send_whole(text, writer).await?;
                Ok(None)
            }
            StreamRequest::Top { docker_id, arguments } => {
                let text = self.engine.top(&docker_id, &arguments).await?;
                send_whole(text, writer).await?;
                Ok(None)
            }
            StreamRequest::PathStat { docker_id, path } => {
                let text = self.engine.path_stat(&docker_id, &path).await?;
                send_whole(text, writer).await?;
                Ok(None)
            }
            StreamRequest::CopyOut { docker_id, path } => {
                let bytes = self.engine.copy_out(&docker_id, &path).await?;
                until_gone(reader, send_bytes(bytes, writer)).await?;
                Ok(None)
            }
            StreamRequest::CopyIn(request) => {
                let (pieces, tar) = upload();
                let copy = self.engine.copy_in(&request, tar);
                with_input(reader, pieces, async { Ok(copy.await?) }).await?;
                Ok(Some(0))
            }
            StreamRequest::Build(request) => {
                let (pieces, tar) = upload();
                let build = async {
                    let words = self.engine.build(&request, tar).await?;
                    send_build(words, writer).await
                };
                with_input(reader, pieces, build).await?;
                Ok(Some(0))
            }
            StreamRequest::DockerSocket => self.socket(reader, writer).await,
            StreamRequest::Unknown => Err(End::Text("this agent does not know that kind of stream".into())),
        }
    }

    async fn exec(
        &self,
        request: &ExecRequest,
        reader: &mut Reader,
        writer: &mut Writer,
    ) -> Result<Option<i64>, End> {
        let session = self.engine.exec(request).await?;
        let (control, mut input) = (session.control, session.input);
        let speak = async {
            loop {
                match reader.read_stream_frame().await {
                    Ok(Some(StreamFrame::Input(bytes))) => {
                        // A process that no longer reads is no reason to end its output.
                        if input.write_all(&bytes).await.is_ok() {
                            let _ = input.flush().await;
                        }
                    }
                    Ok(Some(StreamFrame::InputEnd)) => {
                        let _ = input.shutdown().await;
                    }
                    Ok(Some(StreamFrame::Resize { columns, rows })) => {
                        if let Err(error) = control.resize(columns, rows).await {
                            tracing::debug!(error = %error, "could not give a terminal its size");
                        }
                    }
                    Ok(Some(
                        StreamFrame::Output(_)
                        | StreamFrame::Error(_)
                        | StreamFrame::End { .. }
                        | StreamFrame::Failed { .. },
                    )) => {}
                    Err(error) if error.is_recoverable() => {}
                    Ok(None) => return,
                    Err(_) => return,
                }
            }
        };
        tokio::select! {
            sent = send_output(session.output, writer) => sent?,
            () = speak => return Err(End::Gone),
        }
        Ok(control.exit_code().await?)
    }

    async fn socket(&self, reader: &mut Reader, writer: &mut Writer) -> Result<Option<i64>, End> {
        let socket = self.engine.raw_socket().await?;
        let (mut from, mut to) = tokio::io::split(socket);
        let up = async {
            loop {
                match reader.read_stream_frame().await {
                    Ok(Some(StreamFrame::Input(bytes))) => {
                        if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                            return;
                        }
                    }
                    Ok(Some(StreamFrame::InputEnd)) => {
                        let _ = to.shutdown().await;
                    }
                    Ok(Some(_)) => {}
                    Err(error) if error.is_recoverable() => {}
                    Ok(None) | Err(_) => return,
                }
            }
        };
        let down = async {
            let mut bytes = vec![0; 16 * 1024];
            loop {
                let length = from.read(&mut bytes).await.map_err(|error| End::Text(error.to_string()))?;
                if length == 0 {
                    return Ok(());
                }
                writer.write_stream_frame(&StreamFrame::Output(bytes[..length].to_vec())).await?;
            }
        };
        tokio::select! {
            sent = down => sent.map(|()| None),
            () = up => Err(End::Gone),
        }
    }
}

/// Sends until it is done or the peer ends or resets the stream.
async fn until_gone(reader: &mut Reader, send: impl Future<Output = Result<(), End>>) -> Result<(), End> {
    let gone = async {
        // Whatever comes in is none of this stream's business, but its end is.
        while let Ok(Some(_)) = reader.read_payload().await {}
    };
    tokio::select! {
        sent = send => sent,
        () = gone => Err(End::Gone),
    }
}

/// The two ends of a tar on its way to the engine: a few pieces at a time.
fn upload() -> (mpsc::Sender<io::Result<Bytes>>, Upload) {
    let (sender, receiver) = mpsc::channel(4);
    let tar = futures_util::stream::unfold(receiver, |mut receiver: mpsc::Receiver<_>| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    (sender, tar.boxed())
}

/// Carries out what takes a tar, while the peer sends it. The engine may answer before it has read all of it.
async fn with_input(
    reader: &mut Reader,
    pieces: mpsc::Sender<io::Result<Bytes>>,
    work: impl Future<Output = Result<(), End>>,
) -> Result<(), End> {
    let feed = async {
        let mut pieces = Some(pieces);
        loop {
            match reader.read_stream_frame().await {
                Ok(Some(StreamFrame::Input(bytes))) => {
                    // An engine that no longer reads has an answer, which ends this.
                    if let Some(pieces) = &pieces {
                        let _ = pieces.send(Ok(Bytes::from(bytes))).await;
                    }
                }
                Ok(Some(StreamFrame::InputEnd)) => pieces = None,
                Ok(Some(
                    StreamFrame::Output(_)
                    | StreamFrame::Error(_)
                    | StreamFrame::Resize { .. }
                    | StreamFrame::End { .. }
                    | StreamFrame::Failed { .. },
                )) => {}
                Err(error) if error.is_recoverable() => {}
                Ok(None) | Err(_) => {
                    // What has come is not the whole, and the engine must not take it for that.
                    if let Some(pieces) = &pieces {
                        let broken = pieces.send(Err(io::ErrorKind::UnexpectedEof.into()));
                        let _ = tokio::time::timeout(BROKEN_LIMIT, broken).await;
                    }
                    return;
                }
            }
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        () = feed => Err(End::Gone),
    }
}

async fn send_whole(text: String, writer: &mut Writer) -> Result<(), End> {
    for piece in text.as_bytes().chunks(PIECE) {
        writer.write_stream_frame(&StreamFrame::Output(piece.to_vec())).await?;
    }
    Ok(())
}

async fn send_bytes(
    mut bytes: impl Stream<Item = Result<Bytes, EngineError>> + Unpin,
    writer: &mut Writer,
) -> Result<(), End> {
    while let Some(piece) = bytes.next().await {
        for piece in piece?.chunks(PIECE) {
            writer.write_stream_frame(&StreamFrame::Output(piece.to_vec())).await?;
        }
    }
    Ok(())
}

/// Passes on what the engine says while it builds, a document a line. A word about a failure is the end.
async fn send_build(
    mut words: impl Stream<Item = Result<String, EngineError>> + Unpin,
    writer: &mut Writer,
) -> Result<(), End> {
    let mut failure = None;
    while let Some(word) = words.next().await {
        let mut word = word?;
        failure = failure.or_else(|| failure_in(&word));
        word.push('\n');
        send_whole(word, writer).await?;
    }
    failure.map_or(Ok(()), |text| Err(End::Text(text)))
}

fn failure_in(word: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_str(word).ok()?;
    document.get("error").map(|text| text.as_str().unwrap_or("the build failed").to_owned())
}

async fn send_output(
    mut output: impl Stream<Item = Result<OutputChunk, EngineError>> + Unpin,
    writer: &mut Writer,
) -> Result<(), End> {
    while let Some(piece) = output.next().await {
        let (bytes, wrap): (Bytes, fn(Vec<u8>) -> StreamFrame) = match piece? {
            OutputChunk::Out(bytes) => (bytes, StreamFrame::Output),
            OutputChunk::Err(bytes) => (bytes, StreamFrame::Error),
        };
        for piece in bytes.chunks(PIECE) {
            writer.write_stream_frame(&wrap(piece.to_vec())).await?;
        }
    }
    Ok(())
}

async fn send_documents(
    mut documents: impl Stream<Item = Result<String, EngineError>> + Unpin,
    writer: &mut Writer,
) -> Result<(), End> {
    while let Some(document) = documents.next().await {
        writer.write_stream_frame(&StreamFrame::Output(document?.into_bytes())).await?;
    }
    Ok(())
}
