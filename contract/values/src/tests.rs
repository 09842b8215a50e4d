use proptest::prelude::*;

use super::*;

#[test]
fn ids_print_with_their_kind_and_travel_as_numbers() {
    assert_eq!(HostId::new(7).to_string(), "host-7");
    assert_eq!(format!("{:?}", ServiceId::new(3)), "service-3");
    assert_eq!(serde_json::to_string(&StackId::new(9)).unwrap(), "9");
    assert_eq!(serde_json::from_str::<StackId>("9").unwrap(), StackId::new(9));
}

#[test]
fn secrets_are_not_printed() {
    assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "***");
}

#[test]
fn times_print_as_the_api_writes_them() {
    assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
    assert_eq!(Timestamp(1_488_362_400_000).to_string(), "2017-03-01T10:00:00Z");
    assert_eq!(Timestamp(1_709_164_799_999).to_string(), "2024-02-28T23:59:59Z");
    assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59Z");
}

#[test]
fn ports_parse_as_the_api_writes_them() {
    for (text, shown) in [
        ("80", "80/tcp"),
        ("8080:80", "8080:80/tcp"),
        ("53:53/udp", "53:53/udp"),
        ("127.0.0.1:8080:80", "127.0.0.1:8080:80/tcp"),
        ("127.0.0.1::80", "127.0.0.1::80/tcp"),
        ("[::1]:8080:80", "[::1]:8080:80/tcp"),
    ] {
        assert_eq!(text.parse::<PortMapping>().unwrap().to_string(), shown, "{text}");
    }
    for (text, error) in [
        ("70000:80", "the public port `70000` is not a number from 1 to 65535"),
        ("80:70000", "the private port `70000` is not a number from 1 to 65535"),
        ("80:0", "the private port `0` is not a number from 1 to 65535"),
        ("80/sctp", "the protocol `sctp` is neither tcp nor udp"),
        ("x:1:2", "`x:1:2` is not of the form [ip:][public:]private[/tcp|udp]"),
        ("", "the private port `` is not a number from 1 to 65535"),
    ] {
        assert_eq!(text.parse::<PortMapping>().unwrap_err().to_string(), error, "{text}");
    }
}

#[test]
fn images_parse_as_docker_reads_them() {
    for text in [
        "nginx",
        "nginx:1.27",
        "library/nginx:latest",
        "localhost:5000/team/app:1",
        "registry.example.org/a/b@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ] {
        assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), text);
    }
    assert_eq!("docker:nginx".parse::<ImageRef>().unwrap().to_string(), "nginx");
    for text in ["", ":tag", "Upper", "a//b", "a:t ag", "a@sha256:zz", "-a", "a/-b"] {
        assert!(text.parse::<ImageRef>().is_err(), "{text}");
    }
}

#[test]
fn names_follow_the_rules_of_dns_labels() {
    assert_eq!(check_dns_label("web-1"), Ok(()));
    assert_eq!(check_dns_label(""), Err(NameError::Empty));
    assert_eq!(check_dns_label("a_b"), Err(NameError::Character { found: '_' }));
    assert_eq!(check_dns_label("-a"), Err(NameError::EdgeHyphen));
    assert_eq!(check_dns_label("a--b"), Err(NameError::DoubleHyphen));
    assert_eq!(check_dns_label(&"a".repeat(64)), Err(NameError::TooLong { length: 64 }));
}

proptest! {
    #[test]
    fn parsers_take_any_text_without_panic(text in ".{0,64}") {
        let _ = text.parse::<PortMapping>();
        let _ = text.parse::<ImageRef>();
        let _ = check_dns_label(&text);
    }

    #[test]
    fn a_port_that_parses_prints_to_the_same_port(text in "(([0-9]{1,3}\\.){3}[0-9]{1,3}:)?([0-9]{1,5}:)?[0-9]{1,5}(/tcp|/udp)?") {
        if let Ok(port) = text.parse::<PortMapping>() {
            prop_assert_eq!(port.to_string().parse::<PortMapping>().unwrap(), port);
        }
    }
}
