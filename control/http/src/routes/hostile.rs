//! Whatever a request holds gives an answer or an error, in bounded time and without a panic.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use contract_api::Version;
use contract_values::{Secret, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::input::object_of;
use super::request::{ApiRequest, Origin, Peer};
use super::{Endpoint, Rule};
use crate::auth::proxies::{AddressBlock, TrustedProxies};
use crate::auth::token::{Purpose, Signer};
use crate::auth::{Proof, proof_of};
use crate::launch::{config_of, read_config, spec_of};

fn headers(pairs: &[(String, Vec<u8>)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            map.append(name, value);
        }
    }
    map
}

fn any_headers() -> impl Strategy<Value = HeaderMap> {
    let name = prop::sample::select(vec![
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "forwarded",
        "authorization",
        "cookie",
        "content-type",
    ]);
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[a-z0-9.:\\[\\],; =/%-]{0,40}".prop_map(String::into_bytes),
        "(Basic|Bearer|basic|Digest) [A-Za-z0-9+/=.:]{0,40}".prop_map(String::into_bytes),
        "token=[a-z.]{0,10}; CSRF=[a-z]{0,5}".prop_map(String::into_bytes),
    ];
    prop::collection::vec((name.prop_map(str::to_owned), value), 0..8).prop_map(|pairs| headers(&pairs))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![Just(0), Just(-1), Just(i64::MAX), Just(i64::MIN), any::<i64>()].prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::String),
        "[0-9:/a-z.=,-]{0,16}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-zA-Z/:]{1,10}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn any_path_is_taken_apart_and_has_a_rule(path in "(/[A-Za-z0-9.%_~-]{0,12}){0,8}", query in "[A-Za-z0-9_=&%+.-]{0,60}") {
        let text = format!("/{}?{query}", path.trim_start_matches('/'));
        if let Ok(uri) = text.parse::<Uri>() {
            let endpoint = Endpoint::of(uri.path());
            let parsed = ApiRequest::parse(&Method::POST, &uri);
            if let Ok(Some(request)) = parsed {
                // What is part of the API is never served under a rule that lets everybody in.
                if endpoint == Endpoint::Api {
                    prop_assert_eq!(endpoint.rule(), Rule::Schemas);
                }
                prop_assert!(request.path.iter().all(|part| !part.is_empty()));
            }
        }
    }

    #[test]
    fn percent_signs_hide_no_version_and_no_segment(version in prop::sample::select(vec!["v1", "v2-beta"]), tail in "[a-z]{1,8}") {
        // The endpoint is chosen before anything is decoded; a path that looks like a page by then must not be one of the API later.
        let hidden: String = version.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let uri: Uri = format!("/{hidden}/{tail}").parse().unwrap();
        prop_assert_eq!(Endpoint::of(uri.path()), Endpoint::Page);
    }

    #[test]
    fn links_begin_with_a_plausible_host_whatever_headers_say(headers in any_headers(), trusted in any::<bool>()) {
        let mut headers = headers;
        let proxies = if trusted { TrustedProxies::default() } else { TrustedProxies::new(Vec::new()) };
        let sender: IpAddr = "127.0.0.1".parse().unwrap();
        proxies.cleanse(&mut headers, sender);
        let client = proxies.client(&headers, sender);
        prop_assert!(trusted || client == sender);
        let peer = Peer { address: "127.0.0.1:1".parse().unwrap(), tls: false };
        let origin = Origin::of(&headers, &Uri::from_static("/v1"), peer).text();
        let host = origin.split_once("://").unwrap().1;
        prop_assert!(host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte)), "{}", origin);
    }

    #[test]
    fn blocks_of_addresses_are_read_or_refused(text in "[0-9a-f.:/]{0,30}", address in any::<u128>()) {
        if let Ok(block) = text.parse::<AddressBlock>() {
            let _ = block.contains(IpAddr::from(address.to_be_bytes()));
            let _ = block.contains(IpAddr::from((address as u32).to_be_bytes()));
        }
    }

    #[test]
    fn any_body_is_an_object_or_refused(headers in any_headers(), body in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        any_json().prop_map(|value| value.to_string().into_bytes()),
        "[a-z]{0,5}=[a-z%0-9+]{0,9}(&[a-z]{0,5}=[a-z]{0,5}){0,5}".prop_map(String::into_bytes),
    ]) {
        let _ = object_of(&headers, &body);
    }

    #[test]
    fn nothing_but_what_was_signed_is_a_session(headers in any_headers(), text in "[A-Za-z0-9._-]{0,80}") {
        let signer = Signer::new(Secret::new("key".to_owned()));
        let (proof, _) = proof_of(&headers, &[("token".to_owned(), text.clone())]);
        if let Proof::Session { jwt, .. } = proof {
            prop_assert!(signer.read_jwt(Purpose::Session, jwt.expose(), Timestamp(0)).is_none());
        }
        // A true token with one letter changed is none either.
        let claims = serde_json::Map::from_iter([("sid".to_owned(), json!("1"))]);
        let token = signer.jwt(Purpose::Session, claims, Timestamp(1_000_000));
        prop_assert!(signer.read_jwt(Purpose::Session, &token, Timestamp(0)).is_some());
        prop_assert!(signer.read_jwt(Purpose::Socket, &token, Timestamp(0)).is_none());
        let place = text.len() % token.len();
        let mut bytes = token.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        // The last letter of base64 holds bits that mean nothing; every other place counts.
        if changed != token && place + 1 < token.len() {
            prop_assert!(signer.read_jwt(Purpose::Session, &changed, Timestamp(0)).is_none(), "{}", changed);
        }
        prop_assert!(!signer.is_registration(&text, "AB", "hash"));
    }

    #[test]
    fn any_launch_is_read_or_refused_and_shown_as_it_was_taken(fields in prop::collection::vec((any::<prop::sample::Index>(), any_json()), 0..8)) {
        let schema = contract_api::Schemas::of(Version::V2Beta, contract_api::Role::Owner).find("launchConfig").unwrap();
        let input: serde_json::Map<String, Value> = fields
            .into_iter()
            .map(|(index, value)| (schema.fields[index.index(schema.fields.len())].0.to_owned(), value))
            .collect();
        if let Ok(config) = read_config(&input)
            && let Ok(spec) = spec_of(&config)
        {
            // What is shown can be sent back and means the same.
            let shown = serde_json::to_value(config_of(&spec)).unwrap();
            let Value::Object(members) = shown else { panic!("{shown}") };
            let again = read_config(&members).and_then(|config| spec_of(&config));
            prop_assert_eq!(again.map_err(|invalid| invalid.message), Ok(spec));
        }
    }
}
