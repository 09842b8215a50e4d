use control_model::Row;

use crate::tests::testbed::{STACK, World};

fn going(world: &str) -> World {
    let mut w = World::of(world);
    let mut stack = Row::clone(w.tables.stacks.get(STACK).unwrap());
    stack.removal_asked = Some(w.now);
    w.put(stack);
    w
}

#[test]
fn a_stack_takes_its_services_along_and_then_ends() {
    let mut w = going("host h1; service web; copy web 1 running on h1; service db; copy db 1 running on h1");
    w.live();
    assert_eq!(w.tables.stacks.live().count(), 0);
    assert_eq!(w.tables.services.live().count(), 0);
    assert_eq!(w.tables.containers.live().count(), 0);
}

#[test]
fn a_stack_whose_host_is_gone_ends_too() {
    for host in ["away", "lost", "going", "never"] {
        let mut w =
            going(&format!("host h1 {host}; service web; copy web 1 running on h1; copy web 2 new on h1"));
        w.settle();
        assert_eq!(w.tables.stacks.live().count(), 0, "{host}");
    }
}

#[test]
fn volumes_outlive_their_stack() {
    let mut w = going("host h1; service db volume data; copy db 1 running on h1; volume data on h1");
    w.live();
    assert_eq!(w.tables.stacks.live().count(), 0);
    assert_eq!(w.tables.volumes.live().count(), 1);
}

#[test]
fn a_stack_that_is_wanted_is_left_alone() {
    let w = World::of("host h1; service web; copy web 1 running on h1");
    assert!(crate::plan_stack(&w.tables, w.now, STACK).tx.is_empty());
}

#[test]
fn a_volume_ends_when_nobody_mounts_it() {
    let mut w = World::of("host h1; service db volume data; copy db 1 running on h1; volume data on h1");
    let mut volume = Row::clone(w.tables.volumes.live().next().unwrap());
    volume.removal_asked = Some(w.now);
    w.put(volume.clone());
    assert!(crate::plan_volume(&w.tables, w.now, volume.id).tx.is_empty());
    let mut container = w.container("shop-db-1");
    container.removed = Some(w.now);
    w.put(container);
    assert!(
        crate::plan_volume(&w.tables, w.now, volume.id).tx.is_empty(),
        "the host has still to remove the data"
    );
    volume.observation.gone = true;
    w.put(volume.clone());
    assert!(!crate::plan_volume(&w.tables, w.now, volume.id).tx.is_empty());
}
