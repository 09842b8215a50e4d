use super::*;

fn image(text: &str) -> Behaviour {
    Behaviour::of_image(&text.parse().unwrap())
}

fn labels(image: &str, environment: &[(&str, &str)], labels: &[(&str, &str)]) -> Behaviour {
    let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Behaviour::of_container(&image.parse().unwrap(), &pairs(environment), &pairs(labels))
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_tag_tells_what_containers_do() {
    assert_eq!(image("sim"), Behaviour::default());
    assert_eq!(image("sim:web-7"), Behaviour::default());
    assert_eq!(image("sim:job").ends, Some((SECOND, 0)));
    assert_eq!(image("sim:job-3s").ends, Some((3 * SECOND, 0)));
    assert_eq!(image("sim:exit-42").ends, Some((SECOND, 42)));
    assert_eq!(image("sim:stubborn").stop, None);
    assert_eq!(image("sim:missing").supply, Supply::Missing);
    let both = image("registry.example:5000/team/sim:pull-2s_sick");
    assert_eq!((both.supply, both.health), (Supply::Pulled(2 * SECOND), Health::Unhealthy(3 * SECOND)));
    assert_eq!(image("nginx:1.27").supply, Supply::Pulled(SECOND / 2));
    assert_eq!(image("chatty").lines_per_second, 1.0, "only tags of `sim` tell anything");
}

#[test]
fn labels_win_over_the_environment_and_both_over_the_tag() {
    let all = labels(
        "sim:exit-3",
        &[("SIM_EXIT_AFTER", "2s"), ("SIM_EXIT_CODE", "4"), ("SIM_MEMORY", "1g"), ("PATH", "/bin")],
        &[("sim.exit-code", "5"), ("sim.log-line", "line {n}"), ("other.exit-code", "6")],
    );
    assert_eq!(all.ends, Some((2 * SECOND, 5)));
    assert_eq!((all.memory, all.line.as_deref()), (1 << 30, Some("line {n}")));
    // What cannot be read is as if it were not there.
    let odd = labels("sim", &[], &[("sim.exit-after", "soon"), ("sim.cpu", "NaN"), ("sim.log-rate", "inf")]);
    assert_eq!(odd, Behaviour::default());
    assert_eq!(
        labels("sim", &[], &[("sim.health", "flapping"), ("sim.health-after", "0")]).health,
        Health::Flapping(SECOND / 20)
    );
}

#[test]
fn durations_and_sizes_are_read() {
    for (text, expected) in [
        ("200ms", Some(Duration::from_millis(200))),
        ("1.5s", Some(Duration::from_millis(1500))),
        ("2", Some(2 * SECOND)),
        ("2m", Some(120 * SECOND)),
        ("99999h", Some(86_400 * SECOND)),
        ("", None),
        ("s", None),
        ("-1s", None),
        ("1d", None),
        ("1.2.3", None),
    ] {
        assert_eq!(read_duration(text), expected, "{text}");
    }
    for (text, expected) in [
        ("64m", Some(64 << 20)),
        ("1GB", Some(1 << 30)),
        ("12", Some(12)),
        ("x", None),
        ("99999999999g", None),
    ] {
        assert_eq!(read_bytes(text), expected, "{text}");
    }
}
