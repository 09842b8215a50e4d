use super::{Outcome, Verdict, median, spread};

#[test]
fn takes_the_middle() {
    assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    assert!(median(&[]).is_nan());
    assert!((spread(&[9.0, 10.0, 11.0]) - 0.2).abs() < 1e-9);
}

#[test]
fn judges_pairs_not_means() {
    // One slow moment of the machine slows both of a pair and changes no ratio.
    let verdict = |ours: &[f64], peer: &[f64]| Verdict::ratio("x", ours, peer, 1.05).result;
    assert_eq!(verdict(&[1.04, 1.24, 1.04], &[1.0, 1.2, 1.0]), Outcome::Reached);
    assert_eq!(verdict(&[1.1, 1.1, 1.1], &[1.0, 1.0, 1.0]), Outcome::Missed);
    assert_eq!(verdict(&[1.0, 1.0, 1.0], &[1.0, 1.0, 1.3]), Outcome::NotJudged);
}
