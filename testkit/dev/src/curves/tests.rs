use super::*;

const START: Timestamp = Timestamp(1_700_000_000_000);

#[test]
fn sums_never_go_back_and_grow_as_fast_as_told() {
    for name in ["a", "b", "web-1"] {
        let mut last = 0;
        for step in 0..2000 {
            let now = sum(name, 1e9, START, Timestamp(START.0 + step * 500));
            assert!(now >= last, "{name} at {step}: {now} after {last}");
            last = now;
        }
        let mean = last as f64 / 1000.0 / 1e9;
        assert!((0.8..1.2).contains(&mean), "{name}: {mean}");
    }
}

#[test]
fn a_document_adds_up() {
    let behaviour = Behaviour { cpu: 2.0, ..Behaviour::default() };
    let document = stats("c0ffee", "web-1", &behaviour, START, Timestamp(START.0 + 60_250));
    let cpu = |when: &str, field: &str| document[when][field].as_u64().unwrap();
    let used = |when: &str| document[when]["cpu_usage"]["total_usage"].as_u64().unwrap();
    let system = cpu("cpu_stats", "system_cpu_usage") - cpu("precpu_stats", "system_cpu_usage");
    assert_eq!(system, 4_000_000_000);
    let cores = (used("cpu_stats") - used("precpu_stats")) as f64 / system as f64 * 4.0;
    assert!((0.4..=3.6).contains(&cores), "{cores}");
    assert!(document["memory_stats"]["usage"].as_u64().unwrap() > 32 << 20);
    assert_eq!(document["read"], "2023-11-14T22:14:20.250000000Z");
}

#[test]
fn names_have_figures_of_their_own() {
    let all: Vec<f64> = (0..100).map(|n| fraction(&format!("web-{n}"), 0)).collect();
    let low = all.iter().filter(|figure| **figure < 0.5).count();
    assert!((30..70).contains(&low), "{low} of 100 are low");
    assert!(all.iter().all(|figure| (0.0..=1.0).contains(figure)));
}
