use proptest::prelude::*;

use super::*;

fn data() -> TemplateData {
    let values = [
        ("NAME", "web"),
        ("ON", "true"),
        ("OFF", "false"),
        ("N", "3"),
        ("LIST", "a 'b c' --x=\"y z\""),
        ("E", ""),
    ];
    TemplateData {
        values: values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        stack: "demo".into(),
        version: "v1.2.0".into(),
        previous_version: String::new(),
        environment: "Default".into(),
    }
}

#[track_caller]
fn check(template: &str, want: &str) {
    match render_template(&SourceFile::new("t", template), &data()) {
        Ok(text) => assert_eq!(text, want, "{template}"),
        Err(errors) => panic!("{template}: {errors}"),
    }
}

#[track_caller]
fn check_all(cases: &[(&str, &str)]) {
    for (template, want) in cases {
        check(template, want);
    }
}

#[track_caller]
fn refuse(template: &str, want: &str) {
    let errors = render_template(&SourceFile::new("t", template), &data()).unwrap_err().to_string();
    assert!(errors.contains(want), "{template}\n{errors}");
}

#[test]
fn values_and_blanks() {
    check_all(&[
        ("", ""),
        ("a\n", "a\n"),
        ("{{ .Values.NAME }}-{{.Values.NONE}}-", "web--"),
        (
            "{{.Stack.Name}} {{ .Release.Version }} {{.Stack.PreviousVersion}}{{ .Environment.Name }}",
            "demo v1.2.0 Default",
        ),
        ("a  {{- .Values.N -}}  b", "a3b"),
        ("a\n  {{- /* note */}}\nb{{/* x */ -}}  c", "a\nbc"),
        ("{{-3}}", "-3"),
        ("{{ \"a\\n\\\"b\\u00e4\" }}{{ `\\n` }}{{ 'x' }}", "a\n\"bä\\n120"),
        ("{{\"{{.Name}}\"}}", "{{.Name}}"),
        ("{{ true }} {{ 1.5 }} {{ 0x10 }} {{ 1e30 }} {{ 2.0 }}", "true 1.5 16 1e+30 2"),
        ("{{ .Values.NAME | upper | printf \"%s-%d\" | len }}", "16"),
        ("{{ (printf \"%s\" .Values.NAME) }}{{ (dict \"a\" (dict \"b\" 1)).a.b }}", "web1"),
    ]);
}

#[test]
fn blocks() {
    check_all(&[
        ("{{ if eq .Values.ON \"true\" }}y{{ else }}n{{ end }}", "y"),
        ("{{ if eq .Values.OFF \"true\" }}y{{ else if .Values.E }}e{{ else }}n{{ end }}", "n"),
        ("{{- if and (ne .Values.N \"1\") (ne .Values.N \"2\") }}x{{ end -}}", "x"),
        ("{{ if not (or .Values.E .Values.NAME) }}x{{ end }}", ""),
        ("{{ with .Values.NAME }}{{ . }}{{ end }}{{ with .Values.E }}x{{ else }}-{{ end }}", "web-"),
        ("{{ range $i, $e := atoi .Values.N | until }}{{ $i }}{{ $e }},{{ end }}", "00,11,22,"),
        ("{{ range $e := splitPreserveQuotes .Values.LIST }}[{{ $e }}]{{ end }}", "[a]['b c'][--x=\"y z\"]"),
        ("{{ range list }}x{{ else }}none{{ end }}", "none"),
        ("{{ range $k, $v := .Values }}{{ $k }} {{ end }}", "E LIST N NAME OFF ON "),
        (
            "{{ range until 9 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ if eq . 4 }}{{ break }}{{ end }}{{ . }}{{ end }}",
            "013",
        ),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $y := 3 }}{{ end }}{{ $x }}", "2"),
        ("{{ $image := \"a:1\" }}i: {{$image}}", "i: a:1"),
        (
            "{{ define \"t\" }}<{{ . }}>{{ end }}{{ template \"t\" .Values.NAME }}{{ block \"b\" 1 }}b{{ . }}{{ end }}",
            "<web>b1",
        ),
        ("{{ range list 1 2 }}{{ $.Stack.Name }}{{ . }}{{ end }}", "demo1demo2"),
    ]);
}

#[test]
fn functions_of_go_and_sprig() {
    check_all(&[
        ("{{ eq \"a\" \"b\" \"a\" }} {{ ne 1 2 }} {{ lt 1 2 }} {{ ge \"b\" \"a\" }}", "true true true true"),
        ("{{ and 1 0 2 }} {{ or 0 \"\" \"x\" }} {{ not 1 }}", "0 x false"),
        (
            "{{ default \"d\" .Values.E }} {{ .Values.NAME | default \"d\" }} {{ coalesce \"\" 0 \"c\" }}",
            "d web c",
        ),
        ("{{ ternary \"a\" \"b\" true }} {{ empty .Values.E }}", "a true"),
        (
            "{{ contains \"e\" .Values.NAME }} {{ hasPrefix \"w\" \"web\" }} {{ hasSuffix \"w\" \"web\" }}",
            "true true false",
        ),
        (
            "{{ trim \" a \" }}{{ trimSuffix \"-\" \"a-\" }}{{ trimAll \"$\" \"$5$\" }}{{ upper \"a\" }}{{ title \"a b\" }}",
            "aa5AA B",
        ),
        (
            "{{ replace \" \" \"-\" \"a b c\" }} {{ repeat 3 \"ab\" }} {{ trunc 2 \"abc\" }} {{ substr 1 3 \"abcd\" }}",
            "a-b-c ababab ab bc",
        ),
        (
            "{{ quote \"a\" 1 }} {{ squote \"b\" }} {{ cat 1 \"x\" }} {{ \"a\\nb\" | indent 2 }}",
            "\"a\" \"1\" 'b' 1 x   a\n  b",
        ),
        (
            "{{ join \",\" (splitList \" \" \"a b\") }} {{ (split \"-\" \"x-y\")._1 }} {{ first (list 1 2) }}{{ last (list 1 2) }}",
            "a,b y 12",
        ),
        (
            "{{ add 1 2 3 }} {{ sub 5 2 }} {{ mul 2 3 }} {{ div 7 2 }} {{ mod 7 2 }} {{ max 1 5 2 }} {{ atoi \"7\" }} {{ add1 \"4\" }}",
            "6 3 6 3 1 5 7 5",
        ),
        (
            "{{ printf \"%s %d %05d %-3s| %v %q %t %% %x %.2f\" \"a\" 1 42 \"b\" (list 1 2) \"c\\\"\" true 255 1.5 }}",
            "a 1 00042 b  | [1 2] \"c\\\"\" true % ff 1.50",
        ),
        (
            "{{ printf \"%d\" \"x\" }} {{ printf \"%s\" }} {{ printf \"a\" 1 }}",
            "%!d(string=x) %!s(MISSING) a%!(EXTRA int=1)",
        ),
        ("{{ print 1 2 \"a\" 3 }}{{ println \"x\" 1 }}", "1 2a3x 1\n"),
        (
            "{{ index (list 1 2) 1 }} {{ index .Values \"NAME\" }} {{ len \"abc\" }} {{ slice \"abcd\" 1 3 }}",
            "2 web 3 bc",
        ),
        (
            "{{ \"aGk=\" | b64dec }} {{ b64enc \"hi\" }} {{ dict \"a\" 1 \"b\" (list \"x\") | toJson }}",
            "hi aGk= {\"a\":1,\"b\":[\"x\"]}",
        ),
        ("{{ (fromJson \"{\\\"a\\\":[1,{\\\"b\\\":true}]}\").a }}", "[1 map[b:true]]"),
        (
            "{{ semverCompare \">=1.2.0 <2.0.0\" \"v1.5.1\" }} {{ semverCompare \"^1.2\" \"2.0.0\" }}",
            "true false",
        ),
        (
            "{{ snakecase \"FirstName\" }} {{ camelcase \"http_server\" }} {{ kebabcase \"aB c\" }} {{ nospace \"a b\" }}",
            "first_name HttpServer a-b-c ab",
        ),
        (
            "{{ base \"/a/b.c\" }} {{ dir \"/a/b\" }} {{ ext \"x.yml\" }} {{ clean \"a/../b//c\" }}",
            "b.c /a .yml b/c",
        ),
        (
            "{{ until 3 }} {{ untilStep 0 6 2 }} {{ seq 3 }} {{ reverse (list 1 2) }} {{ uniq (list 1 1 2) }} {{ without (list 1 2) 1 }}",
            "[0 1 2] [0 2 4] 1 2 3 [2 1] [1 2] [2]",
        ),
        (
            "{{ range $k := keys (dict \"b\" 1 \"a\" 2) }}{{ $k }}{{ end }} {{ hasKey (dict \"a\" 1) \"a\" }} {{ kindOf 1 }}",
            "ab true int",
        ),
        ("{{ html \"<a>\" }} {{ urlquery \"a b&\" }}", "&lt;a&gt; a+b%26"),
    ]);
}

#[test]
fn what_is_wrong_has_a_place_and_a_remedy() {
    for (template, want) in [
        ("a\n b {{ if }}x{{ end }}", "t:2:7: a value is missing here"),
        ("x\n{{ if .Values.A }}", "t:2:1: this `if` is never closed\n  hint: close it with `{{ end }}`"),
        ("{{ end }}", "t:1:1: `end` closes nothing"),
        ("{{ else }}", "`else` closes nothing"),
        ("a {{ .Values", "t:1:3: a `{{` is opened here and never closed"),
        ("{{ uper .Values.NAME }}", "t:1:4: there is no function `uper`\n  hint: did you mean `upper`?"),
        ("{{ now }}", "it depends on the clock"),
        ("{{ env \"PATH\" }}", "it depends on the environment of the server"),
        (
            "{{ eq .Values.N 3 }}",
            "`eq`: a text and a number cannot be compared\n  hint: values are texts: write \"3\"",
        ),
        (
            "{{ if (ne .Values.N \"1\") and .Values.ON }}{{ end }}",
            "t:1:26: something follows a value that is no function",
        ),
        ("{{ .Valeus.A }}", "t:1:4: there is no field `.Valeus`\n  hint: did you mean `.Values`?"),
        ("{{ $x }}", "the variable `$x` is not defined here"),
        ("{{ range .Values.NAME }}{{ end }}", "`range` goes over a list, not a text"),
        ("{{ range list 1 }}{{ .Values.A }}{{ end }}", "inside of `range` and `with` the dot is the item"),
        ("{{ fail \"no disk\" }}", "`fail`: no disk"),
        ("{{ template \"x\" }}", "there is no template `x`"),
        ("{{ \"a }}", "a quote is opened here and never closed"),
        ("{{ 1 }} {{ ! }}", "t:1:12: a `!` means nothing"),
        ("{{ }}", "the braces are empty"),
        ("{{ break }}", "`break` stands outside of a `range`"),
        ("{{ div 1 0 }}", "a division by 0"),
        ("{{ upper }}", "`upper`: takes one value, not 0"),
        ("{{ index (list 1) 4 }}", "there is no item 4 in a list of 1"),
        ("{{ upper 1 }}", "a text is expected as value 1, not a number"),
    ] {
        refuse(template, want);
    }
}

#[test]
fn work_is_bounded() {
    let ten =
        |inner: &str| format!("{}{inner}{}", "{{ range until 10000 }}".repeat(3), "{{ end }}".repeat(3));
    refuse(&ten("x"), "more than 500000 steps");
    refuse("{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}", "more than 30 deep");
    refuse("{{ until 1000000 }}", "larger than any template needs");
    refuse("{{ repeat 1000000 \"abc\" }}", "larger than any template needs");
    refuse(
        "{{ $x := \"abcdefgh\" }}{{ range until 40 }}{{ $x = cat $x $x }}{{ end }}",
        "larger than any template needs",
    );
    refuse(
        "{{ $x := list 1 }}{{ range until 9000 }}{{ $x = list $x }}{{ end }}",
        "larger than any template needs",
    );
    refuse(
        "{{ $x := list 1 }}{{ range until 40 }}{{ $x = concat $x $x }}{{ end }}",
        "larger than any template needs",
    );
    refuse(
        "{{ replace \"\" (repeat 100000 \"x\") (repeat 100000 \"y\") }}",
        "larger than any template needs",
    );
    refuse("{{ printf \"%999999999d\" 1 }}", "larger than any template needs");
    refuse(
        &format!("{}1{}", "{{ (".to_owned() + &"(".repeat(5000), ")".repeat(5000) + " }}"),
        "nested deeper than 50 levels",
    );
    refuse(&"{{ if true }}".repeat(5000), "nested deeper than 50 levels");
    refuse(&format!("{{{{ range until 10000 }}}}{}{{{{ end }}}}", "x".repeat(5000)), "gives more than");
    let doubled =
        "{{ $x := list (repeat 1000 \"ab\") }}".to_owned() + &"{{ $x = list $x $x }}".repeat(14) + "{{ $x }}";
    refuse(&doubled, "larger than any template needs");
}

#[test]
fn lines_lead_back_to_the_template() {
    let text = "a:\n{{- if eq .Values.ON \"true\" }}\n  b: 1\n{{- end }}\n{{ range list 1 2 }}  c{{ . }}:\n    d: x\n{{ end }}e:\n";
    let mut report = Report::new(5);
    let file = report.add_file("t");
    let output = render(file, text, &data(), &Limits::default(), &mut report).unwrap();
    assert_eq!(output.text, "a:\n  b: 1\n  c1:\n    d: x\n  c2:\n    d: x\ne:\n");
    assert_eq!(output.lines, [1, 3, 5, 6, 5, 6, 7]);
}

#[test]
fn other_braces_are_no_template() {
    for text in [
        "",
        "a: {{.Node.Hostname}}",
        "t: '{{.Name}}'",
        "# notemplating\n{{ .Values.X }}",
        "{{stack_name}} .Values",
    ] {
        assert!(!is_template(text), "{text}");
    }
    for text in [
        "{{ .Values.X }}",
        "a\n{{- if eq .Values.X \"\" }}",
        "{{range $k := .Values}}",
        "{{ .Stack.Name }}",
        "{{- $image := \"x\" }}",
    ] {
        assert!(is_template(text), "{text}");
    }
}

proptest! {
    #![proptest_config(crate::same_cases())]

    #[test]
    fn any_text_is_taken_without_panic(text in "[a-c{}\\-/*.$ \"'`|()=:,0-9eéV\n]{0,60}") {
        let _ = render_template(&SourceFile::new("t", text), &data());
    }

    #[test]
    fn any_mix_of_actions_is_taken_without_panic(parts in prop::collection::vec(any_part(), 0..12)) {
        let text: String = parts.concat();
        if let Err(errors) = render_template(&SourceFile::new("t", text), &data()) {
            prop_assert!(errors.to_string().contains("hint: "));
        }
    }

    #[test]
    fn any_call_is_taken_without_panic(
        name in prop::sample::select(functions::names().collect::<Vec<_>>()),
        arguments in prop::collection::vec(any_argument(), 0..4),
    ) {
        let _ = render_template(&SourceFile::new("t", format!("{{{{ {name} {} }}}}", arguments.join(" "))), &data());
    }
}

fn any_part() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "x\n",
        "{{ if .Values.ON }}",
        "{{ else }}",
        "{{ end }}",
        "{{- range $i, $x := until 3 -}}",
        "{{ $x }}",
        "{{ with .Values.E }}",
        "{{ else if eq .Values.N \"3\" }}",
        "{{ break }}",
        "{{ .Values.NAME | upper }}",
        "{{ define \"a\" }}",
        "{{ template \"a\" . }}",
        "{{ $x := 1 }}",
        "{{ $x = list $x }}",
        "{{/* c */}}",
        "{{",
    ])
    .prop_map(str::to_owned)
}

fn any_argument() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| if n == i64::MIN { "1".to_owned() } else { n.to_string() }),
        (-5_i64..20).prop_map(|n| n.to_string()),
        "[ -!#-\\[\\]-~ä]{0,12}".prop_map(|text| format!("\"{text}\"")),
        Just("(list 1 \"a\" nil)".to_owned()),
        Just("(dict \"a\" 1 \"b\" (list))".to_owned()),
        Just("1.5".to_owned()),
        Just("nil".to_owned()),
        Just("true".to_owned()),
        Just(".Values".to_owned()),
    ]
}
