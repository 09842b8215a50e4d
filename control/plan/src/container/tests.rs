use contract_values::ContainerId;
use control_model::{Container, Row};

use crate::tests::testbed::World;

/// Checks what the plan of the standalone or native container `a` does.
#[track_caller]
fn check(world: &str, expected: &str) -> Row<Container> {
    let mut w = World::of(world);
    let id: ContainerId = w.container("a").id;
    let plan =
        w.plan_with(|tables, settings, now, supply| crate::plan_container(tables, settings, now, id, supply));
    assert_eq!(w.words(&plan), expected, "{world}");
    w.apply(&plan.tx);
    Row::clone(w.tables.containers.get(id).unwrap())
}

#[test]
fn a_container_of_its_own_is_placed_once() {
    check("host h1; alone a waiting", "place a on h1");
    check("host h1; alone a running on h1", "");
    check("alone a waiting", "say a (the environment has no host)");
    check("host h1; alone a waiting halted", "");
}

#[test]
fn whom_a_person_sends_to_a_host_goes_there() {
    let world = "host h1; host h2; alone b running on h2 port 80:80";
    check(&format!("{world}; alone a waiting at h2 port 80:80"), "place a on h2");
    check("host h1; host h2 away; alone a waiting at h2", "say a (h2 is not connected)");
}

#[test]
fn it_stays_with_its_host_and_says_when_that_is_away() {
    check("host h1 away; alone a running on h1", "");
    let row = check("host h1 lost; alone a running on h1", "say a (its host h1 is not connected)");
    assert!(row.decision.host.is_some());
    check("host h1 going; alone a running on h1", "finish a");
}

#[test]
fn its_removal_ends_with_its_host_s_word_or_without() {
    check("host h1; alone a running on h1 going", "");
    check("host h1; alone a gone on h1 going", "finish a");
    check("host h1 away; alone a running on h1 going", "finish a");
    check("host h1; alone a running on h1 going since 70", "finish a");
    check("alone a waiting going", "finish a");
}

#[test]
fn the_host_s_view_of_a_native_container_wins() {
    check("host h1; native a on h1", "");
    check("host h1; native a on h1 going", "");
    check("host h1 away; native a on h1 going", "");
    check("host h1 going; native a on h1", "finish a");
}
