use super::*;

fn journal(rate: f64) -> Journal {
    let behaviour =
        Behaviour { lines_per_second: rate, line: Some("line {n}".into()), ..Behaviour::default() };
    Journal::new("web-1", behaviour)
}

/// All that a reader gets at a time.
fn read(journal: &Journal, tail: Option<u64>, since: Option<i64>, now: i64) -> Vec<String> {
    let mut place = journal.begin(tail, since.map(Timestamp), Timestamp(now));
    journal.read(&mut place, false, Timestamp(now)).text.lines().map(str::to_owned).collect()
}

#[test]
fn runs_write_from_their_start_to_their_end() {
    let mut journal = journal(1.0);
    assert!(read(&journal, None, None, 0).is_empty());
    journal.started(Timestamp(1000));
    journal.ended(Timestamp(3500), 7);
    let first = ["web-1 starts", "line 1", "line 2", "web-1 ends with code 7"];
    assert_eq!(read(&journal, None, None, 9000), first);
    journal.started(Timestamp(10_000));
    let both = [&first[..], &["web-1 starts", "line 1"]].concat();
    assert_eq!(read(&journal, None, None, 11_500), both);
    for tail in 0..=7 {
        let expected = &both[both.len().saturating_sub(tail)..];
        assert_eq!(read(&journal, Some(tail as u64), None, 11_500), expected, "the last {tail}");
    }
    assert_eq!(read(&journal, None, Some(3000), 11_500), both[2..]);
    assert_eq!(read(&journal, None, Some(3100), 11_500), both[3..]);
    assert_eq!(read(&journal, None, Some(10_500), 11_500), both[5..]);
    assert_eq!(read(&journal, Some(1), Some(0), 11_500), both[5..]);
    assert!(read(&journal, None, Some(11_100), 11_500).is_empty());
}

#[test]
fn a_reader_who_follows_misses_nothing_and_gets_nothing_twice() {
    let mut journal = journal(10.0);
    journal.started(Timestamp(0));
    let mut place = journal.begin(Some(0), None, Timestamp(250));
    let mut text = String::new();
    for step in 0..50 {
        let now = 250 + step * 37;
        if step == 20 {
            journal.ended(Timestamp(now - 5), 0);
            journal.started(Timestamp(now - 2));
        }
        let piece = journal.read(&mut place, false, Timestamp(now));
        text.push_str(&piece.text);
        assert!(piece.due.is_some_and(|due| due > Timestamp(now)), "{piece:?}");
    }
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.iter().position(|line| line.contains("ends")).unwrap();
    let numbers = |lines: &[&str]| -> Vec<u64> {
        lines.iter().map(|line| line.strip_prefix("line ").unwrap().parse().unwrap()).collect()
    };
    assert_eq!(numbers(&lines[..end]), (3..=9).collect::<Vec<_>>());
    assert_eq!(lines[end + 1], "web-1 starts");
    assert_eq!(numbers(&lines[end + 2..]), (1..=10).collect::<Vec<_>>());
}

#[test]
fn what_is_read_is_bounded() {
    let mut journal = journal(1000.0);
    for run in 0..30 {
        journal.started(Timestamp(run * 1_000_000));
        journal.ended(Timestamp(run * 1_000_000 + 900_000), 0);
    }
    let now = Timestamp(30_000_000);
    let mut place = journal.begin(None, None, now);
    let mut lines = 0;
    loop {
        let piece = journal.read(&mut place, false, now);
        assert!(piece.text.len() < PIECE + 100);
        lines += piece.text.lines().count();
        if piece.due.is_none() {
            break;
        }
    }
    assert_eq!(lines, 10_000);
}

#[test]
fn lines_bear_their_time() {
    let mut journal = journal(0.0);
    journal.started(Timestamp(1_700_000_000_123));
    let mut place = Place::default();
    let piece = journal.read(&mut place, true, Timestamp(1_700_000_009_000));
    assert_eq!(piece, Piece { text: "2023-11-14T22:13:20.123000000Z web-1 starts\n".into(), due: None });
}
