use contract_client::{LogLine, LogSource};

use super::{Stamped, parse_since};

#[test]
fn times_are_read_as_people_write_them() {
    // 2026-01-31T12:00:00Z
    let now = 1_769_860_800_000;
    for (text, expected) in [
        ("90s", "2026-01-31T11:58:30Z"),
        ("10m", "2026-01-31T11:50:00Z"),
        ("1h30m", "2026-01-31T10:30:00Z"),
        ("2d", "2026-01-29T12:00:00Z"),
        ("2026-01-30T00:00:00Z", "2026-01-30T00:00:00Z"),
    ] {
        assert_eq!(parse_since(text, now).unwrap(), expected, "{text}");
    }
    for wrong in ["", "10", "m", "yesterday", "10w", "99999999999999999999s", "-5m"] {
        assert_eq!(parse_since(wrong, now).unwrap_err().code, 2, "{wrong}");
    }
}

#[test]
fn the_time_of_a_line_is_taken_apart() {
    let stamped = |text: &str| {
        let line = Stamped::of(LogLine { source: LogSource::Output, text: text.to_owned() });
        (line.time, line.text)
    };
    let time = "2026-01-31T12:00:00.000000001Z";
    assert_eq!(stamped(&format!("{time} a b")), (time.to_owned(), "a b".to_owned()));
    assert_eq!(stamped(time), (time.to_owned(), String::new()));
    assert_eq!(stamped("no time here"), (String::new(), "no time here".to_owned()));
    assert_eq!(
        stamped("ünïcödé text that is long enough Z"),
        (String::new(), "ünïcödé text that is long enough Z".to_owned())
    );
}
