use proptest::prelude::*;

use super::*;

#[test]
fn the_nearest_word_is_proposed() {
    let known = ["ports", "image", "environment", "network_mode"];
    for (word, near) in [
        ("prots", Some("ports")),
        ("Image", Some("image")),
        ("enviroment", Some("environment")),
        ("network-mode", Some("network_mode")),
        ("zzz", None),
        ("z", None),
    ] {
        assert_eq!(nearest(word, known), near, "{word}");
    }
    assert_eq!(did_you_mean("port", &known), "did you mean `ports`?");
    assert_eq!(did_you_mean("zzz", &["a", "b"]), "use one of `a`, `b`");
}

#[test]
fn commands_split_as_in_a_shell() {
    for (text, words) in [
        ("a b  c", Ok(vec!["a", "b", "c"])),
        ("sh -c 'echo \"hi\" > x'", Ok(vec!["sh", "-c", "echo \"hi\" > x"])),
        ("a \"b \\\" \\n c\" ''", Ok(vec!["a", "b \" \\n c", ""])),
        ("a\\ b", Ok(vec!["a b"])),
        ("--x='y z'w", Ok(vec!["--x=y zw"])),
        ("", Ok(vec![])),
        ("a 'b", Err(SplitError::Quote('\''))),
        ("a \"b", Err(SplitError::Quote('"'))),
        ("a\\", Err(SplitError::Backslash)),
    ] {
        let words = words.map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(split(text), words, "{text}");
    }
}

#[test]
fn sizes_and_times_read_with_units() {
    for (text, value) in [
        ("1024", Some(1024)),
        ("1k", Some(1024)),
        ("64M", Some(64 << 20)),
        ("1.5g", Some(3 << 29)),
        ("2 gb", Some(2 << 30)),
        ("1GiB", Some(1 << 30)),
        ("10b", Some(10)),
        ("1.5", None),
        ("m", None),
        ("1x", None),
        ("-1", None),
        ("", None),
        ("9999999999p", None),
    ] {
        assert_eq!(bytes(text), value, "{text}");
    }
    for (text, value) in [
        ("10s", Some(10_000)),
        ("1m30s", Some(90_000)),
        ("1h", Some(3_600_000)),
        ("500ms", Some(500)),
        ("1.5s", Some(1500)),
        ("100us", Some(1)),
        ("0", Some(0)),
        ("10", None),
        ("s", None),
        ("10q", None),
        ("", None),
    ] {
        assert_eq!(duration(text).map(|d| d.0), value, "{text}");
    }
}

proptest! {
    #![proptest_config(crate::same_cases())]

    #[test]
    fn any_text_is_taken_without_panic(text in ".{0,40}") {
        let _ = (split(&text), bytes(&text), duration(&text), nearest(&text, ["ports"]));
    }

    #[test]
    fn times_written_read_the_same(ms in 0_i64..10_000_000) {
        prop_assert_eq!(duration(&write_duration(Duration::millis(ms))), Some(Duration::millis(ms)));
    }
}
