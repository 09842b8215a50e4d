use super::{Published, published};

#[test]
fn published_ports_are_taken_apart() {
    let port = |private, protocol: &str, address: Option<&str>, public| {
        Some(Published { private, protocol: protocol.into(), address: address.map(str::to_owned), public })
    };
    for (text, expected) in [
        ("8080:80/tcp", port(80, "tcp", None, 8080)),
        ("8080:80", port(80, "tcp", None, 8080)),
        ("10.0.0.1:53:53/udp", port(53, "udp", Some("10.0.0.1"), 53)),
        ("0.0.0.0:1:2/tcp", port(2, "tcp", None, 1)),
        ("[2001:db8::1]:1:2/tcp", port(2, "tcp", Some("2001:db8::1"), 1)),
        ("80", None),
        ("a:b", None),
    ] {
        assert_eq!(published(text), expected, "{text}");
    }
}
