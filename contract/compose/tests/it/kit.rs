//! Helpers: the only place that touches the API of the crate.

use std::collections::BTreeMap;
use std::path::Path;

use contract_compose::{ComposeInput, SourceFile, StackPlan, load};
use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;
use serde_json::Value;

/// Reads one file.
pub fn read(text: &str) -> Result<StackPlan, String> {
    read_all(&[("docker-compose.yml", text)], &[])
}

/// Reads a set of files: those named `rancher-…` as such, `.env` as variables, others named `+…` as further files.
pub fn read_all(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<StackPlan, String> {
    let mut sources = BTreeMap::new();
    let mut input = ComposeInput {
        variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        stack_name: "demo".into(),
        project_folder: Some("/srv/demo".into()),
        ..ComposeInput::default()
    };
    for (name, text) in files {
        if let Some(name) = name.strip_prefix('+') {
            sources.insert(name.to_owned(), (*text).to_owned());
        } else if name.starts_with("rancher-") {
            input.rancher_files.push(SourceFile::new(*name, *text));
        } else if *name == ".env" {
            input.env_files.push(SourceFile::new(*name, *text));
        } else if let Some(profile) = name.strip_prefix("profile ") {
            input.profiles.push(profile.to_owned());
        } else {
            input.files.push(SourceFile::new(*name, *text));
        }
    }
    input.sources = &sources;
    load(&input).map_err(|errors| errors.to_string())
}

/// The settings of one service of a file that must be right, as JSON without what is empty.
#[track_caller]
pub fn service(text: &str) -> Value {
    let plan = read(text).unwrap_or_else(|errors| panic!("{errors}\n---\n{text}"));
    serde_json::to_value(&plan.services[0]).unwrap()
}

/// The launch configuration that some lines below `services.a` give, beside the image, as JSON.
#[track_caller]
pub fn launch(lines: &str) -> Value {
    launch_in("", lines)
}

/// The same under a line that comes first in the file.
#[track_caller]
pub fn launch_in(first: &str, lines: &str) -> Value {
    let indented: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let mut config =
        service(&format!("{first}services:\n  a:\n    image: x\n{indented}"))["launchConfig"].take();
    config.as_object_mut().unwrap().shift_remove("imageUuid");
    config
}

/// The notices of a file that must be right, one per line.
#[track_caller]
pub fn notices(text: &str) -> String {
    let plan = read(text).unwrap_or_else(|errors| panic!("{errors}\n---\n{text}"));
    plan.notices.iter().map(|notice| format!("{notice}\n")).collect()
}

/// The same cases at each run; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` ask for others.
pub fn cases(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    config
}

/// Compares with a golden file; `UPDATE_GOLDEN=1` renews it.
#[track_caller]
pub fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    if text == want {
        return;
    }
    let line = text.lines().zip(want.lines()).take_while(|(new, old)| new == old).count();
    panic!(
        "{} differs from line {} on (UPDATE_GOLDEN=1 renews it)\n  is:     {:?}\n  wanted: {:?}",
        path.display(),
        line + 1,
        text.lines().nth(line),
        want.lines().nth(line)
    );
}
