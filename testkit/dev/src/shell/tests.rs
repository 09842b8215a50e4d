use super::*;

fn shell() -> Shell {
    let environment = BTreeMap::from([("GREETING".to_owned(), "hello world".to_owned())]);
    Shell { hostname: "web-1".into(), environment, size: (80, 24), last: 0 }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn lines_are_answered() {
    let mut shell = shell();
    for (line, out, err, code) in [
        ("echo 'a  b' \"c\"", "a  b c\n", "", 0),
        ("echo out; echo err >&2", "out\n", "err\n", 0),
        ("echo $GREETING-${GREETING}!", "hello world-hello world!\n", "", 0),
        ("hostname; pwd", "web-1\n/\n", "", 0),
        ("nonsense", "", "sh: nonsense: not found\n", 127),
        ("echo $?", "127\n", "", 0),
        ("echo a$((1+1))b", "a2b\n", "", 0),
        ("stty size", "24 80\n", "", 0),
        ("false", "", "", 1),
        ("", "", "", 1),
    ] {
        let answer = shell.run(line);
        assert_eq!((&*answer.out, &*answer.err, answer.code), (out, err, code), "{line}");
        assert!(!answer.ends, "{line}");
    }
    let answer = shell.run("echo bye; exit 7; echo never");
    assert_eq!((&*answer.out, answer.code, answer.ends), ("bye\n", 7, true));
}

#[test]
fn exec_finds_programs_or_says_that_there_are_none() {
    let mut shell = shell();
    assert_eq!(shell.start(&words("bash")), Start::Shell);
    let Start::Run(answer) = shell.start(&["sh".into(), "-c".into(), "sleep 0.5; exit 3".into()]) else {
        panic!("a script runs")
    };
    assert_eq!((answer.code, answer.takes), (3, Duration::from_millis(500)));
    assert!(matches!(shell.start(&words("cat")), Start::Run(Answer { echoes: true, .. })));
    assert_eq!(shell.start(&words("/no/such/program")), Start::Missing);
    assert_eq!(shell.start(&[]), Start::Missing);
}
