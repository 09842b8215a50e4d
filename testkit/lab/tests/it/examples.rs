//! The images of the examples, run by Docker alone: what fails here is no fault of ours above it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use contract_compose::{ComposeInput, SourceFile, StackPlan, load};
use testkit_lab::images::{Images, SHOP_APP, SHOP_DB, SHOP_WEB, WHOAMI};
use testkit_lab::lab::{Lab, LabHost};

fn http(address: SocketAddr, request: &str) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

async fn eventually(host: &LabHost, what: &str, mut look: impl AsyncFnMut() -> Result<(), String>) {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        match look().await {
            Ok(()) => return,
            Err(seen) if Instant::now() > limit => {
                panic!("{what}: not so; last seen: {seen}\n{}", host.describe_containers().await)
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Reads a compose file of the examples, which must be free of faults and of things without effect.
fn read_example(name: &str) -> StackPlan {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).join("docker-compose.yml");
    let text = std::fs::read_to_string(path).unwrap();
    let plan = load(&ComposeInput {
        files: vec![SourceFile::new("docker-compose.yml", text)],
        stack_name: name.to_owned(),
        ..ComposeInput::default()
    })
    .unwrap_or_else(|errors| panic!("{errors}"));
    assert!(plan.notices.is_empty(), "{:?}", plan.notices);
    plan
}

#[test]
fn compose_files_of_the_examples_are_read_whole() {
    let shop = read_example("shop");
    for name in ["web", "app", "worker", "migrate", "db"] {
        assert!(shop.service(name).is_some(), "{name}");
    }
    assert!(shop.volume("data").is_some());
    assert!(read_example("whoami").service("whoami").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_shop_sells_and_ships() {
    let images = Images::for_tests();
    let lab = Lab::new("shop").await.unwrap();
    let host = lab.add_host(1).await.unwrap();
    for image in images.shop().unwrap() {
        assert!(image.load_into(&host.docker_url()).unwrap());
        assert!(!image.load_into(&host.docker_url()).unwrap(), "what is there is not loaded again");
    }
    host.docker(&["network", "create", "shop"]).await.unwrap();
    let settings = ["DATABASE_HOST=db", "DATABASE_NAME=shop", "DATABASE_USER=shop", "DATABASE_PASSWORD=shop"];
    let run = async |name: &str, more: &[&str], image: &str, command: &[&str]| {
        let mut all = vec!["run", "-d", "--name", name, "--network", "shop", "--network-alias", name];
        for setting in &settings {
            all.extend(["-e", setting]);
        }
        all.extend(more);
        all.push(image);
        all.extend(command);
        host.docker(&all).await.unwrap();
    };
    // In the wrong order on purpose: each part waits for what it needs.
    run("web", &["-p", "8080:80"], SHOP_WEB, &[]).await;
    run("worker", &[], SHOP_APP, &["work"]).await;
    run("app", &[], SHOP_APP, &["serve"]).await;
    run("migrate", &[], SHOP_APP, &["migrate"]).await;
    let database = ["-v", "data:/var/lib/postgresql/data"];
    let account = ["-e", "POSTGRES_DB=shop", "-e", "POSTGRES_USER=shop", "-e", "POSTGRES_PASSWORD=shop"];
    run("db", &[&database[..], &account[..]].concat(), SHOP_DB, &[]).await;

    let web = SocketAddr::from((host.address(), 8080));
    let get = |path: &str| {
        http(web, &format!("GET {path} HTTP/1.0\r\nHost: shop\r\n\r\n")).map_err(|e| e.to_string())
    };
    eventually(&host, "the shop opens", async || match get("/") {
        Ok(page) if page.contains(" 200 OK") && page.contains("Kettle") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(host.docker(&["wait", "migrate"]).await.unwrap(), "0");
    let order = "POST /orders HTTP/1.0\r\nHost: shop\r\nContent-Length: 11\r\n\r\ngood=Kettle";
    assert!(http(web, order).unwrap().contains(" 303 "));
    let worker = host.docker(&["inspect", "--format", "{{.Config.Hostname}}", "worker"]).await.unwrap();
    eventually(&host, "the order is shipped", async || {
        let status = get("/api/status")?;
        let shipped =
            status.contains(&format!("\"shippedBy\": \"{worker}\"")) && status.contains("\"stock\": 24");
        if shipped { Ok(()) } else { Err(status) }
    })
    .await;

    // The data outlives the database's container, and each part stops when asked, not when killed.
    host.docker(&["rm", "-f", "db"]).await.unwrap();
    run("db", &[&database[..], &account[..]].concat(), SHOP_DB, &[]).await;
    eventually(&host, "the order is still there", async || {
        let status = get("/api/status")?;
        if status.contains("\"stock\": 24") { Ok(()) } else { Err(status) }
    })
    .await;
    for name in ["web", "worker", "app", "db"] {
        let started = Instant::now();
        host.docker(&["stop", "--time", "30", name]).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(15), "`{name}` did not stop when asked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lab_whoami_names_its_container() {
    let lab = Lab::new("whoami").await.unwrap();
    let host = lab.add_host(1).await.unwrap();
    Images::for_tests().build(WHOAMI).unwrap().load_into(&host.docker_url()).unwrap();
    host.docker(&["run", "-d", "--hostname", "it-is-me", "-p", "8080:8080", WHOAMI]).await.unwrap();
    let address = SocketAddr::from((host.address(), 8080));
    eventually(&host, "it answers", async || match http(address, "GET /cgi-bin/whoami HTTP/1.0\r\n\r\n") {
        Ok(page) if page.contains("container: it-is-me") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}
