use crate::tests::testbed::{World, check};

/// What a lone web container is told by a fleet that cannot take it.
#[track_caller]
fn refused(world: &str, expected: &str) {
    let mut w = World::of(world);
    w.step("web");
    let rows = w.copies("web");
    let row =
        rows.iter().find(|row| row.decision.host.is_none()).unwrap_or_else(|| panic!("{}", w.show("web")));
    assert_eq!(row.decision.reason.as_ref().unwrap().message, expected, "{world}");
    let service = w.service_row("web").decision.reason.unwrap();
    assert_eq!(service.message, expected);
}

#[test]
fn a_refusal_says_of_each_host_why() {
    refused(
        "host h1; host h2 inactive; service web port 8080:80; alone db running on h1 port 8080:5432",
        "port 8080/tcp is taken on h1 by db; h2 is switched off for new work",
    );
    refused("host h1 away; host h2 never; service web", "h1 is not connected; h2 has never connected");
    refused("host h1 lost; service web", "h1 is not connected");
    refused("host h1 going; service web", "h1 is being removed");
    refused(
        "host h1; host h2; service web volume data; volume data on h9"
            .replace("h9", "h2")
            .replace("h2;", "h2 away;")
            .as_str(),
        "volume data is on h2, not on h1; h2 is not connected",
    );
    refused("host h1 memory 1000; service web memory 1001", "h1 has too little memory left");
    refused("host h1 cpus 2; service web cpu 2001", "h1 has too little CPU left");
    refused(
        "host h1; service web label io.rancher.scheduler.affinity:host_label=disk=ssd",
        "h1 does not have the label disk=ssd",
    );
    refused(
        "host h1 label disk=ssd; service web label io.rancher.scheduler.affinity:host_label_ne=disk=ssd",
        "h1 has the label disk=ssd",
    );
    refused("host h1; service web joins db", "db, which it joins, has no host yet");
}

#[test]
fn many_hosts_are_counted() {
    let hosts: String =
        (1..=6).map(|n| format!("host h{n}; alone c{n} running on h{n} port 80:80;")).collect();
    refused(
        &format!("{hosts} host h7 away; host h8 away; host h9 inactive; service web port 80:80"),
        "port 80/tcp is taken on 6 hosts; h9 is switched off for new work; 2 hosts are not connected",
    );
}

#[test]
fn ports_clash_by_number_transport_and_address() {
    let table = [
        ("80:80", "80:80", false),
        ("80:80", "81:80", true),
        ("80:80", "80:80/udp", true),
        ("10.0.0.1:80:80", "10.0.0.2:80:80", true),
        ("10.0.0.1:80:80", "10.0.0.1:80:80", false),
        ("10.0.0.1:80:80", "80:80", false),
        ("80:80", "10.0.0.1:80:80", false),
        ("0.0.0.0:80:80", "10.0.0.1:80:80", false),
        ("80", "80", true),
    ];
    for (held, asked, fits) in table {
        let w =
            &mut World::of(&format!("host h1; service web port {asked}; alone a running on h1 port {held}"));
        w.step("web");
        assert_eq!(w.show("web") == "1@h1", fits, "{held} against {asked}");
    }
}

#[test]
fn ports_are_held_by_whatever_runs_or_is_about_to() {
    for (holder, fits) in [
        ("alone a running on h1 port 80:80", false),
        ("alone a new on h1 port 80:80", false),
        ("alone a failed on h1 port 80:80", false),
        ("alone a failed on h1 port 80:80 halted", true),
        ("alone a running on h1 port 80:80 halted", false),
        ("alone a done on h1 port 80:80 once", true),
        ("alone a running on h1 port 80:80 going", false),
        ("alone a gone on h1 port 80:80 going", true),
        ("native a on h1 port 80:80", false),
        ("native a on h1 port 81:80", true),
    ] {
        let w = &mut World::of(&format!("host h1; service web port 80:80; {holder}"));
        w.step("web");
        assert_eq!(w.show("web") == "1@h1", fits, "{holder}");
    }
}

#[test]
fn containers_of_one_plan_do_not_clash() {
    check(
        "host h1; host h2; service web scale 3 port 80:80",
        "make web-1 on h1, make web-2 on h2, \
         make web-3 nowhere (port 80/tcp is taken on h1 by shop-web-1; port 80/tcp is taken on h2 by shop-web-2)",
    );
    check(
        "host h1 memory 100; service web scale 2 memory 60",
        "make web-1 on h1, make web-2 nowhere (h1 has too little memory left)",
    );
}

#[test]
fn spreads_by_service_then_by_load_then_by_id() {
    check("host h1; host h2; service web; alone a running on h1", "make web-1 on h2");
    check(
        "host h1; host h2; service web scale 2; copy web 1 running on h2; alone a running on h1; alone b running on h1",
        "make web-2 on h1",
    );
    check("host h2; host h1; service web", "make web-1 on h2");
    check(
        "host h1; host h2 label disk=ssd; service web scale 2 label io.rancher.scheduler.affinity:host_label_soft=disk=ssd",
        "make web-1 on h2, make web-2 on h2",
    );
}

#[test]
fn a_volume_is_made_where_it_is_first_used_and_pins_from_then_on() {
    check(
        "host h1; host h2; service db scale 2 volume data",
        "volume data on h1, make db-1 on h1, make db-2 on h1",
    );
    check("host h1; host h2; service db volume data; volume data on h2", "make db-1 on h2");
    check(
        "host h1; host h2; service log global volume data",
        "volume data on h1, volume data on h2, make log-1 on h1, make log-2 on h2",
    );
}

#[test]
fn what_joins_another_goes_to_its_host() {
    check(
        "host h1; host h2; service side joins main; service main; copy main 1 running on h2",
        "make side-1 on h2",
    );
    check(
        "host h1; host h2; service side shares main; service main; copy main 1 running on h2",
        "make side-1 on h2",
    );
}

#[test]
fn all_copies_of_a_service_get_the_same_chosen_port() {
    let mut w =
        World::of("host h1; host h2; service web scale 2 port 80; alone a running on h1 port 49153:1");
    w.step("web");
    let ports: Vec<String> = w.copies("web").iter().map(|row| row.decision.ports[0].to_string()).collect();
    assert_eq!(ports, ["49154:80/tcp", "49154:80/tcp"]);
    w.change("web", |intent| intent.launch_version = 2);
    w.live();
    let ports: Vec<String> = w.copies("web").iter().map(|row| row.decision.ports[0].to_string()).collect();
    assert_eq!(ports, ["49154:80/tcp", "49154:80/tcp"]);
}
