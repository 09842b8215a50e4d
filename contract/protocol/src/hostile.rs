//! Samples of every message as they were once sent, and what a broken or hostile peer makes of them.

use std::collections::BTreeSet;
use std::fmt::Debug;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

const TO_HOST: &str = include_str!("samples/to_host.jsonl");
const FROM_HOST: &str = include_str!("samples/from_host.jsonl");
const REQUESTS: &str = include_str!("samples/stream_request.jsonl");

/// Reads every sample, and gives the words by which they are told apart.
fn read_all<M: DeserializeOwned + Serialize + PartialEq + Debug>(
    samples: &str,
    tag: &str,
    unknown: &M,
) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for line in samples.lines() {
        let message: M = decode_frame(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error:?}"));
        assert_ne!(&message, unknown, "{line}");
        let bytes = encode_frame(&message).unwrap();
        assert_eq!(decode_frame::<M>(&bytes[4..]).unwrap(), message);
        // Nothing of a sample is lost on the way through this version.
        let sent: serde_json::Value = serde_json::from_str(line).unwrap();
        let again: serde_json::Value = serde_json::from_slice(&bytes[4..]).unwrap();
        assert_holds(&again, &sent, "");
        seen.insert(sent[tag].as_str().unwrap().to_owned());
    }
    seen
}

/// Fails if something of `part` is not in `whole`.
fn assert_holds(whole: &serde_json::Value, part: &serde_json::Value, place: &str) {
    match (whole, part) {
        (serde_json::Value::Object(whole), serde_json::Value::Object(part)) => {
            for (name, value) in part {
                let found = whole.get(name).unwrap_or_else(|| panic!("{place}/{name} was lost"));
                assert_holds(found, value, &format!("{place}/{name}"));
            }
        }
        (serde_json::Value::Array(whole), serde_json::Value::Array(part)) => {
            assert_eq!(whole.len(), part.len(), "{place}");
            for (number, (found, value)) in whole.iter().zip(part).enumerate() {
                assert_holds(found, value, &format!("{place}/{number}"));
            }
        }
        _ => assert_eq!(whole, part, "{place}"),
    }
}

fn words(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|&word| word.to_owned()).collect()
}

/// A message without a sample fails here, and so does one that is no longer read.
#[test]
fn samples_of_every_message_are_read() {
    let to_host = ["welcome", "refused", "complete", "delta", "acknowledge", "heartbeat_seen"];
    assert_eq!(read_all(TO_HOST, "type", &ToHost::Unknown), words(&to_host));
    let from_host = ["hello", "applied", "resync", "report", "heartbeat", "not_understood"];
    assert_eq!(read_all(FROM_HOST, "type", &FromHost::Unknown), words(&from_host));
    let requests = [
        "logs",
        "exec",
        "stats",
        "host_stats",
        "inspect",
        "top",
        "path_stat",
        "copy_out",
        "copy_in",
        "build",
        "docker_socket",
    ];
    assert_eq!(read_all(REQUESTS, "what", &StreamRequest::Unknown), words(&requests));
}

#[test]
fn what_is_secret_is_never_printed() {
    let complete = TO_HOST.lines().find(|line| line.contains("\"complete\"")).unwrap();
    let sent = complete.replace("\"cw==\"", "\"c2VjcmV0\"").replace("\"p\"}", "\"pass-word\"}");
    let message: ToHost = decode_frame(sent.as_bytes()).unwrap();
    let text = format!("{message:?}");
    assert!(text.contains("/run/secrets/s") && !text.contains("c2VjcmV0") && !text.contains("pass-word"));
}

#[test]
fn a_change_of_a_newer_server_is_left_out() {
    let line = r#"{"type":"delta","from":{"epoch":1,"revision":1},"to":{"epoch":1,"revision":2},
        "changes":[{"what":"weather","sky":"blue"},{"what":"container","id":2,"to":null}]}"#;
    let ToHost::Delta { changes, .. } = decode_frame(line.as_bytes()).unwrap() else { panic!("no delta") };
    assert_eq!(changes[0], AssignmentChange::Unknown);
    let mut assignment = Assignment::default();
    assignment.apply(&changes);
    assert_eq!(assignment, Assignment::default());
}

/// A sample that was cut, bent or spliced.
fn bent(samples: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<&str> = samples.lines().collect();
    let odd = [
        "null",
        "-1",
        "0",
        "1e999",
        "18446744073709551616",
        "-9223372036854775809",
        "[]",
        "{}",
        "\"\"",
        "\"\\u0000\"",
        "true",
        "[[[[[[[[]]]]]]]]",
        "\"a\":",
        ",",
        "{\"what\":",
        "\"65536:65536/icmp\"",
        "\"::1\"",
        "\u{fffd}",
    ];
    let bend = (any::<Index>(), any::<Index>(), select(odd.to_vec()), 0..4_u8);
    (select(lines), proptest::collection::vec(bend, 0..5)).prop_map(|(line, bends)| {
        let mut bytes = line.as_bytes().to_vec();
        for (from, length, odd, how) in bends {
            if bytes.is_empty() {
                break;
            }
            let from = from.index(bytes.len());
            let length = length.index((bytes.len() - from).min(12) + 1);
            match how {
                0 => bytes.truncate(from),
                1 => drop(bytes.drain(from..from + length)),
                2 => drop(bytes.splice(from..from + length, odd.bytes())),
                // In place of the next whole value, so that what comes out is often JSON.
                _ => {
                    let begin = bytes[from..].iter().position(|&byte| byte == b':').map(|at| from + at + 1);
                    if let Some(begin) = begin {
                        let end = bytes[begin..].iter().position(|byte| b",}]".contains(byte));
                        let end = end.map_or(bytes.len(), |at| begin + at);
                        drop(bytes.splice(begin..end, odd.bytes()));
                    }
                }
            }
        }
        bytes
    })
}

/// What is read is a message like any other: it is written and read again as the same.
fn stable<M: DeserializeOwned + Serialize + PartialEq + Debug>(
    bytes: &[u8],
) -> Result<Option<M>, TestCaseError> {
    let Ok(message) = decode_frame::<M>(bytes) else { return Ok(None) };
    let again = encode_frame(&message).expect("what was read can be written");
    let second: M = decode_frame(&again[4..]).expect("what was written can be read");
    prop_assert_eq!(&second, &message);
    Ok(Some(message))
}

proptest! {
    #[test]
    fn bent_messages_of_a_server_end_nothing(bytes in bent(TO_HOST)) {
        if let Some(ToHost::Delta { changes, .. }) = stable::<ToHost>(&bytes)? {
            let mut assignment = Assignment::default();
            assignment.apply(&changes);
            let back = assignment.changes_to(&Assignment::default());
            let mut walked = assignment.clone();
            walked.apply(&back);
            prop_assert_eq!(walked, Assignment::default());
            let mut forth = Assignment::default();
            forth.apply(&Assignment::default().changes_to(&assignment));
            prop_assert_eq!(forth, assignment);
        }
    }

    #[test]
    fn bent_messages_of_a_host_end_nothing(bytes in bent(FROM_HOST)) {
        stable::<FromHost>(&bytes)?;
    }

    #[test]
    fn bent_requests_end_nothing(bytes in bent(REQUESTS)) {
        stable::<StreamRequest>(&bytes)?;
    }

    #[test]
    fn stream_frames_are_what_their_bytes_say(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Some(frame) = StreamFrame::from_bytes(&bytes) {
            prop_assert_eq!(StreamFrame::from_bytes(&frame.to_bytes()), Some(frame));
        }
    }
}
