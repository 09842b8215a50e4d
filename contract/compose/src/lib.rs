//! Compose files, read into what they mean.
//!
//! [`load`] takes the texts of a set of compose files and gives a [`StackPlan`]: services, sidekicks, volumes and
//! dependencies in the API's own words. It reads what Docker Compose reads (version 1, 2, 3 and today's
//! specification) and what the old platform added (`rancher-compose.yml`, sidekicks by label, its sections and keys).
//! [`render`] goes the other way, for the export of a stack.
//!
//! Three rules hold everywhere:
//!
//! - **Nothing is guessed and nothing is silent.** What is wrong is an error with file, line, column, key path and
//!   remedy; all errors of a reading come at once. What is read but has no effect is a notice with its reason.
//! - **Nothing is touched.** There is no disk, network, clock or process environment in this crate. Further files come
//!   through [`FileSource`], by paths that cannot leave the project; variables come as arguments.
//! - **A hostile file costs no more than a large honest one.** Size, depth, aliases, variables, `extends`, ranges and
//!   the number of errors are bounded by [`Limits`]. No text makes it panic.
//!
//! The way of a file: `template` (where it is one) → `yaml` (text to a tree with places) → `document` (sections, dialect) → `interpolate` (variables)
//! → `project` (`extends`, `include`) → `merge` (several files) → `service` (typed settings) → `resolve` (relations).
//! Where the old platform and today's specification differ, the version that the file names decides (`Dialect`).

mod catalog;
mod document;
mod error;
mod field;
mod input;
mod interpolate;
mod merge;
mod project;
mod render;
mod resolve;
mod service;
mod support;
mod template;
mod variables;
mod words;
mod yaml;

pub use contract_api::launch::{Notice, StackPlan};

pub use catalog::{CatalogEntry, CatalogQuestion, read_catalog};
pub use error::{ComposeError, ComposeErrors};
pub use input::{
    ComposeInput, FileSource, FileSourceError, Limits, NoFiles, Release, SourceFile, Templating,
};
pub use render::{Rendered, render};
pub use service::KEYS as SERVICE_KEYS;
pub use support::{Support, SupportStatus, support};
pub use template::{TemplateData, render_template};
pub use variables::{read_dotenv, read_variables};

/// Reads a set of compose files.
///
/// # Errors
/// Returns every fault that was found, up to the bound of [`Limits::errors`], in the order of files and lines.
pub fn load(input: &ComposeInput<'_>) -> Result<StackPlan, ComposeErrors> {
    let mut cx = project::Context::new(input);
    let document = cx.read_all();
    let mut plan = if cx.broken || (cx.report.has_errors() && document.services.is_empty()) {
        StackPlan::default()
    } else {
        resolve::resolve(&mut cx, &document)
    };
    plan.notices = cx.report.finish()?;
    Ok(plan)
}

/// The same random cases at each run of the tests; `PROPTEST_RNG_SEED` asks for others.
#[cfg(test)]
fn same_cases() -> proptest::prelude::ProptestConfig {
    use proptest::test_runner::RngSeed;
    let mut config = proptest::prelude::ProptestConfig::default();
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}
