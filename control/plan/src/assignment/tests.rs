use contract_protocol::{DesiredRun, NetworkAttachment, RunRule};
use control_model::{Container, ContainerRun, Row, ServiceLink, VolumeTemplate};

use crate::tests::testbed::{World, vault};
use crate::{assign_container, assignment};

fn entry(world: &str, name: &str) -> Option<contract_protocol::ContainerAssignment> {
    let w = World::of(world);
    assign_container(&w.tables, &vault(), &w.container(name))
}

#[test]
fn only_what_shall_be_there_is_in_it() {
    for (world, there) in [
        ("host h1; service web; copy web 1 new on h1", true),
        ("host h1; service web; copy web 1 waiting", false),
        ("host h1; service web; copy web 1 running on h1 retiring", false),
        ("host h1; service web; copy web 1 running on h1 going", false),
        ("host h1 away; service web; copy web 1 running on h1", true),
        ("host h1 lost; service web; copy web 1 running on h1", true),
        ("host h1 going; service web; copy web 1 running on h1", false),
    ] {
        assert_eq!(entry(world, "shop-web-1").is_some(), there, "{world}");
    }
}

#[test]
fn it_runs_unless_somebody_holds_it() {
    for (words, run) in [
        ("new on h1", DesiredRun::Running),
        ("new on h1 held", DesiredRun::Stopped),
        ("running on h1 halted", DesiredRun::Stopped),
    ] {
        let world = format!("host h1; service web; copy web 1 {words}");
        assert_eq!(entry(&world, "shop-web-1").unwrap().run, run, "{words}");
    }
}

#[test]
fn the_platform_restarts_what_ends_but_for_two_cases_that_a_user_writes() {
    for (service, rule) in [
        ("service web", RunRule::KeepRunning),
        ("service web restart always", RunRule::KeepRunning),
        ("service web restart no", RunRule::Once),
        ("service web once", RunRule::Once),
        ("service web once restart always", RunRule::Once),
        ("service web restart on-failure", RunRule::OnFailure { most: Some(3) }),
        ("service web; service other after web:done", RunRule::Once),
        ("service web restart always; service other after web:done", RunRule::KeepRunning),
        ("service web; service other after web:started", RunRule::KeepRunning),
    ] {
        let world = format!("host h1; {service}; copy web 1 new on h1");
        assert_eq!(entry(&world, "shop-web-1").unwrap().rule, rule, "{service}");
    }
}

#[test]
fn labels_of_the_platform_win_over_the_user_s() {
    let world = "host h1; service web label a=b label io.rancher.stack.name=forged; copy web 1 new on h1";
    let labels = entry(world, "shop-web-1").unwrap().spec.labels;
    let get = |key: &str| labels.get(key).map(String::as_str);
    assert_eq!(get("a"), Some("b"));
    assert_eq!(get("io.rancher.stack.name"), Some("shop"));
    assert_eq!(get("io.rancher.project.name"), Some("shop"));
    assert_eq!(get("io.rancher.stack_service.name"), Some("shop/web"));
    assert_eq!(get("io.rancher.container.name"), Some("shop-web-1"));
    assert_eq!(get("io.rancher.environment.uuid"), Some("p-uuid"));
    assert!(get("io.rancher.container.uuid").is_some());
}

#[test]
fn a_stack_has_a_network_in_which_links_are_names() {
    let mut w = World::of("host h1; service web; service db; copy db 1 new on h1; copy web 1 new on h1");
    let db = w.service("db");
    w.change("web", |intent| {
        intent.links.push(ServiceLink { service: db, alias: Some("database".into()) });
    });
    let shall = assignment(&w.tables, &vault(), w.host("h1"));
    let names: Vec<&String> = shall.networks.keys().collect();
    assert_eq!(names, ["lariat-5-7"]);
    let container = &shall.containers[&w.container("shop-db-1").id];
    let NetworkAttachment::Named { network, aliases } = &container.spec.network else {
        panic!("{:?}", container.spec.network)
    };
    assert_eq!(network, "lariat-5-7");
    assert_eq!(aliases, &["database", "db", "shop-db-1"]);
}

#[test]
fn a_container_joins_the_network_of_the_same_number() {
    let mut w = World::of(
        "host h1; service side joins main; service main scale 2; copy main 1 running on h1; copy main 2 running on h1; \
         copy side 2 new on h1",
    );
    let side = w.container("shop-side-2");
    let main = w.container("shop-main-2");
    let attachment =
        |w: &World, row: &Row<Container>| assign_container(&w.tables, &vault(), row).unwrap().spec.network;
    assert_eq!(attachment(&w, &side), NetworkAttachment::Container { id: main.id });
    let mut gone = main;
    gone.removed = Some(w.now);
    w.put(gone);
    assert_eq!(attachment(&w, &side), NetworkAttachment::None);
}

#[test]
fn volumes_have_the_stack_s_name_before_theirs() {
    let mut w = World::of("host h1; service db volume data; copy db 1 new on h1");
    let mut stack = Row::clone(w.tables.stacks.get(crate::tests::testbed::STACK).unwrap());
    stack.intent.volumes.insert("data".into(), VolumeTemplate::default());
    w.put(stack.clone());
    let source = |w: &World| {
        let shall = assignment(&w.tables, &vault(), w.host("h1"));
        let names: Vec<String> = shall.volumes.keys().cloned().collect();
        (shall.containers.values().next().unwrap().spec.mounts[0].source.clone(), names)
    };
    assert_eq!(source(&w), ("shop_data".into(), vec!["shop_data".into()]));
    stack.intent.volumes.insert("data".into(), VolumeTemplate { external: true, ..Default::default() });
    w.put(stack.clone());
    assert_eq!(source(&w), ("data".into(), vec![]));
    stack.intent.volumes.insert("data".into(), VolumeTemplate { per_container: true, ..Default::default() });
    w.put(stack.clone());
    assert_eq!(source(&w).0, "shop_data_1");
    stack.intent.volumes.clear();
    w.put(stack);
    assert_eq!(source(&w).0, "data");
}

#[test]
fn an_order_to_a_native_container_is_given_until_it_is_carried_out() {
    let mut w = World::of("host h1; native n on h1");
    let host = w.host("h1");
    let orders = |w: &World| assignment(&w.tables, &vault(), host).natives;
    assert!(orders(&w).is_empty());
    let mut row = w.container("n");
    row.intent.run = ContainerRun::Stopped;
    row.intent.order = 1;
    w.put(row.clone());
    let order = orders(&w).remove("docker-n").unwrap();
    assert_eq!((order.run, order.order, order.remove), (Some(DesiredRun::Stopped), 1, false));
    row.observation.order_done = 1;
    w.put(row.clone());
    assert!(orders(&w).is_empty());
    row.intent.restarts_asked = 1;
    w.put(row.clone());
    let order = orders(&w).remove("docker-n").unwrap();
    assert_eq!((order.run, order.restarts_asked), (None, 1));
    row.observation.restarts_done = 1;
    row.removal_asked = Some(w.now);
    w.put(row);
    assert!(orders(&w).remove("docker-n").unwrap().remove);
}

#[test]
fn only_changes_that_matter_touch_an_entry() {
    use control_model::Kind;
    let mut w = World::of("host h1; service web; copy web 1 new on h1; service db; copy db 1 new on h1");
    let before = w.tables.clone();
    let mut row = w.container("shop-web-1");
    let id = row.id;
    row.observation.starts = 7;
    w.put(row.clone());
    assert!(crate::touched(&before, &w.tables, Kind::Container, id.raw()).is_empty());
    row.decision.held = true;
    w.put(row);
    let host = w.host("h1");
    assert_eq!(
        crate::touched(&before, &w.tables, Kind::Container, id.raw()).into_iter().collect::<Vec<_>>(),
        [(host, id)]
    );
    let before = w.tables.clone();
    let service = w.service("db");
    let mut row = w.service_row("db");
    row.decision.ready = 1;
    w.put(row);
    assert!(crate::touched(&before, &w.tables, Kind::Service, service.raw()).is_empty());
    w.change("db", |intent| intent.links.push(ServiceLink { service, alias: Some("x".into()) }));
    assert_eq!(crate::touched(&before, &w.tables, Kind::Service, service.raw()).len(), 2);
}

#[test]
fn room_is_given_when_a_container_has_gone_and_not_before() {
    let mut w = World::of("host h1; service web; copy web 1 running on h1");
    let id = w.container("shop-web-1").id.raw();
    let mut step = |change: &dyn Fn(&mut Row<Container>)| {
        let before = w.tables.clone();
        let mut row = Row::clone(before.containers.get_raw(id).unwrap());
        change(&mut row);
        w.put(row);
        crate::gives_room(&before, &w.tables, id)
    };
    let now = crate::tests::testbed::NOW;
    assert!(!step(&|row| row.observation.starts = 9));
    assert!(!step(&|row| row.decision.retire_since = Some(now)));
    assert!(step(&|row| row.observation.rank = control_model::RunReport::Gone));
    assert!(!step(&|row| row.removed = Some(now)));
    // The host never said that it has gone.
    let mut w = World::of("host h1; service web; copy web 1 running on h1 retiring");
    let before = w.tables.clone();
    let mut row = w.container("shop-web-1");
    row.removed = Some(w.now);
    w.put(row.clone());
    assert!(crate::gives_room(&before, &w.tables, row.id.raw()));
}

#[test]
fn new_limits_of_a_service_reach_the_containers_of_its_version() {
    let mut w = World::of("host h1; service web; copy web 1 running on h1");
    let before = assign_container(&w.tables, &vault(), &w.container("shop-web-1")).unwrap();
    w.change("web", |intent| {
        intent.launch.resources.memory = Some(5);
        intent.launch.restart = Some(control_model::RestartPolicy::OnFailure { most: Some(2) });
    });
    let after = assign_container(&w.tables, &vault(), &w.container("shop-web-1")).unwrap();
    assert_eq!(after.spec.resources.memory, Some(5));
    assert_eq!(after.spec.restart, contract_protocol::RestartPolicy::OnFailure { most: Some(2) });
    assert_eq!(after.rule, RunRule::OnFailure { most: Some(2) });
    assert_eq!((after.incarnation, &after.name), (before.incarnation, &before.name));
    // A version that makes new containers leaves the old ones as they are until they go.
    w.change("web", |intent| {
        intent.launch.resources.memory = Some(6);
        intent.launch_version += 1;
    });
    let old = assign_container(&w.tables, &vault(), &w.container("shop-web-1")).unwrap();
    assert_eq!(old.spec.resources.memory, None);
}
