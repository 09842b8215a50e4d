#![allow(clippy::unwrap_used, reason = "tests may panic")]

use contract_values::Labels;
use control_model::{Device, DeviceRequest};

use super::*;

fn of(change: impl FnOnce(&mut LaunchSpec)) -> Vec<&'static str> {
    let mut spec = LaunchSpec::default();
    change(&mut spec);
    of_launch(&spec).into_iter().map(Power::word).collect()
}

#[test]
fn an_ordinary_container_has_no_power_over_its_host() {
    let spec = |spec: &mut LaunchSpec| {
        spec.labels = Labels::from([("io.rancher.x".to_owned(), "y".to_owned())]);
        spec.cap_drop = vec!["ALL".into()];
        spec.ipc_mode = Some("private".into());
        spec.resources.oom_score_adj = Some(500);
        spec.mounts = vec![
            Mount { source: "data".into(), target: "/data".into(), ..Mount::default() },
            Mount { kind: MountKind::Tmpfs, target: "/run".into(), ..Mount::default() },
        ];
    };
    assert!(of(spec).is_empty());
}

#[test]
fn each_way_to_the_host_is_a_power() {
    let mount = |kind: MountKind, source: &str| {
        let source = source.to_owned();
        move |spec: &mut LaunchSpec| {
            spec.mounts = vec![Mount { kind, source, target: "/x".into(), ..Mount::default() }];
        }
    };
    assert_eq!(of(|spec| spec.privileged = true), ["privileged"]);
    assert_eq!(of(|spec| spec.pid_mode = Some("host".into())), ["namespaces"]);
    assert_eq!(of(|spec| spec.pid_mode = Some("container:other".into())), ["namespaces"]);
    assert_eq!(of(|spec| spec.ipc_mode = Some("host".into())), ["namespaces"]);
    assert_eq!(of(|spec| spec.uts_mode = Some("host".into())), ["namespaces"]);
    assert_eq!(of(|spec| spec.userns_mode = Some("host".into())), ["namespaces"]);
    assert_eq!(of(|spec| spec.network = NetworkMode::Host), ["namespaces"]);
    assert_eq!(of(|spec| spec.cgroupns_mode = Some("host".into())), ["namespaces"]);
    assert_eq!(of(|spec| spec.cap_add = vec!["NET_RAW".into()]), ["capabilities"]);
    assert_eq!(of(|spec| spec.devices = vec![Device::default()]), ["devices"]);
    assert_eq!(of(|spec| spec.device_cgroup_rules = vec!["c 1:3 mr".into()]), ["devices"]);
    assert_eq!(of(|spec| spec.device_requests = vec![DeviceRequest::default()]), ["devices"]);
    assert_eq!(of(mount(MountKind::Bind, "/")), ["paths"]);
    assert_eq!(of(mount(MountKind::Bind, "/var/run/docker.sock")), ["paths"]);
    assert_eq!(of(mount(MountKind::Volume, "/etc")), ["paths"]);
    assert_eq!(of(|spec| spec.security_options = vec!["seccomp=unconfined".into()]), ["confinement"]);
    assert_eq!(of(|spec| spec.cgroup_parent = Some("/".into())), ["confinement"]);
    assert_eq!(of(|spec| spec.runtime = Some("runc".into())), ["confinement"]);
    assert_eq!(of(|spec| spec.resources.oom_score_adj = Some(-1)), ["confinement"]);
}

#[test]
fn a_volume_in_disguise_is_the_hosts_files() {
    let powers = |options: &[(&str, &str)]| {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        of_volume(&options).len()
    };
    assert_eq!(powers(&[("type", "none"), ("o", "bind"), ("device", "/etc")]), 1);
    assert_eq!(powers(&[("o", "ro,rbind"), ("device", "etc")]), 1);
    assert_eq!(powers(&[("O", "BIND"), ("Device", "/")]), 1);
    assert_eq!(powers(&[("mountpoint", "/srv")]), 1);
    assert_eq!(powers(&[("o", "lowerdir=/etc,upperdir=/tmp/a,workdir=/tmp/b"), ("type", "overlay")]), 1);
    assert_eq!(powers(&[("size", "10G")]), 0);
    assert_eq!(powers(&[("type", "tmpfs"), ("o", "size=100m,uid=1000")]), 0);
    assert_eq!(powers(&[]), 0);
}

#[test]
fn the_setting_is_a_list_of_words() {
    assert_eq!(read("").0, BTreeSet::new());
    assert_eq!(read("privileged, paths").0, BTreeSet::from([Power::Privileged, Power::Paths]));
    assert_eq!(read("all").0.len(), Power::ALL.len());
    assert_eq!(read("paths rights").1, ["rights"]);
}
