use serde_json::json;

use super::*;

#[test]
fn a_launch_config_of_the_old_product_survives_a_round_trip() {
    let wire = json!({
        "imageUuid": "docker:nginx:1.27",
        "command": ["nginx", "-g", "daemon off;"],
        "environment": {"A": "1"},
        "ports": ["8080:80/tcp"],
        "labels": {"io.rancher.container.pull_image": "always"},
        "memory": 67108864,
        "restartPolicy": {"name": "on-failure", "maximumRetryCount": 3},
        "logConfig": {"driver": "json-file", "config": {"max-size": "1m"}},
        "healthCheck": {"port": 80, "requestLine": "GET / HTTP/1.0", "interval": 2000, "strategy": "recreateOnQuorum",
                        "recreateOnQuorumStrategyConfig": {"quorum": 2}},
        "ulimits": [{"name": "nofile", "soft": 1024, "hard": 2048}],
        "blkioDeviceOptions": {"/dev/sda": {"readIops": 100}},
        "networkMode": "managed",
        "somethingNew": {"kept": true},
    });
    let config: LaunchConfig = serde_json::from_value(wire.clone()).unwrap();
    assert_eq!(config.image(), Some("nginx:1.27"));
    assert_eq!(serde_json::to_value(&config).unwrap(), wire);
}

#[test]
fn absent_and_null_are_the_same_and_are_not_written() {
    let config: LaunchConfig = serde_json::from_value(json!({
        "ports": null, "environment": null, "labels": null, "memory": null, "capAdd": null, "healthCmd": null
    }))
    .unwrap();
    assert_eq!(config, LaunchConfig::default());
    assert_eq!(serde_json::to_value(&config).unwrap(), json!({}));
}

#[test]
fn an_empty_command_clears_that_of_the_image() {
    let config: LaunchConfig = serde_json::from_value(json!({"entryPoint": []})).unwrap();
    assert_eq!(config.entry_point, Some(vec![]));
    assert_eq!(config.command, None);
    assert_eq!(serde_json::to_value(&config).unwrap(), json!({"entryPoint": []}));
}

#[test]
fn scalars_in_text_maps_become_text() {
    let config: LaunchConfig =
        serde_json::from_value(json!({"environment": {"A": 1, "B": true, "C": null, "D": "x"}})).unwrap();
    let pairs: Vec<_> = config.environment.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(pairs, ["A=1", "B=true", "C=", "D=x"]);
    let wrong = serde_json::from_value::<LaunchConfig>(json!({"labels": {"a": ["x"]}})).unwrap_err();
    assert_eq!(wrong.to_string(), "the value of `a` is not text");
}

#[test]
fn environment_values_are_never_printed() {
    let config: LaunchConfig =
        serde_json::from_value(json!({"environment": {"PASSWORD": "hunter2"}})).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("PASSWORD") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_engines_check_prefers_exact_times() {
    let config: LaunchConfig = serde_json::from_value(json!({
        "healthCmd": ["CMD", "true"], "healthInterval": 5, "healthTimeout": 1, "healthTimeoutMs": 500
    }))
    .unwrap();
    let health = config.engine_health().unwrap();
    assert_eq!(health.interval, Some(Duration::seconds(5)));
    assert_eq!(health.timeout, Some(Duration::millis(500)));
    assert_eq!(LaunchConfig::default().engine_health(), None);
}

#[test]
fn a_plan_survives_a_round_trip() {
    let plan = StackPlan {
        services: vec![ServiceInput {
            name: "web".into(),
            scale: Some(3),
            links: vec![ServiceLink { service: "db".into(), alias: "database".into() }],
            depends_on: vec![Dependency {
                service: "db".into(),
                condition: DependencyCondition::Healthy,
                ..Dependency::default()
            }],
            ..ServiceInput::default()
        }],
        volumes: vec![VolumeInput { name: "data".into(), per_container: true, ..VolumeInput::default() }],
        ..StackPlan::default()
    };
    let wire = serde_json::to_value(&plan).unwrap();
    assert_eq!(
        wire,
        json!({
            "services": [{
                "name": "web", "scale": 3, "launchConfig": {},
                "links": [{"service": "db", "alias": "database"}],
                "dependsOn": [{"service": "db", "condition": "healthy"}],
            }],
            "volumes": [{"name": "data", "perContainer": true}],
        })
    );
    assert_eq!(serde_json::from_value::<StackPlan>(wire).unwrap(), plan);
}
