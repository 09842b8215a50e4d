//! `lariat run`: an image as a service, without a file.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use contract_client::{Client, Query, Service, Stack};
use serde_json::{Map, Value, json};

use super::lifecycle::wait_services;
use crate::error::CliError;
use crate::progress::{Goal, Wanted};
use crate::session::Session;

/// The stack of services that were given none.
const USUAL_STACK: &str = "Default";

/// Run an image as a service
///
/// The options are those of `docker run`. The service gets a stack (`Default` where none is named), is kept running and moves
/// to another host when its own is lost.
#[derive(Debug, Args)]
pub struct Run {
    /// The image
    image: String,
    /// The command and its arguments, instead of those of the image
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
    /// The name, as service or stack/service [default: made from the image]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How many containers
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    scale: u32,
    /// One container on each host
    #[arg(long)]
    schedule_global: bool,
    /// Return as soon as the server has taken the order
    #[arg(short, long)]
    detach: bool,
    /// Seconds to wait until it runs
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
    #[command(flatten)]
    process: Process,
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    storage: Storage,
    #[command(flatten)]
    resources: Resources,
    #[command(flatten)]
    rights: Rights,
}

#[derive(Debug, Args)]
struct Process {
    /// A variable, as NAME=VALUE, or NAME to take it from here; may be given several times
    #[arg(short = 'e', long = "env-var", visible_alias = "environment-variable", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// A label, as NAME=VALUE; may be given several times
    #[arg(short, long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// The program, instead of the image's entry point; may be given several times, for its arguments
    #[arg(long, value_name = "TEXT")]
    entrypoint: Vec<String>,
    /// The folder in the container
    #[arg(short, long, value_name = "FOLDER")]
    workdir: Option<String>,
    /// The user in the container, as name or number, with :group
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// A further group; may be given several times
    #[arg(long, value_name = "GROUP")]
    group_add: Vec<String>,
    /// Keep the standard input open
    #[arg(short, long)]
    interactive: bool,
    /// Give the process a terminal
    #[arg(short, long)]
    tty: bool,
    /// Run a small first process that passes on signals and buries the dead
    #[arg(long)]
    init: bool,
    /// The signal that asks the process to end
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// Fetch the image even where it is already
    #[arg(long)]
    pull: bool,
    /// The driver that takes the output
    #[arg(long, value_name = "NAME")]
    log_driver: Option<String>,
    /// An option of that driver, as NAME=VALUE; may be given several times
    #[arg(long = "log-opt", value_name = "NAME=VALUE")]
    log_options: Vec<String>,
}

#[derive(Debug, Args)]
struct Network {
    /// Publish a port, as [ADDRESS:][PUBLIC:]PRIVATE[/PROTOCOL]; may be given several times
    #[arg(short, long, value_name = "PORT")]
    publish: Vec<String>,
    /// Publish all exposed ports
    #[arg(short = 'P', long)]
    publish_all: bool,
    /// A port that the container answers at; may be given several times
    #[arg(long, value_name = "PORT")]
    expose: Vec<String>,
    /// The network: managed, host, bridge, none
    #[arg(long = "net", visible_alias = "network", value_name = "NAME")]
    network: Option<String>,
    /// The host name inside the container
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// A server for names; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<String>,
    /// An option for names; may be given several times
    #[arg(long = "dns-opt", visible_alias = "dns-option", value_name = "TEXT")]
    dns_options: Vec<String>,
    /// A domain to look for names in; may be given several times
    #[arg(long, value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// A name and its address, as NAME:ADDRESS; may be given several times
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
}

#[derive(Debug, Args)]
struct Storage {
    /// A volume, as [NAME:]FOLDER[:ro]; may be given several times
    #[arg(short, long = "volume", value_name = "VOLUME")]
    volumes: Vec<String>,
    /// The driver of its volumes
    #[arg(long, value_name = "NAME")]
    volume_driver: Option<String>,
    /// A folder in memory, as FOLDER[:OPTIONS]; may be given several times
    #[arg(long, value_name = "FOLDER")]
    tmpfs: Vec<String>,
    /// Let the container write to volumes only
    #[arg(long)]
    read_only: bool,
    /// The size of /dev/shm, in bytes or as 64m
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    shm_size: Option<i64>,
}

#[derive(Debug, Args)]
struct Resources {
    /// The most memory, in bytes or as 512m
    #[arg(short, long, value_parser = bytes, value_name = "SIZE")]
    memory: Option<i64>,
    /// The memory that it gets even when it is scarce
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    memory_reservation: Option<i64>,
    /// The most memory and swap together; -1 for no bound
    #[arg(long, value_parser = bytes, allow_hyphen_values = true, value_name = "SIZE")]
    memory_swap: Option<i64>,
    /// How readily memory is swapped, 0 to 100
    #[arg(long, value_name = "NUMBER")]
    memory_swappiness: Option<i64>,
    /// The most memory of the kernel
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    kernel_memory: Option<i64>,
    /// Its weight among others that want the processors
    #[arg(long, value_name = "NUMBER")]
    cpu_shares: Option<i64>,
    /// The length of a period of the processors, in microseconds
    #[arg(long, value_name = "NUMBER")]
    cpu_period: Option<i64>,
    /// The microseconds of each such period that it gets
    #[arg(long, value_name = "NUMBER")]
    cpu_quota: Option<i64>,
    /// The processors that it may use, as 0-3 or 0,1
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// The memory nodes that it may use
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Its weight among others that want the disks, 10 to 1000
    #[arg(long, value_name = "NUMBER")]
    blkio_weight: Option<i64>,
    /// The most processes; -1 for no bound
    #[arg(long, allow_hyphen_values = true, value_name = "NUMBER")]
    pids_limit: Option<i64>,
    /// Do not kill it when memory runs out
    #[arg(long)]
    oom_kill_disable: bool,
    /// How readily it is killed when memory runs out, -1000 to 1000
    #[arg(long, allow_hyphen_values = true, value_name = "NUMBER")]
    oom_score_adj: Option<i64>,
    /// The group of processes that it belongs to
    #[arg(long, value_name = "PATH")]
    cgroup_parent: Option<String>,
}

#[derive(Debug, Args)]
struct Rights {
    /// Give it all rights
    #[arg(long)]
    privileged: bool,
    /// A right that it gets; may be given several times
    #[arg(long, value_name = "NAME")]
    cap_add: Vec<String>,
    /// A right that it loses; may be given several times
    #[arg(long, value_name = "NAME")]
    cap_drop: Vec<String>,
    /// A device of the host; may be given several times
    #[arg(long = "device", value_name = "DEVICE")]
    devices: Vec<String>,
    /// A security option; may be given several times
    #[arg(long, value_name = "TEXT")]
    security_opt: Vec<String>,
    /// The process namespace, such as host
    #[arg(long, value_name = "NAME")]
    pid: Option<String>,
    /// The host name namespace, such as host
    #[arg(long, value_name = "NAME")]
    uts: Option<String>,
}

/// Reads a size: bytes, or a number with its unit.
fn bytes(text: &str) -> Result<i64, String> {
    if text == "-1" {
        return Ok(-1);
    }
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit.to_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err("write it as 1048576, 512m or 2g".to_owned()),
    };
    digits
        .parse::<i64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "write it as 1048576, 512m or 2g".to_owned())
}

/// Collects the fields of a launch configuration; what was not said is left out.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn list(&mut self, name: &str, list: &[String]) {
        if !list.is_empty() {
            self.0.insert(name.to_owned(), json!(list));
        }
    }

    fn some<T: Into<Value>>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }

    fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.0.insert(name.to_owned(), true.into());
        }
    }
}

fn pairs(list: &[String]) -> BTreeMap<String, String> {
    list.iter()
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

impl Run {
    /// The launch configuration in the words of the API.
    fn launch_config(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Value, CliError> {
        let mut fields = Fields::default();
        fields.some("imageUuid", Some(format!("docker:{}", self.image)));
        fields.list("command", &self.command);
        self.process(&mut fields, variable)?;
        self.network(&mut fields);
        self.storage(&mut fields);
        self.resources(&mut fields);
        let rights = &self.rights;
        fields.flag("privileged", rights.privileged);
        fields.list("capAdd", &rights.cap_add);
        fields.list("capDrop", &rights.cap_drop);
        fields.list("devices", &rights.devices);
        fields.list("securityOpt", &rights.security_opt);
        fields.some("pidMode", rights.pid.clone());
        fields.some("uts", rights.uts.clone());
        Ok(Value::Object(fields.0))
    }

    fn process(
        &self,
        fields: &mut Fields,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(), CliError> {
        let process = &self.process;
        let mut environment = BTreeMap::new();
        for pair in &process.environment {
            let (name, value) = match pair.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => (pair.as_str(), variable(pair).unwrap_or_default()),
            };
            if name.is_empty() {
                return Err(CliError::usage(format!("`{pair}` names no variable")));
            }
            environment.insert(name.to_owned(), value);
        }
        if !environment.is_empty() {
            fields.some("environment", Some(json!(environment)));
        }
        let mut labels = pairs(&process.labels);
        if self.schedule_global {
            labels.insert("io.rancher.scheduler.global".to_owned(), "true".to_owned());
        }
        if process.pull {
            labels.insert("io.rancher.container.pull_image".to_owned(), "always".to_owned());
        }
        if !labels.is_empty() {
            fields.some("labels", Some(json!(labels)));
        }
        if process.log_driver.is_some() || !process.log_options.is_empty() {
            let log = json!({
                "driver": process.log_driver.as_deref().unwrap_or_default(),
                "config": pairs(&process.log_options),
            });
            fields.some("logConfig", Some(log));
        }
        fields.list("entryPoint", &process.entrypoint);
        fields.some("workingDir", process.workdir.clone());
        fields.some("user", process.user.clone());
        fields.list("groupAdd", &process.group_add);
        fields.flag("stdinOpen", process.interactive);
        fields.flag("tty", process.tty);
        fields.flag("runInit", process.init);
        fields.some("stopSignal", process.stop_signal.clone());
        Ok(())
    }

    fn network(&self, fields: &mut Fields) {
        let network = &self.network;
        fields.list("ports", &network.publish);
        fields.flag("publishAllPorts", network.publish_all);
        fields.list("expose", &network.expose);
        fields.some("networkMode", network.network.clone());
        fields.some("hostname", network.hostname.clone());
        fields.list("dns", &network.dns);
        fields.list("dnsOpt", &network.dns_options);
        fields.list("dnsSearch", &network.dns_search);
        fields.list("extraHosts", &network.add_host);
    }

    fn storage(&self, fields: &mut Fields) {
        let storage = &self.storage;
        fields.list("dataVolumes", &storage.volumes);
        fields.some("volumeDriver", storage.volume_driver.clone());
        if !storage.tmpfs.is_empty() {
            let folders: BTreeMap<&str, &str> =
                storage.tmpfs.iter().map(|folder| folder.split_once(':').unwrap_or((folder, ""))).collect();
            fields.some("tmpfs", Some(json!(folders)));
        }
        fields.flag("readOnly", storage.read_only);
        fields.some("shmSize", storage.shm_size);
    }

    fn resources(&self, fields: &mut Fields) {
        let resources = &self.resources;
        fields.some("memory", resources.memory);
        fields.some("memoryReservation", resources.memory_reservation);
        fields.some("memorySwap", resources.memory_swap);
        fields.some("memorySwappiness", resources.memory_swappiness);
        fields.some("kernelMemory", resources.kernel_memory);
        fields.some("cpuShares", resources.cpu_shares);
        fields.some("cpuPeriod", resources.cpu_period);
        fields.some("cpuQuota", resources.cpu_quota);
        fields.some("cpuSet", resources.cpuset_cpus.clone());
        fields.some("cpuSetMems", resources.cpuset_mems.clone());
        fields.some("blkioWeight", resources.blkio_weight);
        fields.some("pidsLimit", resources.pids_limit);
        fields.flag("oomKillDisable", resources.oom_kill_disable);
        fields.some("oomScoreAdj", resources.oom_score_adj);
        fields.some("cgroupParent", resources.cgroup_parent.clone());
    }

    pub(super) async fn run(self, session: &Session) -> Result<(), CliError> {
        let launch = self.launch_config(|name| session.io.variable(name))?;
        let client = session.client().await?;
        let (stack_name, service_name) = match self.name.as_deref().and_then(|name| name.split_once('/')) {
            Some((stack, service)) => (stack, Some(service.to_owned())),
            None => (USUAL_STACK, self.name.clone()),
        };
        let stack = stack(&client, stack_name).await?;
        let name = match service_name.filter(|name| !name.is_empty()) {
            Some(name) => name,
            None => free_name(&client, &stack, &self.image).await?,
        };
        let input = json!({
            "name": name,
            "stackId": stack.meta.id,
            "scale": self.scale,
            "startOnCreate": true,
            "launchConfig": launch,
        });
        let service: Service = client.create(&input).await?;
        let path = format!("{}/{name}", stack.meta.title());
        if !self.detach {
            let wanted = Wanted {
                stack: Some(stack.meta.id.clone()),
                services: BTreeMap::from([(service.meta.id.clone(), path.clone())]),
                untouched: false,
            };
            wait_services(session, &client, &wanted, Goal::Ready, Duration::from_secs(self.timeout)).await?;
        }
        session.done(&service.meta.id, &path)
    }
}

/// The stack of that name; one is made where there is none.
async fn stack(client: &Client, name: &str) -> Result<Stack, CliError> {
    let known: Vec<Stack> = client.named(name).await?;
    match known.into_iter().find(|stack| !stack.meta.is_removed()) {
        Some(stack) => Ok(stack),
        None => Ok(client.create(&json!({ "name": name })).await?),
    }
}

/// A name made from the image, with a number where it is taken.
async fn free_name(client: &Client, stack: &Stack, image: &str) -> Result<String, CliError> {
    let of_path = image.split('@').next().unwrap_or(image);
    let last = of_path.rsplit('/').next().unwrap_or(of_path);
    let base: String = last
        .split(':')
        .next()
        .unwrap_or(last)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let query = Query::all().with("stackId", stack.meta.id.as_str());
    let known: Vec<Service> = client.list(&query).await?;
    let free = |name: &String| !known.iter().any(|service| service.meta.name.as_ref() == Some(name));
    let base = base.trim_matches('-').to_owned();
    let base = if base.is_empty() { "service".to_owned() } else { base };
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    Ok(std::iter::once(base.clone())
        .chain(numbered)
        .find(free)
        .expect("there are more numbers than services"))
}

#[cfg(test)]
mod tests;
