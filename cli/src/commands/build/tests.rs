use std::path::Path;

use contract_api::launch::DockerBuild;

use super::context::{Ignored, pack};
use super::{Lines, beyond, query};
use crate::bundle::ImageBuild;

#[test]
fn what_the_list_names_stays_here() {
    let list = "# comment\n\n*.log\n/node_modules/\n**/*.tmp\ndocs\n!docs/keep.md\nsrc/*.o\n";
    let ignored = Ignored::parse(list).unwrap();
    for (path, left_out) in [
        ("a.log", true),
        ("deep/a.log", false),
        ("node_modules", true),
        ("node_modules/x/y", true),
        ("deep/node_modules", false),
        ("x.tmp", true),
        ("deep/er/x.tmp", true),
        ("docs/a.md", true),
        ("docs/keep.md", false),
        ("src/a.o", true),
        ("src/deep/a.o", false),
        ("main.rs", false),
    ] {
        assert_eq!(ignored.holds(Path::new(path)), left_out, "{path}");
    }
    let everything_but = Ignored::parse("*\n!app\n").unwrap();
    assert!(everything_but.holds(Path::new("x")) && !everything_but.holds(Path::new("app/main.c")));
    assert!(Ignored::parse("a[").is_err());
}

#[test]
fn a_context_is_packed_the_same_each_time_and_with_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("Dockerfile", "FROM x\n");
    write(".dockerignore", "*\n!src\n");
    write("src/main.c", "int main;\n");
    write("secret.txt", "hush\n");
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("src/link")).unwrap();
    let mut stream = Vec::new();
    pack(&mut stream, folder.path(), "Dockerfile", Some("FROM y\n")).unwrap();
    let mut again = Vec::new();
    pack(&mut again, folder.path(), "Dockerfile", Some("FROM y\n")).unwrap();
    assert_eq!(stream, again);
    let mut archive = tar::Archive::new(stream.as_slice());
    let paths: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let kind = if entry.header().entry_type().is_symlink() { " (link)" } else { "" };
            format!("{}{kind}", entry.path().unwrap().display())
        })
        .collect();
    assert_eq!(
        paths,
        [".dockerignore", "Dockerfile", "src", "src/link (link)", "src/main.c", ".lariat.dockerfile"]
    );
}

#[test]
fn a_build_becomes_the_engines_words() {
    let mut build = DockerBuild {
        dockerfile: Some("web.Dockerfile".into()),
        target: Some("run".into()),
        ..DockerBuild::default()
    };
    build.args.insert("V".into(), "1 2".into());
    build.options.labels.insert("a".into(), "b".into());
    build.options.pull = Some(true);
    let image = ImageBuild { service: "web".into(), image: "shop-web".into(), build };
    assert_eq!(
        query(&image),
        "t=shop-web&version=1&dockerfile=web.Dockerfile&target=run&pull=1&forcerm=1&buildargs=%7B%22V%22%3A%221+2%22%7D&labels=%7B%22a%22%3A%22b%22%7D"
    );
    let mut build = DockerBuild::default();
    build.options.ssh.push("default".into());
    build.options.sbom = Some("true".into());
    assert_eq!(beyond(&build), [("ssh", true), ("sbom", false)]);
}

#[test]
fn lines_that_come_in_pieces_are_put_together() {
    let mut lines = Lines::default();
    assert!(lines.take(b"{\"a\"").is_empty());
    assert_eq!(lines.take(b":1}\r\n{\"b\":2}\n{\"c"), ["{\"a\":1}", "{\"b\":2}"]);
    assert_eq!(lines.take(b"\":3}\n"), ["{\"c\":3}"]);
}
