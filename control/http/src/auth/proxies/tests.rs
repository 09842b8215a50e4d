#![allow(clippy::unwrap_used, reason = "tests may panic")]

use axum::http::HeaderValue;

use super::*;

/// `trusted | sender | X-Forwarded-For lines -> client`.
fn check(trusted: &str, sender: &str, lines: &[&str], want: &str) {
    let proxies = TrustedProxies::parse(&[trusted.to_owned()]).unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
    }
    let sender: IpAddr = sender.parse().unwrap();
    proxies.cleanse(&mut headers, sender);
    assert_eq!(proxies.client(&headers, sender).to_string(), want, "{trusted} | {sender} | {lines:?}");
}

#[test]
fn only_trusted_proxies_say_who_the_client_is() {
    check("", "127.0.0.1", &["203.0.113.9"], "203.0.113.9");
    check("", "127.0.0.1", &[], "127.0.0.1");
    check("", "::1", &["203.0.113.9"], "203.0.113.9");
    check("", "::ffff:127.0.0.1", &["203.0.113.9"], "203.0.113.9");
    check("", "192.0.2.7", &["203.0.113.9"], "192.0.2.7");
    check("", "10.1.2.3", &["203.0.113.9"], "10.1.2.3");
    check("10.0.0.0/8", "10.1.2.3", &["203.0.113.9"], "203.0.113.9");
    check("10.0.0.0/8", "127.0.0.1", &["203.0.113.9"], "127.0.0.1");
    check("none", "127.0.0.1", &["203.0.113.9"], "127.0.0.1");
    // What a client wrote itself stands left of what the proxy saw.
    check("", "127.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9");
    check("", "127.0.0.1", &["1.1.1.1", "203.0.113.9"], "203.0.113.9");
    check("10.0.0.0/8,192.0.2.1", "10.0.0.1", &["6.6.6.6, 203.0.113.9, 192.0.2.1"], "203.0.113.9");
    check("", "127.0.0.1", &["203.0.113.9:4711"], "203.0.113.9");
    check("", "127.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1");
    check("", "127.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
    check("", "127.0.0.1", &["unknown"], "127.0.0.1");
    check("", "127.0.0.1", &["203.0.113.9, "], "127.0.0.1");
}

#[test]
fn the_headers_of_others_are_gone_before_anyone_reads_them() {
    let mut headers = HeaderMap::new();
    for name in FORWARDED {
        headers.append(name, HeaderValue::from_static("a"));
        headers.append(name, HeaderValue::from_static("b"));
    }
    headers.append("host", HeaderValue::from_static("h"));
    TrustedProxies::default().cleanse(&mut headers, "192.0.2.7".parse().unwrap());
    assert_eq!(headers.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["host"]);
}

#[test]
fn blocks_are_read_and_hold_what_they_should() {
    for (block, address, want) in [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("2001:db8::/32", "2001:db8:1::7", true),
        ("2001:db8::/32", "2001:db9::", false),
        ("::/0", "2001:db9::", true),
    ] {
        let block: AddressBlock = block.parse().unwrap();
        assert_eq!(block.contains(address.parse().unwrap()), want, "{block:?} {address}");
    }
    for wrong in ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8", "none,10.0.0.0/8"]
    {
        let list = [wrong.to_owned()];
        assert_eq!(TrustedProxies::parse(&list).is_err(), !wrong.is_empty(), "{wrong}");
    }
}
