use contract_protocol::{ContainerSpec, FailureCode};
use contract_values::{Duration, Timestamp};
use host_driver::CreateRequest;

use crate::create::{render_create, whole_seconds};
use crate::errors::failure_code;
use crate::view::read_time;

#[test]
fn causes_are_read_out_of_the_engines_words() {
    for (text, code) in [
        ("No such image: nope:1", FailureCode::ImageNotFound),
        ("manifest for nginx:nope not found: manifest unknown: manifest unknown", FailureCode::ImageNotFound),
        (
            "pull access denied for nope, repository does not exist or may require 'docker login'",
            FailureCode::RegistryDenied,
        ),
        (
            "Get \"https://registry.example/v2/\": dial tcp: lookup registry.example on 10.0.0.1:53: no such host",
            FailureCode::RegistryUnreachable,
        ),
        (
            "driver failed programming external connectivity on endpoint web (ab): Bind for 0.0.0.0:80 failed: port is already allocated",
            FailureCode::PortTaken,
        ),
        (
            "Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use",
            FailureCode::PortTaken,
        ),
        (
            "Conflict. The container name \"/web\" is already in use by container \"ab\". You have to remove it",
            FailureCode::NameTaken,
        ),
        (
            "failed to create shim task: OCI runtime create failed: exec: \"nope\": executable file not found in $PATH: unknown",
            FailureCode::CommandNotFound,
        ),
        (
            "OCI runtime create failed: exec: \"/x\": stat /x: no such file or directory: unknown",
            FailureCode::CommandNotFound,
        ),
        ("mkdir /var/lib/docker/overlay2/x: no space left on device", FailureCode::DiskFull),
        (
            "invalid mount config for type \"bind\": bind source path does not exist: /nope",
            FailureCode::MountMissing,
        ),
        ("Minimum memory limit allowed is 6MB", FailureCode::Other),
        ("invalid IP address in add-host: \"x\"", FailureCode::InvalidOption),
        ("the sky is falling", FailureCode::Other),
    ] {
        assert_eq!(failure_code(text), code, "{text}");
    }
}

#[test]
fn times_of_the_engine_are_read_and_its_zero_is_none() {
    assert_eq!(read_time("2017-03-01T10:00:00.123456789Z"), Some(Timestamp(1_488_362_400_123)));
    assert_eq!(read_time("2017-03-01T11:00:00+01:00"), Some(Timestamp(1_488_362_400_000)));
    assert_eq!(read_time("0001-01-01T00:00:00Z"), None);
    assert_eq!(read_time("yesterday"), None);
}

#[test]
fn a_short_grace_does_not_become_none() {
    for (millis, seconds) in [(0, 0), (1, 1), (1000, 1), (1001, 2), (-5, 0)] {
        assert_eq!(whole_seconds(Duration::millis(millis)), seconds);
    }
}

#[test]
fn what_was_not_asked_for_is_left_to_the_engine() {
    let spec: ContainerSpec = serde_json::from_value(serde_json::json!({"image": "nginx"})).unwrap();
    let labels = [("io.lariat.owner".to_owned(), "x".to_owned())].into();
    let request = CreateRequest {
        name: "a1",
        labels: &labels,
        spec: &spec,
        network_container: None,
        volumes_from: &[],
    };
    let body = serde_json::to_value(render_create(&request)).unwrap();
    let host = serde_json::json!({
        "NetworkMode": "bridge", "Privileged": false, "ReadonlyRootfs": false, "RestartPolicy": {"Name": "no"}
    });
    let expected = serde_json::json!({
        "Image": "nginx", "Labels": {"io.lariat.owner": "x"}, "Tty": false, "OpenStdin": false, "HostConfig": host
    });
    assert_eq!(body, expected);
}
