use proptest::prelude::*;

use super::*;

fn dot(text: &str) -> Result<String, String> {
    let given = BTreeMap::from([("HOST".to_owned(), "h".to_owned())]);
    match read_dotenv(&SourceFile::new(".env", text), &given) {
        Ok(map) => Ok(map.iter().map(|(k, v)| format!("{k}={v:?}")).collect::<Vec<_>>().join(" ")),
        Err(errors) => Err(errors.to_string()),
    }
}

#[test]
fn dotenv_lines_read_as_docker_reads_them() {
    for (text, out) in [
        ("A=1\n# c\n\nexport B = 2\r\n", r#"A="1" B="2""#),
        ("A=x # c\nB=x#c\nC=#c\n", r#"A="x" B="x#c" C="""#),
        ("A='$HOST \\n'\nB=\"$HOST \\n \\\" \\$x\"\nC=$HOST\n", r#"A="$HOST \\n" B="h \n \" $x" C="h""#),
        ("A=1\nB=${A}2\nC=${NO:-d}\n", r#"A="1" B="12" C="d""#),
        ("K=\"l1\nl2\"\nL=3", r#"K="l1\nl2" L="3""#),
        ("ONLY\nA=", r#"A="""#),
        ("\u{feff}A=1", r#"A="1""#),
    ] {
        assert_eq!(dot(text), Ok(out.to_owned()), "{text}");
    }
}

#[test]
fn dotenv_faults_name_the_line_and_never_the_value() {
    let error = dot("A=1\nb c=2\n=x\nP=\"hunter2\nQ=2").unwrap_err();
    assert_eq!(
        error.lines().filter(|line| !line.starts_with("  hint")).collect::<Vec<_>>(),
        [
            ".env:2:1: the line does not begin with the name of a variable",
            ".env:3:1: the line does not begin with the name of a variable",
            ".env:4:1: the value of `P` opens a quote that is never closed",
        ]
    );
    assert!(dot("A=\"x\" y").unwrap_err().contains("text follows the quoted value of `A`"));
}

#[test]
fn variable_files_of_the_old_cli() {
    let read = |name: &str, text: &str| read_variables(&SourceFile::new(name, text));
    assert_eq!(
        read("answers.yml", "a: 1\nb: true\nc: x\nd:\n").unwrap(),
        BTreeMap::from([("a", "1"), ("b", "true"), ("c", "x"), ("d", "")].map(|(k, v)| (k.into(), v.into())))
    );
    assert_eq!(read("a.json", "{\"a\": 1.5}").unwrap()["a"], "1.5");
    assert_eq!(
        read("answers.txt", "A=\"q\"\nB\n#C=1\n").unwrap(),
        BTreeMap::from([("A", "\"q\""), ("B", ""), ("#C", "1")].map(|(k, v)| (k.into(), v.into())))
    );
    let error = read("a.yml", "a: [1]\nb: {c: 1}\n").unwrap_err().to_string();
    assert!(error.contains("a.yml:1:4: a:") && error.contains("a.yml:2:4: b:"), "{error}");
}

proptest! {
    #![proptest_config(crate::same_cases())]

    #[test]
    fn any_text_is_taken_without_panic(text in "[A-C='\"$\\\\# \n{}:-]{0,60}") {
        let _ = (dot(&text), read_variables(&SourceFile::new("x", &text)), read_variables(&SourceFile::new("x.yml", &text)));
    }
}
