use std::collections::BTreeMap;
use std::time::Duration;

use crate::{
    Backoff, ConfigFile, Context, Given, LogLine, LogSource, Origin, Pin, Proxies, ServerAddress, Settings,
};
use contract_values::Secret;

#[test]
fn addresses_are_read_as_people_write_them() {
    let cases = [
        ("http://h:8080", "http://h:8080", None),
        ("http://h:8080/", "http://h:8080", None),
        ("h:8080", "http://h:8080", None),
        ("https://h/v1", "https://h", None),
        ("https://h/v2-beta/projects/1a5/schemas", "https://h", Some("1a5")),
        ("https://h/v2-beta/projects/1a5", "https://h", Some("1a5")),
        ("https://h/rancher/v2-beta", "https://h/rancher", None),
        ("http://[::1]:8080/v2-beta", "http://[::1]:8080", None),
    ];
    for (given, shown, project) in cases {
        let address = ServerAddress::parse(given).unwrap();
        assert_eq!((address.to_string().as_str(), address.project()), (shown, project), "{given}");
    }
    for wrong in ["", "ftp://h", "http://", "http://user:secret@h"] {
        let error = ServerAddress::parse(wrong).unwrap_err();
        assert!(error.to_string().contains("no address of a server"), "{error}");
    }
}

#[test]
fn links_are_followed_on_the_server_that_was_named() {
    let address = ServerAddress::parse("https://real:8443").unwrap();
    let url = address.rebase("http://evil/v2-beta/stacks/1st1/?action=upgrade").unwrap();
    assert_eq!(url.as_str(), "https://real:8443/v2-beta/stacks/1st1/?action=upgrade");
}

#[test]
fn ids_cannot_leave_their_place_in_a_url() {
    let address = ServerAddress::parse("http://h").unwrap();
    assert_eq!(address.url(&["v2-beta", "stacks", "../x?y"]).as_str(), "http://h/v2-beta/stacks/..%2Fx%3Fy");
}

#[test]
fn pins_are_read_with_and_without_colons() {
    let pin = Pin::of(b"certificate");
    assert_eq!(pin.to_string().parse::<Pin>().unwrap(), pin);
    let hex = pin.to_string().trim_start_matches("sha256:").to_uppercase();
    let colons: Vec<String> =
        hex.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect();
    assert_eq!(format!("sha256:{}", colons.join(":")).parse::<Pin>().unwrap(), pin);
    for wrong in ["", "sha256:", "sha1:00", "sha256:zz", &hex] {
        assert!(wrong.parse::<Pin>().is_err(), "{wrong}");
    }
}

#[test]
fn delays_grow_and_stay_within_their_bound() {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    for full in [100, 200, 400, 800, 1000, 1000] {
        let mut least = backoff.clone();
        assert_eq!(least.next(0), Duration::from_millis(full / 2));
        assert_eq!(backoff.next(999), Duration::from_millis(full));
    }
    backoff.reset();
    assert_eq!(backoff.next(999), Duration::from_millis(100));
}

#[test]
fn log_frames_say_where_a_line_was_written() {
    let line = |source, text: &str| Some(LogLine { source, text: text.to_owned() });
    let cases = [
        ("01 hello\n", line(LogSource::Output, "hello")),
        ("02 oh", line(LogSource::Error, "oh")),
        ("00 tty\r\n", line(LogSource::Output, "tty")),
        ("01 ", line(LogSource::Output, "")),
        ("bare", line(LogSource::Output, "bare")),
        ("", None),
    ];
    for (frame, expected) in cases {
        assert_eq!(crate::logs::parse(frame), expected, "{frame:?}");
    }
}

fn settings(variables: &[(&str, &str)], file: &ConfigFile) -> Settings {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    Settings::join(|name| variables.get(name).map(|value| (*value).to_owned()), file, None).unwrap()
}

fn context(url: &str, access: &str) -> Context {
    Context {
        url: Some(url.into()),
        access_key: Some(access.into()),
        secret_key: Some(Secret::new("file-secret".into())),
        environment: Some("1a5".into()),
        ..Context::default()
    }
}

fn signed_in() -> ConfigFile {
    let mut file = ConfigFile::default();
    file.current = Some("default".into());
    file.contexts.insert("default".into(), context("http://file", "FILE"));
    file
}

#[test]
fn a_file_with_one_server_is_read_as_a_context() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cli.json");
    let old =
        r#"{"accessKey":"FILE","secretKey":"file-secret","url":"http://file","environment":"1a5","path":""}"#;
    std::fs::write(&path, old).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(ConfigFile::load(&path).unwrap(), signed_in());
}

#[test]
fn contexts_are_chosen_by_name_or_by_their_server() {
    let mut file = signed_in();
    file.contexts.insert("other".into(), context("http://other/", "OTHER"));
    let key = |found: &Settings| found.access_key.as_ref().map(|key| key.value.clone());
    let found = settings(&[], &file);
    assert_eq!((key(&found).as_deref(), found.context.unwrap().origin), (Some("FILE"), Origin::File));
    let found = settings(&[("LARIAT_URL", "http://other")], &file);
    assert_eq!((key(&found).as_deref(), found.context.unwrap().value.as_str()), (Some("OTHER"), "other"));
    let found = settings(&[("LARIAT_CONTEXT", "other")], &file);
    assert_eq!((key(&found).as_deref(), found.url.unwrap().value.as_str()), (Some("OTHER"), "http://other/"));
    // A context and another server together: the server gets nothing of the context.
    let found = settings(&[("LARIAT_CONTEXT", "other"), ("LARIAT_URL", "http://evil")], &file);
    assert_eq!((key(&found), found.url.unwrap().value.as_str()), (None, "http://evil"));
    let named = Given { value: "nope".to_owned(), origin: Origin::Option("--context") };
    let error = Settings::join(|_| None, &file, Some(named)).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.known.len()), ("there is no context `nope`", 2));
    file.current = None;
    assert_eq!(settings(&[], &file), Settings::default());

    assert_eq!(ConfigFile::default().name_for("http://h:8080"), "default");
    assert_eq!(file.name_for("http://other"), "other");
    assert_eq!(file.name_for("https://new.example:8443/x"), "new.example");
    file.contexts.insert("new.example".into(), Context::default());
    assert_eq!(file.name_for("https://new.example"), "new.example-2");
}

#[test]
fn changes_at_once_do_not_undo_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let path = &path;
            scope.spawn(move || {
                let name = format!("c{number}");
                ConfigFile::change(path, |file| file.contexts.insert(name, context("http://h", "K")))
                    .unwrap();
            });
        }
    });
    assert_eq!(ConfigFile::load(&path).unwrap().contexts.len(), 8);
}

#[test]
fn variables_win_over_the_file_and_ours_over_the_old_ones() {
    let found =
        settings(&[("RANCHER_URL", "http://old"), ("LARIAT_URL", "http://new")], &ConfigFile::default());
    let url = found.url.unwrap();
    assert_eq!((url.value.as_str(), url.origin), ("http://new", Origin::Variable("LARIAT_URL")));
    let found = settings(&[("RANCHER_ENVIRONMENT", "1a7")], &signed_in());
    assert_eq!(found.environment.unwrap().value, "1a7");
    assert_eq!(found.access_key.unwrap().origin, Origin::Context("default".into()));
}

#[test]
fn keys_of_one_server_are_never_given_to_another() {
    let found = settings(&[("LARIAT_URL", "http://elsewhere")], &signed_in());
    assert_eq!((found.access_key, found.secret_key, found.environment), (None, None, None));
    let found = settings(&[("LARIAT_URL", "http://file/")], &signed_in());
    assert_eq!(found.access_key.unwrap().value, "FILE");
}

#[test]
fn half_a_key_from_the_environment_is_not_completed_from_the_file() {
    let found = settings(&[("LARIAT_ACCESS_KEY", "ENV")], &signed_in());
    assert_eq!(found.access_key.unwrap().value, "ENV");
    assert_eq!(found.secret_key, None);
}

#[test]
fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/config.json");
    assert_eq!(ConfigFile::load(&path).unwrap(), ConfigFile::default());
    signed_in().save(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(ConfigFile::load(&path).unwrap(), signed_in());
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left there");

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = ConfigFile::load(&path).unwrap_err().to_string();
    assert!(error.contains("can be read by others (mode 644)"), "{error}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "{").unwrap();
    let error = ConfigFile::load(&path).unwrap_err().to_string();
    assert!(error.contains("is no configuration of this program"), "{error}");
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", signed_in());
    assert!(!shown.contains("file-secret"), "{shown}");
}

#[test]
fn proxies_are_chosen_as_curl_does() {
    let variables = |given: &'static [(&'static str, &'static str)]| {
        move |name: &str| given.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
    };
    let chosen = |given: &'static [(&'static str, &'static str)], server: &str| {
        let proxies = Proxies::from_variables(variables(given));
        let server = ServerAddress::parse(server).unwrap();
        proxies.for_server(&server).map(|proxy| proxy.value.expose().to_owned())
    };
    let both: &[_] =
        &[("HTTP_PROXY", "http://plain:1"), ("https_proxy", "http://tls:2"), ("HTTPS_PROXY", "x")];
    assert_eq!(chosen(both, "http://h").as_deref(), Some("http://plain:1"));
    assert_eq!(chosen(both, "https://h").as_deref(), Some("http://tls:2"));
    assert_eq!(chosen(&[("ALL_PROXY", "a:1")], "https://h").as_deref(), Some("a:1"));
    assert_eq!(chosen(&[("HTTP_PROXY", " ")], "http://h"), None);
    for own in ["http://localhost:8080", "http://127.0.0.1", "http://127.9.9.9", "http://[::1]:8080"] {
        assert_eq!(chosen(both, own), None, "{own}");
    }
    let direct: &[_] = &[
        ("HTTP_PROXY", "p:1"),
        (
            "NO_PROXY",
            "example.org, .inner.net,*.star.net 10.0.0.0/8,192.168.1.1,port.net:8080,2001:db8::/32,[::2]:9",
        ),
    ];
    for (server, through_proxy) in [
        ("http://example.org", false),
        ("http://EXAMPLE.org.", false),
        ("http://www.example.org", false),
        ("http://notexample.org", true),
        ("http://inner.net", false),
        ("http://a.inner.net", false),
        ("http://a.star.net", false),
        ("http://10.1.2.3", false),
        ("http://11.1.2.3", true),
        ("http://192.168.1.1", false),
        ("http://192.168.1.11", true),
        ("http://port.net:8080", false),
        ("http://port.net", true),
        ("http://[2001:db8::7]", false),
        ("http://[::2]:9", false),
        ("http://[::2]:8", true),
    ] {
        assert_eq!(chosen(direct, server).is_some(), through_proxy, "{server}");
    }
    assert_eq!(chosen(&[("HTTP_PROXY", "p:1"), ("no_proxy", "*")], "http://10.0.0.1"), None);
}

#[test]
fn a_proxy_that_makes_no_sense_is_told_without_its_password() {
    let server = ServerAddress::parse("http://h").unwrap();
    for (value, why) in [
        ("socks5://u:hush@p", "only http"),
        ("http://u:hush@:x y", "no address"),
        ("https://u:hush@p", "only http"),
    ] {
        let proxies = Proxies::from_variables(|name| (name == "HTTP_PROXY").then(|| value.to_owned()));
        let error = proxies.for_reqwest(&server).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("HTTP_PROXY") && !error.contains("hush"), "{error}");
        assert!(!format!("{proxies:?}").contains("hush"));
        assert_eq!(proxies.shown_for(&server).unwrap().value, "(no usable address)");
    }
}

#[test]
fn a_proxy_is_shown_without_its_password() {
    let server = ServerAddress::parse("http://h").unwrap();
    let proxies =
        Proxies::from_variables(|name| (name == "http_proxy").then(|| "u:hush@p.test:3128".to_owned()));
    let shown = proxies.shown_for(&server).unwrap();
    assert_eq!((shown.value.as_str(), shown.origin), ("http://p.test:3128", Origin::Variable("http_proxy")));
}
