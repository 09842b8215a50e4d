use super::{Counts, read_summary};

fn counts(passed: u64, failed: u64, skipped: u64) -> Option<Counts> {
    Some(Counts { passed, failed, skipped })
}

#[test]
fn reads_the_closing_line_of_the_test_runner() {
    let table = [
        ("     Summary [  15.032s] 10 tests run: 10 passed, 0 skipped", counts(10, 0, 0)),
        ("     Summary [   1.000s] 1 test run: 1 passed (1 slow), 11 skipped", counts(1, 0, 11)),
        ("     Summary [   9.184s] 9 tests run: 7 passed, 1 failed, 1 timed out, 0 skipped", counts(7, 2, 0)),
        ("     Summary [   9.184s] 4/10 tests run: 3 passed, 1 failed, 0 skipped", counts(3, 7, 0)),
        ("        PASS [   0.008s] ( 1/10) testkit::it images::builds_an_image_once", None),
    ];
    for (line, expected) in table {
        assert_eq!(read_summary(line), expected, "{line}");
    }
}
