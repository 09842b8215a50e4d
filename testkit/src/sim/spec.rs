//! What a simulated user asks for.

use control_model::{Dependency, DependencyCondition, LaunchSpec, Mount, MountKind, ServiceIntent};

/// A service to make.
#[derive(Clone, Debug)]
pub struct ServiceSpec {
    pub(super) intent: ServiceIntent,
}

/// A service of so many containers that run for ever.
pub fn scale(scale: u32) -> ServiceSpec {
    let launch = LaunchSpec { image: Some("web:1".parse().expect("an image")), ..LaunchSpec::default() };
    ServiceSpec {
        intent: ServiceIntent { scale, active: true, launch_version: 1, launch, ..Default::default() },
    }
}

/// A job that ends after a second with an exit code.
pub fn job(code: u8) -> ServiceSpec {
    let mut spec = scale(1).image(&format!("job:{code}"));
    spec.intent.launch.labels.insert("io.rancher.container.start_once".into(), "true".into());
    spec
}

impl ServiceSpec {
    /// With another image.
    #[must_use]
    pub fn image(mut self, image: &str) -> Self {
        self.intent.launch.image = Some(image.parse().expect("an image"));
        self
    }

    /// With a published port.
    #[must_use]
    pub fn port(mut self, port: &str) -> Self {
        self.intent.launch.ports.push(port.parse().expect("a port"));
        self
    }

    /// With a named volume.
    #[must_use]
    pub fn volume(mut self, name: &str) -> Self {
        self.intent.launch.mounts.push(Mount {
            kind: MountKind::Volume,
            source: name.into(),
            target: "/data".into(),
            ..Mount::default()
        });
        self
    }

    /// One on each host.
    #[must_use]
    pub fn global(mut self) -> Self {
        self.intent.launch.labels.insert("io.rancher.scheduler.global".into(), "true".into());
        self
    }

    /// After another service.
    #[must_use]
    pub fn after(mut self, service: &str, condition: DependencyCondition) -> Self {
        self.intent.depends_on.push(Dependency { service: service.into(), condition, optional: false });
        self
    }
}
