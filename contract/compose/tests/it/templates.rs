//! Compose files that are templates of catalog entries.

use contract_compose::{ComposeInput, Release, SourceFile, StackPlan, Templating, load};

fn read(text: &str, variables: &[(&str, &str)], templating: Templating) -> Result<StackPlan, String> {
    let input = ComposeInput {
        files: vec![SourceFile::new("docker-compose.yml", text)],
        variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        stack_name: "demo".into(),
        templating,
        release: Release {
            version: "v2".into(),
            previous_version: "v1".into(),
            environment: "Default".into(),
        },
        ..ComposeInput::default()
    };
    load(&input).map_err(|errors| errors.to_string())
}

const ENTRY: &str = r#"version: '2'
services:
  web:
    image: nginx:{{ .Values.TAG }}
    {{- if eq .Values.PUBLIC "true" }}
    ports:
    - "${PORT}:80"
    {{- end }}
    environment:
      STACK: {{ .Stack.Name }} {{ .Release.Version }} {{ .Release.PreviousVersion }} {{ .Environment.Name }}
    command:
    {{- range $i, $word := splitPreserveQuotes .Values.FLAGS }}
    - {{ $word }}
    {{- end }}
  {{- range $n := atoi .Values.WORKERS | until }}
  worker{{ $n }}:
    image: worker
  {{- end }}
"#;

#[test]
fn entries_are_filled_in_before_anything_else() {
    let plan = read(
        ENTRY,
        &[("TAG", "1"), ("PUBLIC", "true"), ("PORT", "8080"), ("FLAGS", "--a 'b c'"), ("WORKERS", "2")],
        Templating::Auto,
    )
    .unwrap();
    let web = &plan.services[0].launch_config;
    assert_eq!(web.image(), Some("nginx:1"));
    assert_eq!(web.ports.iter().map(ToString::to_string).collect::<Vec<_>>(), ["8080:80/tcp"]);
    assert_eq!(web.command.as_deref(), Some(&["--a".to_owned(), "b c".to_owned()][..]));
    assert_eq!(web.environment["STACK"], "demo v2 v1 Default");
    let names: Vec<_> = plan.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["web", "worker0", "worker1"]);
}

#[test]
fn faults_name_the_lines_of_the_template() {
    let said = read(ENTRY, &[("TAG", "a b"), ("WORKERS", "1")], Templating::Auto).unwrap_err();
    assert!(said.starts_with("docker-compose.yml:4:12: services.web.image: `nginx:a b` is not"), "{said}");
    let text = "services:\n{{- if .Values.NONE }}\n  a: {}\n{{- end }}\n  b:\n    image: x\n    prots: [1]\n";
    let said = read(text, &[], Templating::Auto).unwrap_err();
    assert!(said.starts_with("docker-compose.yml:7:5: services.b.prots: unknown key `prots`"), "{said}");
    let said = read("a:\n  image: {{ .Values.A | uper }}\n", &[], Templating::Auto).unwrap_err();
    assert!(said.starts_with("docker-compose.yml:2:25: there is no function `uper`"), "{said}");
}

#[test]
fn other_braces_stay() {
    let text = "services:\n  a:\n    image: x\n    hostname: '{{.Node.Hostname}}'\n";
    let plan = read(text, &[], Templating::Auto).unwrap();
    assert_eq!(plan.services[0].launch_config.hostname.as_deref(), Some("{{.Node.Hostname}}"));
    let said = read(text, &[], Templating::Always).unwrap_err();
    assert!(said.contains("there is no field `.Node`"), "{said}");
    let text = "# notemplating\nservices: {a: {image: x, hostname: '{{ .Values.A }}'}}\n";
    for templating in [Templating::Auto, Templating::Always, Templating::Never] {
        let plan = read(text, &[("A", "b")], templating).unwrap();
        assert_eq!(plan.services[0].launch_config.hostname.as_deref(), Some("{{ .Values.A }}"));
    }
}
