use std::time::Duration;

use bytes::Bytes;
use contract_protocol::{FrameError, StreamFrame};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::task::JoinHandle;

use super::*;

struct Pair {
    agent: LinkHandle,
    server: LinkHandle,
    agent_run: JoinHandle<Result<(), LinkError>>,
    server_run: JoinHandle<Result<(), LinkError>>,
}

fn over(agent_io: impl ByteStream + 'static, server_io: impl ByteStream + 'static) -> Pair {
    let (agent, agent_driver) = Link::new(agent_io, Side::Agent);
    let (server, server_driver) = Link::new(server_io, Side::Server);
    let agent_run = tokio::spawn(agent_driver.run());
    let server_run = tokio::spawn(server_driver.run());
    Pair { agent, server, agent_run, server_run }
}

fn pair() -> Pair {
    let (a, b) = duplex(64 * 1024);
    over(a, b)
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .unwrap_or_else(|_| panic!("waited too long: {what}"))
}

#[tokio::test]
async fn a_message_goes_each_way_on_the_control_stream() {
    let pair = pair();
    let control = pair.agent.open().await.unwrap();
    let (read, write) = tokio::io::split(control);
    FrameWriter::new(write).write(&("hello", 1)).await.unwrap();

    let (server_read, server_write) = tokio::io::split(pair.server.accept().await.unwrap());
    let hello: (String, u32) = FrameReader::new(server_read).read().await.unwrap().unwrap();
    assert_eq!(hello, ("hello".into(), 1));

    FrameWriter::new(server_write).write(&"welcome").await.unwrap();
    assert_eq!(FrameReader::new(read).read::<String>().await.unwrap().as_deref(), Some("welcome"));
}

#[tokio::test]
async fn a_large_frame_arrives_whole() {
    let pair = pair();
    let text = "x".repeat(8 * 1024 * 1024);
    let mut writer = FrameWriter::new(pair.agent.open().await.unwrap());
    let expected = text.clone();
    let write = tokio::spawn(async move {
        writer.write(&text).await.unwrap();
        writer.finish().await.unwrap();
        writer
    });
    let mut reader = FrameReader::new(pair.server.accept().await.unwrap());
    let got: String = soon("the large frame", reader.read()).await.unwrap().unwrap();
    assert!(got == expected);
    assert!(reader.read_payload().await.unwrap().is_none(), "the stream was ended");
    drop(write.await.unwrap());
}

#[tokio::test]
async fn many_streams_live_side_by_side_in_both_directions() {
    let pair = pair();
    let mut tasks = Vec::new();
    for (opener, accepter) in [(&pair.agent, &pair.server), (&pair.server, &pair.agent)] {
        let accepter = accepter.clone();
        tasks.push(tokio::spawn(async move {
            let mut echoes = Vec::new();
            for _ in 0..300 {
                let stream = accepter.accept().await.unwrap();
                echoes.push(tokio::spawn(async move {
                    let (mut read, mut write) = tokio::io::split(stream);
                    tokio::io::copy(&mut read, &mut write).await.unwrap();
                    write.shutdown().await.unwrap();
                }));
            }
            for echo in echoes {
                echo.await.unwrap();
            }
        }));
        for number in 0..300_u32 {
            let opener = opener.clone();
            tasks.push(tokio::spawn(async move {
                // Only MAX_STREAMS are open at a time, the others wait in `open`; a reset is tried again.
                let mut stream = opener.open().await.unwrap();
                let sent = vec![number.to_be_bytes()[3]; 4096];
                stream.write_all(&sent).await.unwrap();
                stream.shutdown().await.unwrap();
                let mut echo = Vec::new();
                stream.read_to_end(&mut echo).await.unwrap();
                assert!(echo == sent, "stream {number} came back with {} bytes", echo.len());
            }));
        }
    }
    for task in tasks {
        soon("all streams", task).await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_reader_stops_his_own_stream_only() {
    let pair = pair();
    let mut slow = pair.agent.open().await.unwrap();
    let mut written = 0_usize;
    // Fills window and buffers until a write no longer gets through.
    while let Ok(result) = tokio::time::timeout(Duration::from_millis(200), slow.write(&[0; 16 * 1024])).await
    {
        written += result.unwrap();
        assert!(written < 8 * 1024 * 1024, "unread bytes are not bounded");
    }
    let mut unread = pair.server.accept().await.unwrap();

    let mut quick = pair.agent.open().await.unwrap();
    quick.write_all(b"quick").await.unwrap();
    quick.flush().await.unwrap();
    let mut heard = pair.server.accept().await.unwrap();
    let mut bytes = [0; 5];
    soon("the other stream", heard.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"quick");

    let read = tokio::spawn(async move {
        let mut bytes = Vec::new();
        unread.read_to_end(&mut bytes).await.unwrap();
        bytes.len()
    });
    slow.shutdown().await.unwrap();
    assert_eq!(soon("the slow stream", read).await.unwrap(), written);
}

#[tokio::test]
async fn streams_that_nobody_accepts_are_reset_and_harm_nobody() {
    let pair = pair();
    let mut streams = Vec::new();
    for _ in 0..MAX_STREAMS {
        let mut stream = pair.server.open().await.unwrap();
        stream.write_all(b"?").await.unwrap();
        streams.push(stream);
    }
    let mut reset = 0;
    for stream in &mut streams {
        if let Ok(end) = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut [0; 1])).await {
            assert!(matches!(end, Ok(0) | Err(_)), "nobody wrote");
            reset += 1;
        }
    }
    assert!((1..MAX_STREAMS).contains(&reset), "{reset} were reset");
    drop(streams);
    let mut stream = soon("a free place", pair.server.open()).await.unwrap();
    stream.write_all(b"!").await.unwrap();
}

#[tokio::test]
async fn dropping_the_last_handle_closes_both_sides_in_order() {
    let Pair { agent, server, agent_run, server_run } = pair();
    let mut stream = agent.open().await.unwrap();
    stream.write_all(b"last words").await.unwrap();
    let mut heard = server.accept().await.unwrap();
    drop(agent);
    soon("our end", agent_run).await.unwrap().unwrap();
    soon("the peer's end", server_run).await.unwrap().unwrap();
    soon("the notice", server.closed()).await;
    let mut bytes = Vec::new();
    heard.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"last words");
    assert!(matches!(server.open().await, Err(LinkError::Closed)));
    assert!(matches!(server.accept().await, Err(LinkError::Closed)));
    assert!(stream.write_all(b"too late").await.is_err());
}

#[tokio::test]
async fn a_broken_connection_ends_link_and_streams() {
    let (near, far) = duplex(1024);
    let (agent, driver) = Link::new(near, Side::Agent);
    let run = tokio::spawn(driver.run());
    let mut stream = agent.open().await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    drop(far);
    let end = soon("the end", run).await.unwrap();
    assert!(matches!(end, Ok(()) | Err(LinkError::Io(_))), "{end:?}");
    assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    assert!(matches!(agent.open().await, Err(LinkError::Closed)));
}

#[tokio::test]
async fn a_peer_that_talks_nonsense_is_left() {
    let (near, mut far) = duplex(1024);
    let (_agent, driver) = Link::new(near, Side::Agent);
    let run = tokio::spawn(driver.run());
    far.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let error = soon("the end", run).await.unwrap().unwrap_err();
    assert!(matches!(error, LinkError::Multiplexer(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_vanished_is_noticed_by_its_silence() {
    let (near, _far) = duplex(1024);
    let options = LinkOptions { silence: Duration::from_secs(15) };
    let (handle, driver) = Link::with_options(near, Side::Server, options);
    let started = tokio::time::Instant::now();
    let error = driver.run().await.unwrap_err();
    assert!(matches!(error, LinkError::Silent { seconds: 15 }), "{error:?}");
    assert!(started.elapsed() <= Duration::from_secs(20), "{:?}", started.elapsed());
    assert!(matches!(handle.open().await, Err(LinkError::Closed)));
}

#[tokio::test]
async fn frames_can_be_read_piece_by_piece_and_the_wait_be_dropped() {
    let (mut near, far) = duplex(64);
    let mut reader = FrameReader::new(far);
    let bytes = contract_protocol::encode_frame(&"a message in pieces").unwrap();
    for piece in bytes.chunks(3) {
        let waited = tokio::time::timeout(Duration::from_millis(1), reader.read::<String>()).await;
        assert!(waited.is_err(), "nothing is complete yet");
        near.write_all(piece).await.unwrap();
    }
    assert_eq!(reader.read::<String>().await.unwrap().unwrap(), "a message in pieces");
    near.write_all(&[0, 0]).await.unwrap();
    drop(near);
    assert!(matches!(reader.read_payload().await, Err(LinkError::Torn)));
}

#[tokio::test]
async fn a_bad_frame_is_told_apart_from_a_bad_connection() {
    let (near, far) = duplex(4096);
    let (mut writer, mut reader) = (FrameWriter::new(near), FrameReader::with_limit(far, 100));
    writer.write(&7).await.unwrap();
    let error = reader.read::<String>().await.unwrap_err();
    assert!(error.is_recoverable(), "{error:?}");
    writer.write_stream_frame(&StreamFrame::Resize { columns: 80, rows: 24 }).await.unwrap();
    let frame = reader.read_stream_frame().await.unwrap().unwrap();
    assert_eq!(frame, StreamFrame::Resize { columns: 80, rows: 24 });
    writer.write(&"x".repeat(200)).await.unwrap();
    let error = reader.read::<String>().await.unwrap_err();
    assert!(matches!(error, LinkError::Frame(FrameError::TooLong { length: 202 })), "{error:?}");
    assert!(!error.is_recoverable());
}

#[test]
fn the_type_of_an_unknown_message_can_be_read() {
    assert_eq!(message_type(br#"{"type":"dance","steps":3}"#).as_deref(), Some("dance"));
    assert_eq!(message_type(b"[]"), None);
}

/// A channel of messages in memory, as a WebSocket is one.
fn channel() -> (impl ByteStream, impl ByteStream) {
    fn end(
        out: tokio::sync::mpsc::Sender<Bytes>,
        input: tokio::sync::mpsc::Receiver<Bytes>,
    ) -> impl ByteStream {
        let input = Box::pin(futures_util::stream::unfold(input, |mut input| async move {
            let bytes = input.recv().await?;
            Some((Ok::<_, std::io::Error>(bytes), input))
        }));
        let out = Box::pin(futures_util::sink::unfold(out, |out, bytes: Bytes| async move {
            out.send(bytes).await.map_err(std::io::Error::other)?;
            Ok(out)
        }));
        MessageIo::of_bytes(Both { input, out })
    }
    let (left_out, right_in) = tokio::sync::mpsc::channel(1);
    let (right_out, left_in) = tokio::sync::mpsc::channel(1);
    (end(left_out, left_in), end(right_out, right_in))
}

struct Both<I, O> {
    input: I,
    out: O,
}

impl<I: futures_util::Stream + Unpin, O: Unpin> futures_util::Stream for Both<I, O> {
    type Item = I::Item;
    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.get_mut().input.poll_next_unpin(cx)
    }
}

impl<I: Unpin, O: futures_util::Sink<Bytes> + Unpin> futures_util::Sink<Bytes> for Both<I, O> {
    type Error = O::Error;
    fn poll_ready(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), O::Error>> {
        self.get_mut().out.poll_ready_unpin(cx)
    }
    fn start_send(self: std::pin::Pin<&mut Self>, item: Bytes) -> Result<(), O::Error> {
        self.get_mut().out.start_send_unpin(item)
    }
    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), O::Error>> {
        self.get_mut().out.poll_flush_unpin(cx)
    }
    fn poll_close(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), O::Error>> {
        self.get_mut().out.poll_close_unpin(cx)
    }
}

#[tokio::test]
async fn a_link_runs_over_a_channel_of_messages() {
    let (left, right) = channel();
    let pair = over(left, right);
    let text = "y".repeat(1024 * 1024);
    let mut writer = FrameWriter::new(pair.agent.open().await.unwrap());
    let expected = text.clone();
    let write = tokio::spawn(async move {
        writer.write(&text).await.unwrap();
        writer
    });
    let mut reader = FrameReader::new(pair.server.accept().await.unwrap());
    let got: String = soon("the frame", reader.read()).await.unwrap().unwrap();
    assert!(got == expected);
    drop(write.await.unwrap());
    drop((pair.agent, pair.server));
    soon("our end", pair.agent_run).await.unwrap().unwrap();
    soon("the peer's end", pair.server_run).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_message_channel_is_a_plain_byte_connection() {
    let (mut left, mut right) = channel();
    let sent: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let copy = sent.clone();
    let write = tokio::spawn(async move {
        left.write_all(&copy).await.unwrap();
        left.shutdown().await.unwrap();
    });
    let mut got = Vec::new();
    soon("the bytes", right.read_to_end(&mut got)).await.unwrap();
    write.await.unwrap();
    assert!(got == sent);
}

fn assert_send<T: Send>(_: &T) {}

#[test]
fn a_boxed_connection_can_be_driven_on_any_thread() {
    let io: BoxedIo = Box::new(duplex(1).0);
    let (handle, driver): (LinkHandle, LinkDriver<BoxedIo>) = Link::new(io, Side::Server);
    assert_send(&handle);
    assert_send(&driver.run());
}
