//! How an image is built, as keys below `build`.

use contract_api::launch::{BuildOptions, DockerBuild};
use serde_json::Value;

use super::files::Names;
use super::{Keys, files, launch, text_map};

pub(super) fn render(build: &DockerBuild, names: &Names<'_>) -> Value {
    let mut keys = Keys::default();
    keys.put("context", build.remote.as_deref().or(build.context.as_deref()));
    keys.put("dockerfile", build.dockerfile.as_deref());
    keys.put("target", build.target.as_deref());
    keys.put("no_cache", build.nocache);
    keys.put("args", text_map(&build.args));
    let BuildOptions {
        dockerfile_inline,
        additional_contexts,
        labels,
        tags,
        platforms,
        cache_from,
        cache_to,
        pull,
        network,
        extra_hosts,
        shm_size,
        ulimits,
        secrets,
        ssh,
        entitlements,
        privileged,
        isolation,
        provenance,
        sbom,
    } = &build.options;
    keys.put("dockerfile_inline", dockerfile_inline.as_deref());
    keys.put("additional_contexts", text_map(additional_contexts));
    keys.put("labels", text_map(labels));
    keys.put("tags", tags.clone());
    keys.put("platforms", platforms.clone());
    keys.put("cache_from", cache_from.clone());
    keys.put("cache_to", cache_to.clone());
    keys.put("pull", *pull);
    keys.put("network", network.as_deref());
    keys.put("extra_hosts", extra_hosts.clone());
    keys.put("shm_size", *shm_size);
    keys.put("ulimits", launch::ulimits(ulimits));
    keys.put("secrets", files::grants_of_secrets(secrets, names));
    keys.put("ssh", ssh.clone());
    keys.put("entitlements", entitlements.clone());
    keys.put("privileged", *privileged);
    keys.put("isolation", isolation.as_deref());
    keys.put("provenance", provenance.as_deref());
    keys.put("sbom", sbom.as_deref());
    keys.into()
}
