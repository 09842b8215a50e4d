//! Peers that speak nonsense: they end their own connection and nothing else.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Frames of the multiplexer with fields of any value, and now and then bytes that are none.
fn nonsense() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop_oneof![Just(0_u32), Just(1), Just(2), Just(u32::MAX), Just(256 * 1024), any::<u32>()];
    let frame = (
        prop_oneof![9 => Just(0_u8), 1 => any::<u8>()],
        prop_oneof![9 => 0..4_u8, 1 => any::<u8>()],
        prop_oneof![Just(0_u16), Just(1), Just(2), Just(4), Just(8), any::<u16>()],
        odd.clone(),
        odd,
        proptest::collection::vec(any::<u8>(), 0..40),
    );
    let frame = frame.prop_map(|(version, kind, flags, stream, length, mut body)| {
        // Half of the time the length is the true one, so that what follows is read as frames again.
        let length = if length % 2 == 0 { u32::try_from(body.len()).unwrap() } else { length };
        let mut bytes = vec![version, kind];
        bytes.extend(flags.to_be_bytes());
        bytes.extend(stream.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        if kind == 0 {
            bytes.append(&mut body);
        }
        bytes
    });
    proptest::collection::vec(frame, 0..12).prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_reader_takes_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400), limit in 0..64_usize) {
        block_on(async {
            let mut reader = FrameReader::with_limit(&bytes[..], limit);
            while let Ok(Some(payload)) = reader.read_payload().await {
                prop_assert!(payload.len() <= limit);
            }
            let mut reader = FrameReader::with_limit(&bytes[..], limit);
            loop {
                match reader.read_stream_frame().await {
                    Ok(None) => break,
                    Err(error) if !error.is_recoverable() => break,
                    Ok(Some(_)) | Err(_) => {}
                }
            }
            Ok(())
        })?;
        let _ = message_type(&bytes);
    }

    #[test]
    fn nonsense_ends_the_link_and_no_more(bytes in nonsense(), is_agent: bool) {
        block_on(async {
            let (near, far) = duplex(64 * 1024);
            let side = if is_agent { Side::Agent } else { Side::Server };
            let (handle, driver) = Link::new(near, side);
            let (mut back, mut forth) = tokio::io::split(far);
            let speak = async {
                forth.write_all(&bytes).await.unwrap_or(());
                let _ = forth.shutdown().await;
                // Whatever it answers is read, so that it never waits for us.
                let _ = back.read_to_end(&mut Vec::new()).await;
            };
            let take = async {
                while let Ok(mut stream) = handle.accept().await {
                    let mut piece = [0; 64];
                    let _ = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut piece)).await;
                }
            };
            let all = async { tokio::join!(driver.run(), speak, take) };
            let ended = tokio::time::timeout(Duration::from_secs(20), all).await;
            prop_assert!(ended.is_ok(), "it does not end");
            Ok(())
        })?;
    }
}
