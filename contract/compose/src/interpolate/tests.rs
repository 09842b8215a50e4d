use proptest::prelude::*;

use super::*;

fn get(name: &str) -> Option<&'static str> {
    match name {
        "A" => Some("one"),
        "B_2" => Some("two"),
        "EMPTY" => Some(""),
        "DOLLAR" => Some("$A"),
        _ => None,
    }
}

fn run(text: &str) -> Result<(String, Vec<String>), Fault> {
    let mut unset = Vec::new();
    let out = expand(text, &get, &mut |name| unset.push(name.to_owned()), false)?;
    Ok((out, unset))
}

#[test]
fn every_operator_of_the_specification() {
    for (text, out) in [
        ("plain", "plain"),
        ("$A-$B_2.", "one-two."),
        ("${A}x", "onex"),
        ("$$A $$ $${A}", "$A $ ${A}"),
        ("${A:-d}", "one"),
        ("${A-d}", "one"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NO:-d}", "d"),
        ("${NO-d}", "d"),
        ("${NO:-}", ""),
        ("${A:+v}", "v"),
        ("${A+v}", "v"),
        ("${EMPTY:+v}", ""),
        ("${EMPTY+v}", "v"),
        ("${NO:+v}", ""),
        ("${NO+v}", ""),
        ("${A:?m}", "one"),
        ("${EMPTY?m}", ""),
        ("${NO:-${NO:-${A}}}", "one"),
        ("${NO:-a}b}", "ab}"),
        ("${NO:-http://x:80/?q=-}", "http://x:80/?q=-"),
        ("${NO:-$$x}", "$x"),
        ("${NO:-{}}", "{}"),
        ("${DOLLAR}", "$A"),
        ("ü${A}ü", "üoneü"),
    ] {
        assert_eq!(run(text).map(|(out, _)| out), Ok(out.to_owned()), "{text}");
    }
}

#[test]
fn faults_name_the_piece() {
    let form = |piece: &str| Err(Fault::Form(piece.to_owned()));
    for (text, fault) in [
        ("$", Err(Fault::Dollar)),
        ("a $ b", Err(Fault::Dollar)),
        ("pass$1word", Err(Fault::Dollar)),
        ("${", Err(Fault::Open)),
        ("${A", Err(Fault::Open)),
        ("${}", form("")),
        ("${1}", form("")),
        ("${A!x}", form("A")),
        ("${A:}", form("A")),
        ("${A:x}", form("A")),
        ("${NO:?no password}", Err(Fault::Required("NO".into(), "no password".into()))),
        ("${EMPTY:?}", Err(Fault::Required("EMPTY".into(), String::new()))),
        ("${NO?m}", Err(Fault::Required("NO".into(), "m".into()))),
    ] {
        assert_eq!(run(text).map(|_| ()), fault.map(|_: ()| ()), "{text}");
    }
    let deep = format!("{}x{}", "${NO:-".repeat(40), "}".repeat(40));
    assert_eq!(run(&deep).unwrap_err(), Fault::Depth);
}

#[test]
fn unset_variables_are_heard_of() {
    assert_eq!(run("$X${Y}${Z:-1}").unwrap(), ("1".to_owned(), vec!["X".to_owned(), "Y".to_owned()]));
}

#[test]
fn today_a_stray_dollar_stays() {
    for (text, out) in
        [("$", "$"), ("a$ b", "a$ b"), ("pa$5$$x${NO:-$}", "pa$5$x$"), ("$(date) $A", "$(date) one")]
    {
        let mut stray = 0;
        let mut unset = |name: &str| stray += usize::from(name.is_empty());
        assert_eq!(expand(text, &get, &mut unset, true).as_deref(), Ok(out), "{text}");
        assert!(stray > 0, "{text}");
        assert_eq!(run(text), Err(Fault::Dollar), "{text}");
    }
    assert_eq!(expand("${A", &get, &mut |_| {}, true), Err(Fault::Open));
}

proptest! {
    #![proptest_config(crate::same_cases())]

    #[test]
    fn any_text_is_taken_without_panic(text in "[$a-zA-Z{}:?+ü-]{0,40}") {
        let _ = run(&text);
    }

    #[test]
    fn an_escaped_text_comes_back(text in ".{0,40}") {
        prop_assert_eq!(run(&text.replace('$', "$$")).unwrap().0, text);
    }
}
