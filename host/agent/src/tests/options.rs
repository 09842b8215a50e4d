//! Secrets and configs, registries, limits in place, volumes that shall go.

use std::time::Duration;

use contract_protocol::*;
use contract_values::{ContainerId, Incarnation, Secret, VolumeId};
use host_driver::fake::{Fault, Operation, Program};
use host_driver::{Disk, DiskFault};

use super::rig::{Rig, container, with};

fn id(n: i64) -> ContainerId {
    ContainerId::new(n)
}

const CONTENT: &str = "aHVudGVyMg==";

fn with_file(name: &str) -> ContainerAssignment {
    let mut want = container(name, "web:1");
    want.spec.files = vec![FileSpec {
        path: "/run/secrets/password".into(),
        content: Secret::new(CONTENT.into()),
        uid: 5,
        gid: 6,
        mode: 0o440,
    }];
    want
}

#[tokio::test(start_paused = true)]
async fn secrets_lie_in_memory_and_are_sealed_on_the_disk() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, with_file("web"));
    rig.send_complete();
    rig.settle().await;
    let placed = rig.files.placed();
    let file = &placed["1-1"][0];
    assert_eq!((&file.bytes[..], file.uid, file.gid, file.mode), (&b"hunter2"[..], 5, 6, 0o440));
    let mounted = rig.engine.files("web");
    assert_eq!((mounted.len(), mounted[0].target.as_str()), (1, "/run/secrets/password"));
    assert!(mounted[0].source.ends_with("1-1/0"), "{mounted:?}");
    let ledger = rig.disk.read("ledger").await.unwrap().unwrap();
    let ledger = String::from_utf8_lossy(&ledger).into_owned();
    assert!(ledger.contains("/run/secrets/password") && !ledger.contains(CONTENT), "{ledger}");

    // The host reboots, and there is no server: the memory is empty, and the secret comes back from the ledger.
    rig.server.lock().away = true;
    rig.kill().await;
    rig.engine.crash(false);
    rig.files.reboot();
    rig.engine.recover();
    rig.start();
    rig.until("it runs", |rig| rig.running() == ["web"]).await;
    assert_eq!(rig.files.placed()["1-1"][0].bytes, b"hunter2");

    // What is gone leaves nothing behind.
    rig.server.lock().away = false;
    rig.until("connected", |rig| rig.standing.borrow().connected).await;
    rig.change(|a| a.containers.clear());
    rig.settle().await;
    rig.until("the file has gone", |rig| rig.files.placed().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_incarnation_has_files_of_its_own() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, with_file("web"));
    rig.send_complete();
    rig.settle().await;
    rig.change(|a| {
        let web = a.containers.get_mut(&id(1)).unwrap();
        web.incarnation = Incarnation(2);
        web.spec.files[0].content = Secret::new("bmV3".into());
    });
    rig.settle().await;
    rig.until("the old file has gone", |rig| rig.files.placed().keys().eq(["1-2"])).await;
    assert_eq!(rig.files.placed()["1-2"][0].bytes, b"new");
}

#[tokio::test(start_paused = true)]
async fn a_ledger_whose_key_is_lost_is_put_aside_and_nothing_is_removed() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, with_file("web"));
    rig.send_complete();
    rig.settle().await;
    rig.kill().await;
    rig.disk.remove("key").await.unwrap();
    rig.server.lock().hellos.clear();
    rig.start();
    rig.until("connected", |rig| rig.standing.borrow().connected).await;
    assert_eq!(rig.server.lock().hellos[0].ledger, None, "the server hears that it must send everything");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.running(), ["web"]);
    rig.send_complete();
    rig.settle().await;
    assert_eq!(rig.engine.calls(Operation::Create), 1, "it was never touched");
}

#[tokio::test(start_paused = true)]
async fn a_content_that_is_none_is_told() {
    let mut rig = Rig::started().await;
    let mut want = with_file("web");
    want.spec.files[0].content = Secret::new("%%%".into());
    rig.assignment = with(1, want);
    rig.send_complete();
    rig.until("told", |rig| {
        rig.report(1, 1).is_some_and(|report| report.failure == Some(FailureCode::InvalidOption))
    })
    .await;
    let text = rig.report(1, 1).unwrap().failure_text.unwrap();
    assert!(text.contains("/run/secrets/password") && !text.contains("%%%"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_image_is_fetched_by_whoever_may() {
    let mut rig = Rig::started().await;
    rig.engine.add_to_registry("far.example/app:1", Duration::from_secs(10), Program::service());
    rig.engine.guard_image("far.example/app:1", "ann", "s3cret");
    let login = |password: &str| {
        Some(RegistryLogin {
            server: "far.example".into(),
            username: "ann".into(),
            password: Secret::new(password.into()),
        })
    };
    for (n, login) in [(1, login("s3cret")), (2, login("wrong")), (3, None)] {
        let mut want = container(&format!("c-{n}"), "far.example/app:1");
        want.spec.pull = PullPolicy::Always;
        want.spec.registry_login = login;
        rig.assignment.containers.insert(id(n), want);
    }
    rig.send_complete();
    rig.until("one runs, two are refused", |rig| {
        rig.rank(1, 1) == Some(Rank::Running)
            && (2..=3)
                .all(|n| rig.report(n, 1).is_some_and(|r| r.failure == Some(FailureCode::RegistryDenied)))
    })
    .await;
    let ledger = rig.disk.read("ledger").await.unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&ledger).contains("s3cret"));
    let history = format!("{:?}", rig.server.lock().history);
    assert!(!history.contains("s3cret") && !history.contains("wrong"), "{history}");

    // Another password alone changes no container that runs.
    let before = rig.engine.containers()["c-1"].clone();
    rig.change(|a| a.containers.get_mut(&id(1)).unwrap().spec.registry_login = None);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.engine.containers()["c-1"], before);
}

#[tokio::test(start_paused = true)]
async fn limits_change_without_a_restart() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, container("web", "web:1"));
    rig.send_complete();
    rig.settle().await;
    let before = rig.engine.containers()["web"].clone();
    rig.change(|a| {
        let spec = &mut a.containers.get_mut(&id(1)).unwrap().spec;
        spec.resources.memory = Some(64 << 20);
        spec.resources.cpu_shares = Some(512);
        spec.restart = RestartPolicy::UnlessStopped;
    });
    rig.until("changed", |rig| rig.engine.containers()["web"].limits.memory == Some(64 << 20)).await;
    rig.settle().await;
    let after = rig.engine.containers()["web"].clone();
    assert_eq!((&after.docker_id, after.started_at), (&before.docker_id, before.started_at));
    assert_eq!((after.limits.cpu_shares, after.limits.restart), (Some(512), RestartPolicy::UnlessStopped));
    assert_eq!(rig.engine.calls(Operation::Update), 1);
    let report = rig.report(1, 1).unwrap();
    assert_eq!((report.starts, report.rank, report.failure), (1, Rank::Running, None));

    // An engine that will not is told of, while the process goes on; what is asked for next may work.
    rig.change(|a| a.containers.get_mut(&id(1)).unwrap().spec.resources.memory = Some(1));
    rig.until("refused", |rig| {
        rig.report(1, 1).is_some_and(|report| {
            report.failure == Some(FailureCode::InvalidOption) && report.rank == Rank::Running
        })
    })
    .await;
    rig.change(|a| a.containers.get_mut(&id(1)).unwrap().spec.resources.memory = Some(32 << 20));
    rig.until("changed again", |rig| rig.report(1, 1).is_some_and(|report| report.failure.is_none())).await;
    assert_eq!(rig.engine.containers()["web"].started_at, before.started_at);

    // Somebody changes it behind our back: the agent sees it and puts it right, also after its own death.
    rig.engine.silently(|views| {
        views.values_mut().for_each(|view| view.limits.memory = Some(99));
    });
    rig.kill().await;
    rig.start();
    rig.until("put right", |rig| rig.engine.containers()["web"].limits.memory == Some(32 << 20)).await;
    assert_eq!(rig.engine.containers()["web"].started_at, before.started_at);
    assert_eq!(rig.engine.calls(Operation::Create), 1);
}

fn order(volume: i64) -> VolumeOrder {
    VolumeOrder { volume: VolumeId::new(volume), force: false }
}

fn with_volume(name: &str) -> ContainerAssignment {
    let mut want = container(name, "web:1");
    want.spec.mounts = vec![MountSpec {
        kind: MountKind::Volume,
        source: "data".into(),
        target: "/data".into(),
        read_only: false,
        options: vec![],
        subpath: None,
        create_source: None,
    }];
    want
}

#[tokio::test(start_paused = true)]
async fn a_volume_goes_when_it_is_ordered_and_nobody_holds_it() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, with_volume("web"));
    rig.assignment.volumes.insert("data".into(), VolumeSpec::default());
    rig.send_complete();
    rig.settle().await;
    // The order comes with the removal of the container, whose process takes its time.
    rig.engine.script(Operation::Stop, 1, Fault::Slow(Duration::from_secs(20)));
    rig.change(|a| {
        *a = Assignment::default();
        a.volume_orders.insert("data".into(), order(3));
    });
    rig.until("held", |rig| rig.server.lock().volumes.get("data").is_some_and(|report| !report.gone)).await;
    let stuck = rig.server.lock().volumes["data"].clone();
    assert!(stuck.failure_text.unwrap().contains("in use") && stuck.retry_at.is_some());
    rig.until("told", |rig| rig.server.lock().volumes["data"].gone).await;
    assert!(rig.engine.volume_names().is_empty());
    assert_eq!(rig.server.lock().volumes["data"].volume, VolumeId::new(3));

    // As long as the order stands, a volume that somebody makes under that name is safe, also after a crash.
    let drops = rig.engine.calls(Operation::RemoveVolume);
    rig.engine.add_volume("data");
    rig.kill().await;
    rig.start();
    rig.settle().await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(
        (rig.engine.volume_names(), rig.engine.calls(Operation::RemoveVolume)),
        (vec!["data".into()], drops)
    );

    // Another order about another volume of that name counts anew.
    rig.change(|a| {
        a.volume_orders.insert("data".into(), order(4));
    });
    rig.until("gone", |rig| rig.engine.volume_names().is_empty()).await;
    rig.until("told", |rig| rig.server.lock().volumes["data"].volume == VolumeId::new(4)).await;
    rig.change(|a| a.volume_orders.clear());
    rig.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_wanted_again_stays() {
    let mut rig = Rig::started().await;
    rig.assignment = with(1, with_volume("web"));
    rig.assignment.volumes.insert("data".into(), VolumeSpec::default());
    rig.assignment.volume_orders.insert("data".into(), order(3));
    rig.send_complete();
    rig.settle().await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.engine.calls(Operation::RemoveVolume), 0);
    assert_eq!(rig.engine.volume_names(), ["data"]);
}

/// The machine dies at every write, and each time the volume is removed once and the server hears of it.
#[tokio::test(start_paused = true)]
async fn a_volume_goes_although_the_machine_dies() {
    for writes in 0.. {
        let mut rig = Rig::started().await;
        rig.engine.add_volume("data");
        rig.engine.add_volume("other");
        rig.disk.set_fault(Some(DiskFault::CrashAfter { writes, torn: 0 }));
        rig.assignment.volume_orders.insert("data".into(), order(3));
        rig.send_complete();
        let told = |rig: &Rig| rig.server.lock().volumes.get("data").is_some_and(|report| report.gone);
        let _ = tokio::time::timeout(Duration::from_secs(20), rig.until("told", told)).await;
        let died = rig.disk.is_dead();
        rig.kill().await;
        rig.disk.set_fault(None);
        rig.start();
        rig.until("connected", |rig| rig.standing.borrow().connected).await;
        rig.send_complete();
        rig.until("told", told).await;
        assert_eq!(rig.engine.volume_names(), ["other"]);
        if !died {
            assert!(writes > 1, "it died {writes} times");
            return;
        }
    }
}
