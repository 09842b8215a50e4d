use serde_json::json;

use super::Template;

fn render(template: &str) -> Result<String, String> {
    let document = json!({
        "name": "web", "scale": 2, "done": false, "reason": null, "labels": {"tier": "a", "x-y": 1},
        "ports": ["80:80", "443:443"], "containers": [{"name": "one"}, {"name": "two"}],
    });
    Template::parse(template)?.render(&document).map_err(|error| error.what)
}

#[test]
fn templates_say_what_people_expect() {
    for (template, text) in [
        ("plain {{.name}}", "plain web"),
        ("{{ .Name }}\\t{{.SCALE}}", "web\t2"),
        ("{{.labels.tier}}{{.reason}}{{.reason.code}}", "a"),
        ("{{.ports}}", "[\"80:80\",\"443:443\"]"),
        ("{{json .labels}}", "{\"tier\":\"a\",\"x-y\":1}"),
        ("{{join .ports \", \"}}", "80:80, 443:443"),
        ("{{.ports | join \" \"}}", "80:80 443:443"),
        ("{{len .ports}}{{len .name}}", "23"),
        ("{{upper .name}}{{.name | upper | lower}}", "WEBweb"),
        ("{{index .ports 1}}{{index .labels \"x-y\"}}{{index .ports 9}}", "443:4431"),
        ("{{if .done}}yes{{else}}no{{end}}", "no"),
        ("{{if eq .name \"web\"}}it{{end}}{{if ne .scale 2}}no{{end}}", "it"),
        ("{{if .done}}a{{else if .ports}}b{{else}}c{{end}}", "b"),
        ("{{if and .name (not .done)}}both{{end}}{{or .reason .name}}", "bothweb"),
        ("{{range .containers}}[{{.name}} of {{$.name}}]{{end}}", "[one of web][two of web]"),
        ("{{range .reason}}x{{else}}none{{end}}", "none"),
        ("{{with .labels}}{{.tier}}{{end}}{{with .reason}}x{{else}}y{{end}}", "ay"),
        ("{{default \"-\" .reason}}{{.name | default `-`}}", "-web"),
        ("a {{- .name -}} b{{/* nothing */}}", "awebb"),
    ] {
        assert_eq!(render(template).as_deref(), Ok(text), "{template}");
    }
}

#[test]
fn mistakes_are_told() {
    for (template, what) in [
        ("{{.name", "has no `}}`"),
        ("{{if .name}}x", "`{{end}}` is missing"),
        ("{{end}}", "too many"),
        ("{{nope .name}}", "there is no function `nope`"),
        ("{{.nope}}", "there is no field `nope`, only name,"),
        ("{{.name.first}}", "has no field `first`"),
        ("{{len}}", "takes 1 arguments"),
        ("{{range .name}}{{end}}", "is no list"),
        ("{{}}", "is empty"),
        ("{{(.name}}", "lacks a `)`"),
        ("{{.name)}}", "too many"),
        ("{{index .name 1}}", "`index` takes"),
        ("{{\"open}}", "has no end"),
    ] {
        let error = render(template).unwrap_err();
        assert!(error.contains(what), "{template}: {error}");
    }
}
