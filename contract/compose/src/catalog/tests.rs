use super::*;

fn read(text: &str) -> Result<Option<CatalogEntry>, String> {
    read_catalog(&SourceFile::new("rancher-compose.yml", text)).map_err(|errors| errors.to_string())
}

const SECTION: &str = "
  name: Shop
  version: v1.2
  minimum_rancher_version: v1.5.0
  upgrade_from: '>=v1.0.0'
  labels: {io.rancher.certified: partner}
  other: 1
  questions:
  - variable: PORT
    type: int
    default: 8080
    min: 1
    max: 65535
    required: yes
  - {variable: TLS, type: boolean, default: true}
  - {variable: SIZE, type: enum, options: [1, big], default: big}
  - {variable: NAME, min_length: 2, max_length: 4, valid_chars: abc, invalid_chars: c}
";

#[test]
fn the_section_stands_in_three_places() {
    let below: String = SECTION.lines().map(|line| format!("  {line}\n")).collect();
    for text in [
        format!(".catalog:{SECTION}web: {{scale: 2}}\n"),
        format!("version: '2'\ncatalog:{SECTION}services: {{web: {{scale: 2}}}}\n"),
        format!("version: '2'\nservices:\n  .catalog:{below}  web: {{scale: 2}}\n"),
    ] {
        let entry = read(&text).unwrap().unwrap();
        assert_eq!((entry.name.as_str(), entry.version.as_str()), ("Shop", "v1.2"), "{text}");
        assert_eq!(entry.minimum_rancher_version, "v1.5.0");
        assert_eq!(entry.upgrade_from, ">=v1.0.0");
        assert_eq!(entry.labels["io.rancher.certified"], "partner");
        let answers = entry.default_answers();
        let answers: Vec<_> = answers.iter().map(|(name, answer)| format!("{name}={answer}")).collect();
        assert_eq!(answers, ["NAME=", "PORT=8080", "SIZE=big", "TLS=true"]);
        assert_eq!(entry.questions[2].options, ["1", "big"]);
    }
    assert_eq!(read("web: {scale: 2}\n"), Ok(None));
    assert_eq!(read(""), Ok(None));
}

#[test]
fn answers_are_checked() {
    let entry = read(&format!(".catalog:{SECTION}")).unwrap().unwrap();
    for (index, answer, want) in [
        (0, "80", ""),
        (0, "", "an answer is needed"),
        (0, "x", "it must be a whole number"),
        (0, "0", "it must be at least 1"),
        (0, "70000", "it may be at most 65535"),
        (1, "yes", "it must be `true` or `false`"),
        (1, "", ""),
        (2, "small", "use one of `1`, `big`"),
        (3, "ab", ""),
        (3, "a", "it needs at least 2 characters"),
        (3, "aaaaa", "it may have at most 4 characters"),
        (3, "ad", "it may not hold `d`"),
        (3, "ac", "it may not hold `c`"),
    ] {
        let said = entry.questions[index].check(answer).err().unwrap_or_default();
        assert_eq!(said, want, "{index} {answer}");
    }
}

#[test]
fn what_is_wrong_has_a_place() {
    let said = read(".catalog:\n  name: [a]\n  questions:\n  - {label: x}\n  - {variable: A, type: strng}\n")
        .unwrap_err();
    assert!(said.contains("rancher-compose.yml:2:9: .catalog.name: a text is expected here"), "{said}");
    assert!(
        said.contains("rancher-compose.yml:4:5: .catalog.questions[0]: the question has no `variable`"),
        "{said}"
    );
    assert!(said.contains("`strng` is no type of a question\n  hint: did you mean `string`?"), "{said}");
}
