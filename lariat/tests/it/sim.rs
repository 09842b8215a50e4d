//! The user commands against the real server with simulated hosts, all in this process.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Parser as _;
use lariat_cli::{Cli, Io};
use serde_json::Value;
use testkit_dev::{DevOptions, DevServer, Role};

const SHOP: &str = "\
services:
  web:
    image: sim:web
    scale: 3
    ports: [\"8080:80\"]
    labels: {tier: front}
  db:
    image: sim:db
  init:
    image: sim:exit-0
    labels: {io.rancher.container.start_once: \"true\"}
";

struct Office {
    server: DevServer,
    folder: tempfile::TempDir,
}

struct Done {
    out: String,
    err: String,
    code: i32,
}

impl Done {
    fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self.out
    }
}

impl Office {
    async fn open() -> Self {
        let server = DevServer::start(DevOptions::default()).await.unwrap();
        Self { server, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    async fn run(&self, arguments: &[&str]) -> Done {
        self.run_as(Role::Owner, arguments, "").await
    }

    async fn run_as(&self, role: Role, arguments: &[&str], input: &str) -> Done {
        let key = self.server.key(role);
        let variables: BTreeMap<String, String> = [
            ("LARIAT_URL", self.server.url().to_owned()),
            ("LARIAT_ACCESS_KEY", key.access_key.clone()),
            ("LARIAT_SECRET_KEY", key.secret_key.expose().to_owned()),
            ("LARIAT_ENVIRONMENT", "1a5".to_owned()),
            ("HOME", self.path().join("home").display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let line = ["lariat"].iter().chain(arguments).copied();
        let cli = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{error}"));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = i64::try_from(now.as_millis()).unwrap();
        let (io, out, err) = Io::captured(variables, self.path().to_owned(), input, now);
        let code = lariat_cli::run(cli.globals, cli.command, io).await;
        Done { out: out.text(), err: err.text(), code }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sim_a_stack_through_its_whole_life() {
    let office = Office::open().await;
    office.file("docker-compose.yml", SHOP);
    let up = office.run(&["up", "-s", "shop", "--timeout", "60"]).await;
    assert_eq!(up.code, 0, "{}\n{}", up.out, up.err);
    let services = office.run(&["services", "--format", "{{.name}} {{.done}} {{.scale}}"]).await.ok();
    assert_eq!(services, "shop/db false 1\nshop/init true 1\nshop/web false 3\n");
    let table = office.run(&["services"]).await.ok();
    assert!(table.lines().any(|line| line.contains("shop/init") && line.contains(" done ")), "{table}");
    let hosts: Vec<String> = office
        .run(&["ps", "shop/web", "--format", "{{.host}}"])
        .await
        .ok()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(hosts.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{hosts:?}");
    assert_eq!(office.run(&["port", "shop/web", "80"]).await.ok().lines().count(), 3);

    // Nothing changed, then one service did.
    let again = office.run(&["up", "-s", "shop"]).await;
    assert!(again.code == 0 && again.err.contains("stack shop unchanged"), "{}", again.err);
    let ids = async |name: &str| office.run(&["ps", "-q", name]).await.ok();
    let (web, db) = (ids("shop/web").await, ids("shop/db").await);
    office.file("docker-compose.yml", &SHOP.replace("sim:db", "sim:db_2"));
    let changed = office.run(&["up", "-s", "shop"]).await;
    assert!(changed.code == 0 && changed.err.contains("stack shop updated"), "{}", changed.err);
    assert_eq!((ids("shop/web").await, ids("shop/db").await == db), (web, false));

    assert_eq!(office.run(&["scale", "shop/db=2"]).await.ok(), "shop/db=2\n");
    assert_eq!(office.run(&["ps", "-q", "shop/db"]).await.ok().lines().count(), 2);
    office.run(&["restart", "shop/db", "--batch-size", "2"]).await.ok();
    office.run(&["stop", "shop"]).await.ok();
    let running = office.run(&["ps", "--format", "{{.state}}"]).await.ok();
    assert!(!running.contains("running"), "{running}");
    let up = office.run(&["up", "-s", "shop"]).await;
    assert!(up.code == 0 && up.err.contains("service web started"), "{}", up.err);
    office.run(&["wait", "shop", "--state", "active", "--timeout", "30"]).await.ok();

    let logs = office.run(&["logs", "shop/web", "-n", "1"]).await.ok();
    assert!(logs.lines().all(|line| line.starts_with("shop-web-")), "{logs}");
    let exec = office.run(&["exec", "shop/web", "sh", "-c", "echo out; echo err >&2; exit 7"]).await;
    assert_eq!((exec.out.as_str(), exec.err.as_str(), exec.code), ("out\n", "err\n", 7));

    office.run(&["export", "shop"]).await.ok();
    let exported = std::fs::read_to_string(office.path().join("shop/docker-compose.yml")).unwrap();
    assert!(exported.contains("sim:db_2") && exported.contains("tier"), "{exported}");
    assert_eq!(office.run(&["rm", "-f", "shop"]).await.ok(), "shop\n");
    assert_eq!(office.run(&["stacks", "-q"]).await.ok(), "");
    office.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sim_failures_are_told_with_their_reasons() {
    let office = Office::open().await;
    office.file("broken.yml", "services:\n  web:\n    image: sim:missing\n    pull_policy: always\n");
    let up = office.run(&["up", "-s", "shop", "-f", "broken.yml", "--timeout", "60"]).await;
    assert_eq!(up.code, 1);
    assert!(up.err.contains("failed: shop/web: ") && up.err.contains("hint: "), "{}", up.err);
    let json = office.run(&["services", "--format", "json"]).await.ok();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["reason"]["code"], "image_not_found", "{json:#}");
    office.file("ends.yml", "services:\n  job:\n    image: sim:crash\n");
    let up = office.run(&["up", "-s", "ends", "-f", "ends.yml", "--timeout", "60"]).await;
    assert_eq!(up.code, 1);
    assert!(up.err.contains("code 1"), "{}", up.err);
    office.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sim_hosts_are_emptied_and_named() {
    let office = Office::open().await;
    office.file("docker-compose.yml", "services:\n  web:\n    image: sim:web\n    scale: 3\n");
    office.run(&["up", "-s", "shop", "--timeout", "60"]).await.ok();
    let names = office.run(&["hosts", "--format", "{{.name}}"]).await.ok();
    let first = names.lines().next().unwrap().to_owned();
    office.run(&["hosts", "set", &first, "--name", "front", "-l", "zone=a", "-l", "gone="]).await.ok();
    office.run(&["hosts", "set", "front", "--remove-label", "gone"]).await.ok();
    let host: Value = serde_json::from_str(&office.run(&["hosts", "--format", "json"]).await.ok()).unwrap();
    let host = host.as_array().unwrap().iter().find(|host| host["name"] == "front").unwrap().clone();
    assert_eq!((&host["labels"]["zone"], &host["labels"]["gone"]), (&"a".into(), &Value::Null), "{host:#}");
    office.run(&["stop", "front", "--type", "host"]).await.ok();
    let state = office.run(&["hosts", "--format", "{{.name}} {{.state}}"]).await.ok();
    assert!(state.contains("front inactive"), "{state}");
    assert_eq!(office.run(&["start", "front"]).await.ok(), "front\n");
    office.run(&["hosts", "evacuate", "front", "--timeout", "30"]).await.ok();
    let limit = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        let mut watch = office.server.store().watch();
        while !office.run(&["ps", "--host", "front", "-q"]).await.ok().is_empty()
            || office.run(&["ps", "shop/web", "--format", "{{.state}}"]).await.ok() != "running\n".repeat(3)
        {
            let _ = watch.next().await;
        }
    });
    if limit.await.is_err() {
        panic!("{}", office.run(&["ps"]).await.out);
    }
    office.run(&["hosts", "rm", "-f", "front"]).await.ok();
    assert_eq!(office.run(&["hosts", "-q"]).await.ok().lines().count(), 2);
    office.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sim_secrets_registries_certificates_and_people() {
    let office = Office::open().await;
    office.file("pass", "hush");
    assert_eq!(office.run(&["secrets", "create", "pass", "pass"]).await.ok(), "pass\n");
    let shown = office.run(&["secrets", "inspect", "pass"]).await.ok();
    assert!(!shown.contains("aHVzaA") && shown.contains("\"name\": \"pass\""), "{shown}");
    assert_eq!(office.run(&["secrets", "create", "pass", "pass"]).await.code, 1, "the name is taken");
    assert_eq!(office.run(&["rm", "-f", "pass", "--type", "secret"]).await.ok(), "pass\n");
    assert_eq!(office.run(&["secrets", "-q"]).await.ok(), "");

    let create = ["registries", "create", "registry.test:5000", "-u", "ann", "--password-stdin"];
    let made = office.run_as(Role::Owner, &create, "one\n").await;
    assert_eq!(made.ok(), "registry.test:5000\n");
    office.run_as(Role::Owner, &create, "two\n").await.ok();
    assert_eq!(
        office.run(&["registries", "--format", "{{.serverAddress}}"]).await.ok(),
        "registry.test:5000\n"
    );
    office.run(&["registries", "rm", "-f", "registry.test:5000"]).await.ok();

    let certificate = rcgen::generate_simple_self_signed(["www.test".to_owned()]).unwrap();
    office.file("cert.pem", &certificate.cert.pem());
    office.file("key.pem", &certificate.signing_key.serialize_pem());
    let create = ["certificates", "create", "www", "--cert", "cert.pem", "--key", "key.pem"];
    assert_eq!(office.run(&create).await.ok(), "www\n");
    let names =
        office.run(&["certificates", "--format", "{{.name}} {{.subjectAlternativeNames}}"]).await.ok();
    assert_eq!(names, "www [\"www.test\"]\n");
    let wrong = ["certificates", "create", "other", "--cert", "cert.pem", "--key", "pass"];
    assert_eq!(office.run(&wrong).await.code, 1);
    office.run(&["rm", "-f", "www"]).await.ok();

    let eve = ["users", "create", "eve", "--password-stdin"];
    assert_eq!(office.run_as(Role::Superadmin, &eve, "long enough 1\n").await.ok(), "eve\n");
    office.run_as(Role::Superadmin, &["members", "add", "eve", "--role", "readonly"], "").await.ok();
    let list = ["members", "--format", "{{.name}} {{.role}}"];
    let members = office.run_as(Role::Superadmin, &list, "").await.ok();
    assert!(members.contains("eve readonly"), "{members}");
    // Once more changes the role, and makes no second member.
    office.run_as(Role::Superadmin, &["members", "add", "eve", "--role", "member"], "").await.ok();
    let members = office.run_as(Role::Superadmin, &list, "").await.ok();
    assert_eq!(members.matches("eve ").count(), 1, "{members}");
    office.run_as(Role::Superadmin, &["members", "rm", "eve"], "").await.ok();
    assert_eq!(office.run_as(Role::Superadmin, &["users", "rm", "-f", "eve"], "").await.ok(), "eve\n");

    // Who may not, is told so.
    office.file("docker-compose.yml", "services:\n  web:\n    image: sim:web\n");
    let denied = office.run_as(Role::Readonly, &["up", "-s", "shop"], "").await;
    assert_eq!(denied.code, 1);
    assert!(denied.err.contains("hint: your keys may not do this"), "{}", denied.err);
    let stranger = office.run_as(Role::Stranger, &["ps", "--env", "1a5"], "").await;
    assert_eq!(stranger.code, 1);
    let audit = office.run_as(Role::Superadmin, &["audit", "--limit", "20"], "").await.ok();
    assert!(audit.contains("certificate") && !audit.contains("hush"), "{audit}");
    office.server.stop().await.unwrap();
}
