//! Files that mean harm: each is refused or read within bounds, and none makes the reader panic.

use std::fmt::Write;

use proptest::prelude::*;

use crate::apps::round_trip;
use crate::kit::{read, read_all};

/// Reads a text; runaway work shows as a test that the runner ends, runaway words here.
fn bounded(name: &str, text: &str) -> String {
    let start = std::time::Instant::now();
    let said = match read(text) {
        Ok(plan) => format!("{} services", plan.services.len()),
        Err(errors) => errors,
    };
    println!("{:?} {name}", start.elapsed());
    assert!(said.len() < 100_000, "{name} said {} bytes", said.len());
    said
}

fn service(lines: &str) -> String {
    format!("services:\n  a:\n    image: x\n{lines}")
}

fn many(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

const N: usize = 4900;

/// Files that are large in one way, each by a name; tried in four parts, which run side by side.
fn large_files() -> Vec<(&'static str, String)> {
    let list = |key: &str, item: &dyn Fn(usize) -> String| {
        service(&format!("    {key}:\n{}", many(N, |n| format!("      - {}\n", item(n)))))
    };
    vec![
        ("unknown keys", service(&many(N, |n| format!("    envronmnt{n}: 1\n")))),
        ("unknown top keys", many(N, |n| format!("servics{n}: 1\n"))),
        ("volumes", list("volumes", &|n| format!("v{n}:/p{n}"))),
        ("bad volumes", list("volumes", &|n| format!("v{n}:/p:zz{n}"))),
        ("ports", list("ports", &|n| format!("'{}:{}'", n + 1, n + 1))),
        ("ranges", list("ports", &|_| "'1-60000:1-60000'".into())),
        ("expose", list("expose", &|n| format!("{}", n + 1))),
        ("links", list("links", &|n| format!("a:b{n}"))),
        ("nowhere", list("depends_on", &|n| format!("nowhere{n}"))),
        ("from nowhere", list("volumes_from", &|n| format!("nowhere{n}"))),
        ("capabilities", list("cap_add", &|n| format!("NET_ADMI{n}"))),
        (
            "constraints",
            service(&format!(
                "    deploy:\n      placement:\n        constraints:\n{}",
                many(N, |n| format!("          - node.labels.l{n} == v\n"))
            )),
        ),
        (
            "sidekicks",
            service(&format!(
                "    labels: {{io.rancher.sidekicks: '{}'}}\n",
                many(50_000, |n| format!("s{n},"))
            )),
        ),
        (
            "services",
            format!(
                "services:\n{}",
                many(N, |n| format!("  s{n}: {{image: x, depends_on: [s{}]}}\n", (n + 1) % N))
            ),
        ),
        (
            "complete graph",
            format!(
                "services:\n{}",
                many(200, |n| format!(
                    "  s{n}: {{image: x, depends_on: [{}]}}\n",
                    many(200, |m| format!("s{m}, "))
                ))
            ),
        ),
        (
            "extends chain",
            format!("services:\n{}", many(N, |n| format!("  s{n}: {{extends: s{}}}\n", n + 1))),
        ),
        (
            "extends fan",
            format!(
                "services:\n  base: {{image: x, labels: {{{}}}}}\n{}",
                many(2000, |n| format!("l{n}: 1, ")),
                many(N - 1, |n| format!("  s{n}: {{extends: base}}\n"))
            ),
        ),
        ("list length", list("command", &|_| "x".into()).replace("- x\n", "- x\n      - x\n")),
        (
            "default depth",
            service(&format!("    command: '{}x{}'\n", "${A:-".repeat(5000), "}".repeat(5000))),
        ),
        ("open braces", service(&format!("    command: '{}'\n", "${A:-".repeat(50_000)))),
        ("dollars", service(&format!("    command: '{}'\n", "$".repeat(1_000_001)))),
        ("long scalar", service(&format!("    image: '{}'\n", "x".repeat(1_000_000)))),
        ("long key", service(&format!("    {}: 1\n", "x".repeat(1_000_000)))),
        ("long line", "x".repeat(2_000_000)),
        ("flow depth", format!("services: {}", "{a: [".repeat(30_000))),
        (
            "merge keys",
            format!(
                "x: &x {{{}}}\nservices:\n{}",
                many(1000, |n| format!("k{n}: 1, ")),
                many(90, |n| format!("  s{n}: {{image: x, <<: *x}}\n"))
            ),
        ),
        ("escapes", service(&format!("    command: \"{}\"\n", "\\u0041".repeat(100_000)))),
        ("comments", "# x\n".repeat(400_000)),
        ("anchors", many(N, |n| format!("x-{n}: &a{n} [1]\n"))),
        ("command words", service(&format!("    command: {}\n", "a ".repeat(500_000)))),
        ("zero bytes", service("    command: \"a\\0b\"\n    environment: {A: \"x\\0\"}\n")),
    ]
}

fn try_part(part: usize) {
    for (name, text) in large_files().iter().skip(part).step_by(4) {
        let said = bounded(name, text);
        let first: String = said.lines().next().unwrap_or_default().chars().take(200).collect();
        println!("{name}: {first}");
    }
}

#[test]
fn work_is_bounded_1() {
    try_part(0);
}

#[test]
fn work_is_bounded_2() {
    try_part(1);
}

#[test]
fn work_is_bounded_3() {
    try_part(2);
}

#[test]
fn work_is_bounded_4() {
    try_part(3);
}

#[test]
fn variables_cannot_swell_a_file() {
    let mut text = "services:\n".to_owned();
    for n in 0..1000 {
        writeln!(text, "  s{n}: {{image: x, command: [$V, $V, $V, $V, $V, $V, $V, $V, $V, $V]}}").unwrap();
    }
    let value = "v".repeat(100_000);
    let said = read_all(&[("docker-compose.yml", &text)], &[("V", &value)]).unwrap_err();
    assert!(said.contains("the values of the variables make the text too long"), "{}", &said[..200]);
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(contract_compose::SERVICE_KEYS.to_vec()).prop_map(str::to_owned),
        "[a-z_]{1,8}",
    ]
}

fn any_value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "[a-z0-9:/.,=$ _-]{0,12}".prop_map(|text| format!("'{text}'")),
        Just("true".to_owned()),
        Just("no".to_owned()),
        Just("null".to_owned()),
        Just("1.5".to_owned()),
        (-5_i64..100_000).prop_map(|n| n.to_string()),
        Just("'8000-8010:80-90/udp'".to_owned()),
        Just("'10s'".to_owned()),
        Just("'64m'".to_owned()),
        Just("./a:/b:ro".to_owned()),
        Just("b".to_owned()),
    ];
    let key = prop_oneof![
        "[a-z_.]{1,8}",
        prop::sample::select(vec![
            "type",
            "source",
            "target",
            "published",
            "driver",
            "options",
            "test",
            "interval",
            "condition",
            "limits",
            "reservations",
            "memory",
            "cpus",
            "devices",
            "path",
            "soft",
            "hard",
            "replicas",
            "resources",
            "bind",
            "aliases",
            "context",
            "args",
            "weight",
            "rate",
            "capabilities",
            "count",
            "port",
            "strategy",
        ])
        .prop_map(str::to_owned),
    ];
    scalar.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map(key.clone(), inner, 0..4).prop_map(|map| {
                let items: Vec<_> = map.into_iter().map(|(key, value)| format!("'{key}': {value}")).collect();
                format!("{{{}}}", items.join(", "))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(crate::kit::cases(300))]

    #[test]
    fn any_text_is_taken_without_panic(text in any::<String>()) {
        let _ = read(&text);
    }

    #[test]
    fn any_mix_of_yaml_signs_is_taken_without_panic(text in "[a-c&*!|>{}\\[\\],:?#'\"%@` \n\t-]{0,80}") {
        let _ = read(&text);
        let _ = read(&format!("services:\n  a:\n    image: x\n    command: {text}"));
    }

    #[test]
    fn any_settings_are_taken_without_panic_and_what_is_right_survives_rendering(
        keys in prop::collection::btree_map(any_key(), any_value(), 0..5),
        old in any::<bool>(),
    ) {
        let mut text = if old { "version: '2'\n" } else { "" }.to_owned();
        text.push_str("services:\n  b: {image: y}\n  a:\n");
        if !keys.contains_key("image") {
            text.push_str("    image: x\n");
        }
        for (key, value) in &keys {
            writeln!(text, "    {key}: {value}").unwrap();
        }
        if let Ok(plan) = read(&text) {
            round_trip(&plan);
        }
    }

    #[test]
    fn a_cut_or_changed_application_is_taken_without_panic(
        app in prop::sample::select(vec![
            include_str!("../apps/voting.yml"), include_str!("../apps/prometheus.yml"),
            include_str!("../apps/nextcloud.yml"), include_str!("../apps/old-docker.yml"),
        ]),
        at in 0.0_f64..1.0,
        length in 0_usize..40,
        insert in "[a-z&*!{}\\[\\],:?#'\"$ \n\t-]{0,6}",
    ) {
        let chars: Vec<char> = app.chars().collect();
        let from = (chars.len() as f64 * at) as usize;
        let to = (from + length).min(chars.len());
        let text: String = chars[..from].iter().chain(insert.chars().collect::<Vec<_>>().iter()).chain(&chars[to..]).collect();
        if let Err(errors) = read(&text) {
            prop_assert!(errors.contains("hint: "), "{}", errors);
        }
    }

    #[test]
    fn several_files_are_merged_without_panic(
        first in prop::collection::btree_map(any_key(), any_value(), 0..6),
        second in prop::collection::btree_map(any_key(), any_value(), 0..6),
    ) {
        let file = |keys: &std::collections::BTreeMap<String, String>| {
            let lines: String = keys.iter().map(|(key, value)| format!("    {key}: {value}\n")).collect();
            format!("services:\n  b: {{image: y}}\n  a:\n    working_dir: /\n{}", lines.replace("    working_dir", "    x-w"))
        };
        if let Ok(plan) = read_all(&[("a.yml", &file(&first)), ("b.yml", &file(&second))], &[]) {
            round_trip(&plan);
        }
    }
}
