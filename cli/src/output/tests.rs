use super::{Table, ago, cut, width};

#[test]
fn columns_are_aligned_also_with_colours() {
    let mut table = Table::new(&["A", "B", "C"]);
    table.row(vec!["\x1b[32mlonger\x1b[0m".into(), "x".into(), "".into()]);
    table.row(vec!["é".into(), "yy".into(), "z".into()]);
    assert_eq!(table.render(), "A       B   C\n\x1b[32mlonger\x1b[0m  x\né       yy  z\n");
    assert_eq!(width("\x1b[1;31mab\x1b[0m"), 2);
}

#[test]
fn texts_are_cut_to_one_line() {
    assert_eq!(cut("short", 10), "short");
    assert_eq!(cut("a\nb", 10), "a b");
    assert_eq!(cut("abcdef", 4), "abc…");
}

#[test]
fn ages_are_one_number_and_a_word() {
    let now = 1_000_000_000;
    for (seconds, text) in
        [(0, "0 seconds"), (1, "1 second"), (119, "1 minute"), (7200, "2 hours"), (200_000, "2 days")]
    {
        assert_eq!(ago(now, Some(now - seconds * 1000)), text);
    }
    assert_eq!(ago(now, Some(now + 5000)), "0 seconds", "clocks differ");
    assert_eq!(ago(now, None), "-");
}
