use super::*;

fn spec(json: serde_json::Value) -> LaunchSpec {
    serde_json::from_value(json).expect("a launch specification")
}

#[test]
fn limits_are_changed_in_place_where_the_engine_can() {
    for (old, new, in_place) in [
        // Nothing differs.
        (serde_json::json!({}), serde_json::json!({}), true),
        // A limit is set or changed.
        (serde_json::json!({}), serde_json::json!({"memory": 5}), true),
        (serde_json::json!({"memory": 5}), serde_json::json!({"memory": 6, "cpu_shares": 2}), true),
        (serde_json::json!({"cpu_quota": 5}), serde_json::json!({"cpu_quota": 6, "cpu_period": 7}), true),
        (serde_json::json!({"nano_cpus": 5}), serde_json::json!({"nano_cpus": 6}), true),
        (serde_json::json!({"pids_limit": 5}), serde_json::json!({"pids_limit": -1}), true),
        (serde_json::json!({"blkio_weight": 10}), serde_json::json!({"blkio_weight": 20}), true),
        (serde_json::json!({}), serde_json::json!({"cpuset": "0", "cpuset_mems": "0"}), true),
        // A limit is taken away.
        (serde_json::json!({"memory": 5}), serde_json::json!({}), false),
        (serde_json::json!({"memory": 5, "memory_swap": 9}), serde_json::json!({"memory": 5}), false),
        (serde_json::json!({"cpuset": "0"}), serde_json::json!({}), false),
        // CPU time is counted in another way.
        (serde_json::json!({"cpu_quota": 5}), serde_json::json!({"nano_cpus": 5}), false),
        (serde_json::json!({"cpu_quota": 5}), serde_json::json!({"cpu_quota": 5, "nano_cpus": 5}), false),
        (serde_json::json!({"nano_cpus": 5}), serde_json::json!({"cpu_quota": 5}), false),
        // The engine takes it at the creation only.
        (serde_json::json!({}), serde_json::json!({"memory_swappiness": 5}), false),
        (serde_json::json!({}), serde_json::json!({"oom_score_adj": 5}), false),
        (serde_json::json!({}), serde_json::json!({"device_read_bps": {"/dev/a": 5}}), false),
    ] {
        let [from, to] = [&old, &new].map(|resources| spec(serde_json::json!({ "resources": resources })));
        assert_eq!(from.can_become(&to), in_place, "{old} to {new}");
        let moved = LaunchSpec { hostname: Some("h".into()), ..to };
        assert!(!from.can_become(&moved), "something else differs too: {old} to {new}");
    }
}

#[test]
fn a_restart_policy_is_changed_in_place_unless_it_makes_a_job_of_a_service() {
    let policy = |name: &str| spec(serde_json::json!({ "restart": { "name": name } }));
    assert!(policy("always").can_become(&policy("unless-stopped")));
    assert!(policy("always").can_become(&policy("on-failure")));
    assert!(policy("always").can_become(&LaunchSpec::default()));
    assert!(!policy("always").can_become(&policy("no")));
    assert!(!policy("no").can_become(&policy("always")));
}
