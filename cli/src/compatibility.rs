//! What becomes of each command and option of the two old command lines, `rancher` 0.6.14 and `rancher-compose` 0.12.5.
//!
//! A test holds the table against the real command line, so that it names nothing that there is not; the document on
//! compatibility is made from it.

/// An old program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `rancher` 0.6.14.
    Rancher,
    /// `rancher-compose` 0.12.5.
    RancherCompose,
}

/// What is there instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Our command and option, and what is different about them.
    Ours(&'static str, &'static str),
    /// Nothing, and why.
    Absent(&'static str),
}

/// One command, or one option of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The old program.
    pub tool: Tool,
    /// Its command; empty for options of all commands.
    pub command: &'static str,
    /// The option, or nothing for the command itself.
    pub option: Option<&'static str>,
    /// What is there instead.
    pub answer: Answer,
}

use Answer::{Absent, Ours};

const fn rancher(command: &'static str, answer: Answer) -> Entry {
    Entry { tool: Tool::Rancher, command, option: None, answer }
}

const fn flag(command: &'static str, option: &'static str, answer: Answer) -> Entry {
    Entry { tool: Tool::Rancher, command, option: Some(option), answer }
}

const fn compose(command: &'static str, answer: Answer) -> Entry {
    Entry { tool: Tool::RancherCompose, command, option: None, answer }
}

const fn compose_flag(command: &'static str, option: &'static str, answer: Answer) -> Entry {
    Entry { tool: Tool::RancherCompose, command, option: Some(option), answer }
}

const fn same(ours: &'static str) -> Answer {
    Ours(ours, "")
}

const NO_CATALOG: Answer = Absent("there is no catalog yet");
const NO_MACHINES: Answer = Absent("machines are not created, so the server holds no keys of theirs");
const ALL_SHOWN: Answer =
    Ours("lariat ps", "what is stopped or inactive is always shown; what was removed is not");

/// Every command and option of the old command lines.
pub const COMPATIBILITY: &[Entry] = &[
    flag("", "--debug", same("lariat --debug")),
    flag(
        "",
        "--config, -c",
        Ours("lariat --config", "has no short form; `lariat config context import` takes over the old file"),
    ),
    flag("", "--environment, --env", same("lariat --env")),
    flag("", "--url", same("lariat --url")),
    flag("", "--access-key", same("lariat --access-key")),
    flag("", "--secret-key", same("lariat --secret-key")),
    flag("", "--host", Ours("lariat docker --host", "an option of `docker` itself")),
    flag("", "--wait, -w", Ours("lariat start --no-wait", "commands wait by themselves, unless told not to")),
    flag("", "--wait-timeout", Ours("lariat start --timeout", "an option of each command that waits")),
    flag("", "--wait-state", Ours("lariat wait --state", "an option of `wait`")),
    flag(
        "",
        "--version, -v",
        Ours("lariat --version", "`-V` is the short form; `lariat version` also asks the server"),
    ),
    rancher("catalog", NO_CATALOG),
    flag("catalog", "--quiet, -q", NO_CATALOG),
    flag("catalog", "--format", NO_CATALOG),
    flag("catalog", "--system, -s", NO_CATALOG),
    rancher("catalog ls", NO_CATALOG),
    rancher("catalog show", NO_CATALOG),
    rancher("catalog install", NO_CATALOG),
    flag("catalog install", "--answers, -a", NO_CATALOG),
    flag("catalog install", "--name", NO_CATALOG),
    flag("catalog install", "--system, -s", NO_CATALOG),
    rancher("catalog upgrade", NO_CATALOG),
    flag("catalog upgrade", "--answers, -a", NO_CATALOG),
    flag("catalog upgrade", "--stack, -s", NO_CATALOG),
    flag("catalog upgrade", "--confirm", NO_CATALOG),
    rancher("config", Ours("lariat login", "`lariat config` shows what is used")),
    flag("config", "--print, -p", Ours("lariat config show", "keys are not printed")),
    rancher("docker", Ours("lariat docker --program", "what the old one ran behind `--`, `--program` runs")),
    flag("docker", "--help-docker", Ours("lariat docker", "`lariat docker --host H help`")),
    rancher("environment, env", same("lariat env")),
    flag("environment", "--all, -a", Ours("lariat env ls", "all that there are, are always shown")),
    flag("environment", "--quiet, -q", same("lariat env ls --quiet")),
    flag(
        "environment",
        "--format",
        Ours("lariat env ls --format", "fields have the names of `--format json`"),
    ),
    rancher("environment ls", same("lariat env ls")),
    rancher("environment create", same("lariat env create")),
    flag("environment create", "--template, -t", Ours("lariat env create --template", "none by default")),
    rancher("environment templates, template", same("lariat env templates")),
    rancher("environment templates export", Absent("a template is no more than its name yet")),
    rancher("environment templates import", Absent("a template is no more than its name yet")),
    flag("environment templates import", "--public", Absent("a template is no more than its name yet")),
    rancher("environment rm", same("lariat env rm")),
    rancher("environment deactivate", same("lariat env deactivate")),
    rancher("environment activate", same("lariat env activate")),
    rancher("events, event", same("lariat events")),
    flag("events", "--format", Ours("lariat events --format", "fields have the names of `--format json`")),
    flag("events", "--reconnect, -r", Ours("lariat events", "a connection that breaks is always made again")),
    rancher(
        "exec",
        Ours(
            "lariat exec",
            "the exit code is that of the command; `-i` and `-t` are given where they are wanted",
        ),
    ),
    flag("exec", "--help-docker", Ours("lariat exec", "`lariat help exec` names all its options")),
    rancher("export", same("lariat export")),
    flag("export", "--file, -f", same("lariat export --file")),
    flag("export", "--system, -s", same("lariat export --system")),
    rancher("hosts, host", same("lariat hosts")),
    flag("hosts", "--all, -a", Ours("lariat hosts ls", "all that there are, are always shown")),
    flag("hosts", "--quiet, -q", same("lariat hosts ls --quiet")),
    flag("hosts", "--format", Ours("lariat hosts ls --format", "fields have the names of `--format json`")),
    rancher("hosts ls", same("lariat hosts ls")),
    rancher(
        "hosts create",
        Ours("lariat hosts add", "prints the command for a machine that there is; machines are not created"),
    ),
    flag("hosts create", "--driver, -d, and those of drivers", NO_MACHINES),
    rancher("logs", same("lariat logs")),
    flag(
        "logs",
        "--service, -s",
        Absent("what a service does is told by `lariat events` and by the reasons in `lariat services`"),
    ),
    flag(
        "logs",
        "--sub-log",
        Absent("what a service does is told by `lariat events` and by the reasons in `lariat services`"),
    ),
    flag("logs", "--follow, -f", same("lariat logs --follow")),
    flag("logs", "--tail", Ours("lariat logs --tail", "all lines by default")),
    flag("logs", "--since", same("lariat logs --since")),
    flag("logs", "--timestamps, -t", same("lariat logs --timestamps")),
    rancher("ps", Ours("lariat services", "`lariat ps` lists containers")),
    flag("ps", "--all, -a", ALL_SHOWN),
    flag("ps", "--system, -s", same("lariat ps --system")),
    flag("ps", "--containers, -c", Ours("lariat ps", "`--host` restricts them to a host")),
    flag("ps", "--quiet, -q", same("lariat ps --quiet")),
    flag("ps", "--format", Ours("lariat ps --format", "fields have the names of `--format json`")),
    rancher("restart", same("lariat restart")),
    flag("restart", "--type", same("lariat restart --type")),
    flag("restart", "--batch-size", same("lariat restart --batch-size")),
    flag("restart", "--interval", same("lariat restart --interval")),
    rancher("rm", same("lariat rm")),
    flag("rm", "--type", same("lariat rm --type")),
    flag("rm", "--stop, -s", Ours("lariat rm --stop", "what must be stopped first always is")),
    rancher("run", Ours("lariat run", "waits until it runs, unless `--detach` is given")),
    flag("run", "--blkio-weight", same("lariat run --blkio-weight")),
    flag("run", "--cpu-quota", same("lariat run --cpu-quota")),
    flag("run", "--cpu-shares", same("lariat run --cpu-shares")),
    flag("run", "--cap-add", same("lariat run --cap-add")),
    flag("run", "--cap-drop", same("lariat run --cap-drop")),
    flag("run", "--cgroup-parent", same("lariat run --cgroup-parent")),
    flag("run", "--cpu-period", same("lariat run --cpu-period")),
    flag("run", "--cpuset-mems", same("lariat run --cpuset-mems")),
    flag("run", "--device", same("lariat run --device")),
    flag("run", "--dns", same("lariat run --dns")),
    flag("run", "--dns-opt, --dns-option", same("lariat run --dns-opt")),
    flag("run", "--dns-search", same("lariat run --dns-search")),
    flag("run", "--entrypoint", same("lariat run --entrypoint")),
    flag("run", "--expose", same("lariat run --expose")),
    flag("run", "--group-add", same("lariat run --group-add")),
    flag("run", "--hostname", same("lariat run --hostname")),
    flag("run", "--init", same("lariat run --init")),
    flag("run", "--interactive, -i", same("lariat run --interactive")),
    flag("run", "--kernel-memory", same("lariat run --kernel-memory")),
    flag("run", "--memory, -m", same("lariat run --memory")),
    flag("run", "--memory-reservation", same("lariat run --memory-reservation")),
    flag("run", "--memory-swap", same("lariat run --memory-swap")),
    flag("run", "--memory-swappiness", same("lariat run --memory-swappiness")),
    flag("run", "--name", Ours("lariat run --name", "made from the image where it is not given")),
    flag("run", "--oom-kill-disable", same("lariat run --oom-kill-disable")),
    flag("run", "--oom-score-adj", same("lariat run --oom-score-adj")),
    flag("run", "--publish-all, -P", same("lariat run --publish-all")),
    flag("run", "--publish, -p", same("lariat run --publish")),
    flag("run", "--pid", same("lariat run --pid")),
    flag("run", "--pids-limit", same("lariat run --pids-limit")),
    flag("run", "--privileged", same("lariat run --privileged")),
    flag("run", "--read-only", same("lariat run --read-only")),
    flag("run", "--security-opt", same("lariat run --security-opt")),
    flag("run", "--shm-size", same("lariat run --shm-size")),
    flag("run", "--tty, -t", same("lariat run --tty")),
    flag("run", "--user, -u", same("lariat run --user")),
    flag("run", "--volume-driver", same("lariat run --volume-driver")),
    flag("run", "--workdir, -w", same("lariat run --workdir")),
    flag("run", "--log-driver", same("lariat run --log-driver")),
    flag("run", "--log-opt", same("lariat run --log-opt")),
    flag("run", "--uts", same("lariat run --uts")),
    flag("run", "--volume, -v", same("lariat run --volume")),
    flag("run", "--net", same("lariat run --net")),
    flag("run", "--scale", same("lariat run --scale")),
    flag("run", "--schedule-global", same("lariat run --schedule-global")),
    flag("run", "--stop-signal", same("lariat run --stop-signal")),
    flag("run", "--label, -l", same("lariat run --label")),
    flag(
        "run",
        "--env, -e",
        Ours("lariat run --env-var", "`-e` is the same; `--env` is the environment, as everywhere"),
    ),
    flag("run", "--pull", same("lariat run --pull")),
    rancher("scale", same("lariat scale")),
    rancher("secrets, secret", same("lariat secrets")),
    flag("secrets", "--quiet, -q", same("lariat secrets ls --quiet")),
    flag(
        "secrets",
        "--format",
        Ours("lariat secrets ls --format", "fields have the names of `--format json`"),
    ),
    rancher("secrets ls", same("lariat secrets ls")),
    rancher("secrets create", same("lariat secrets create")),
    rancher("ssh", NO_MACHINES),
    rancher("stacks, stack", same("lariat stacks")),
    flag("stacks", "--system, -s", same("lariat stacks ls --system")),
    flag("stacks", "--quiet, -q", same("lariat stacks ls --quiet")),
    flag("stacks", "--format", Ours("lariat stacks ls --format", "fields have the names of `--format json`")),
    rancher("stacks ls", same("lariat stacks ls")),
    rancher("stacks create", same("lariat stacks create")),
    flag(
        "stacks create",
        "--start",
        Ours("lariat stacks create --no-start", "it is started unless told not to be"),
    ),
    flag("stacks create", "--system, -s", Absent("stacks of the platform are made by the platform")),
    flag("stacks create", "--empty, -e", same("lariat stacks create --empty")),
    flag("stacks create", "--quiet, -q", same("lariat stacks create --quiet")),
    flag("stacks create", "--docker-compose, -f", same("lariat stacks create --docker-compose")),
    flag("stacks create", "--rancher-compose, -r", same("lariat stacks create --rancher-compose")),
    rancher("start, activate", same("lariat start")),
    flag("start", "--type", same("lariat start --type")),
    rancher("stop, deactivate", same("lariat stop")),
    flag("stop", "--type", same("lariat stop --type")),
    rancher(
        "up",
        Ours("lariat up", "ends when all is ready, instead of showing output; `lariat logs -f` shows it"),
    ),
    flag("up", "--pull, -p", same("lariat up --pull")),
    flag("up", "--prune", same("lariat up --prune")),
    flag("up", "-d", same("lariat up -d")),
    flag("up", "--render", same("lariat up --render")),
    flag(
        "up",
        "--upgrade, -u, --recreate",
        Ours("lariat up --upgrade", "services that changed are always upgraded"),
    ),
    flag("up", "--force-upgrade, --force-recreate", same("lariat up --force-upgrade")),
    flag(
        "up",
        "--confirm-upgrade, -c",
        Ours("lariat up --confirm-upgrade", "an upgrade that is ready is always accepted"),
    ),
    flag(
        "up",
        "--rollback, -r",
        Ours("lariat up --rollback", "has no short form; `-r` is the rancher-compose file"),
    ),
    flag("up", "--batch-size", same("lariat up --batch-size")),
    flag("up", "--interval", same("lariat up --interval")),
    flag("up", "--description", same("lariat up --description")),
    flag("up", "--rancher-file", same("lariat up --rancher-file")),
    flag("up", "--env-file, -e", same("lariat up --env-file")),
    flag("up", "--file, -f", same("lariat up --file")),
    flag("up", "--stack, -s", same("lariat up --stack")),
    rancher("volumes, volume", same("lariat volumes")),
    flag("volumes", "--all, -a", Ours("lariat volumes ls", "all that there are, are always shown")),
    flag("volumes", "--quiet, -q", same("lariat volumes ls --quiet")),
    flag(
        "volumes",
        "--format",
        Ours("lariat volumes ls --format", "fields have the names of `--format json`"),
    ),
    rancher("volumes ls", same("lariat volumes ls")),
    rancher("volumes rm", same("lariat volumes rm")),
    rancher("volumes create", same("lariat volumes create")),
    flag("volumes create", "--driver", same("lariat volumes create --driver")),
    flag("volumes create", "--opt", same("lariat volumes create --opt")),
    rancher("inspect", same("lariat inspect")),
    flag("inspect", "--type", same("lariat inspect --type")),
    flag("inspect", "--links", Ours("lariat inspect --no-links", "links are shown unless told not to be")),
    flag("inspect", "--format", same("lariat inspect --format")),
    rancher("wait", same("lariat wait")),
    compose_flag("", "--verbose, --debug", same("lariat --debug")),
    compose_flag("", "--file, -f", Ours("lariat up --file", "an option of each command that reads files")),
    compose_flag(
        "",
        "--project-name, -p",
        Ours("lariat up --project-name", "an option of each command that reads files"),
    ),
    compose_flag("", "--url", same("lariat --url")),
    compose_flag("", "--access-key", same("lariat --access-key")),
    compose_flag("", "--secret-key", same("lariat --secret-key")),
    compose_flag(
        "",
        "--rancher-file, -r",
        Ours("lariat up --rancher-file", "an option of each command that reads files"),
    ),
    compose_flag(
        "",
        "--env-file, -e",
        Ours("lariat up --env-file", "an option of each command that reads files"),
    ),
    compose_flag(
        "",
        "--bindings-file, -b",
        Absent("bindings of catalog entries to other stacks were never documented"),
    ),
    compose("create", same("lariat create")),
    compose(
        "up",
        Ours("lariat up", "ends when all is ready, instead of showing output; `lariat logs -f` shows it"),
    ),
    compose_flag("up", "--pull, -p", same("lariat up --pull")),
    compose_flag("up", "-d", same("lariat up -d")),
    compose_flag(
        "up",
        "--upgrade, -u, --recreate",
        Ours("lariat up --upgrade", "services that changed are always upgraded"),
    ),
    compose_flag("up", "--force-upgrade, --force-recreate", same("lariat up --force-upgrade")),
    compose_flag(
        "up",
        "--confirm-upgrade, -c",
        Ours("lariat up --confirm-upgrade", "an upgrade that is ready is always accepted"),
    ),
    compose_flag(
        "up",
        "--rollback, -r",
        Ours("lariat up --rollback", "has no short form; `-r` is the rancher-compose file"),
    ),
    compose_flag("up", "--batch-size", same("lariat up --batch-size")),
    compose_flag("up", "--interval", same("lariat up --interval")),
    compose("start", Ours("lariat start", "takes the names of stacks and services, not files")),
    compose_flag("start", "-d", Ours("lariat start --no-wait", "no output is shown in any case")),
    compose("logs", Ours("lariat logs", "takes the names of stacks and services, not files")),
    compose_flag("logs", "--follow", same("lariat logs --follow")),
    compose("restart", Ours("lariat restart", "takes the names of stacks and services, not files")),
    compose_flag("restart", "--batch-size", same("lariat restart --batch-size")),
    compose_flag("restart", "--interval", same("lariat restart --interval")),
    compose("stop, down", Ours("lariat stop", "takes the names of stacks and services, not files")),
    compose_flag(
        "stop",
        "--timeout, -t",
        Ours("lariat stop --time", "`-t` is the same; `--timeout` is how long the command waits"),
    ),
    compose("scale", Ours("lariat scale", "takes the names of services, not files")),
    compose_flag("scale", "--timeout, -t", Ours("lariat scale --timeout", "how long the command waits")),
    compose("rm", Ours("lariat rm", "takes the names of stacks and services, not files")),
    compose_flag("rm", "--force, -f", Ours("lariat rm --force", "does not ask")),
    compose_flag("rm", "-v", same("lariat rm --volumes")),
    compose("pull", same("lariat pull")),
    compose_flag("pull", "--cached, -c", same("lariat pull --cached")),
    compose(
        "upgrade",
        Absent(
            "one service is not turned into another; `lariat up` replaces the containers of a service in batches",
        ),
    ),
    compose_flag("upgrade", "--batch-size", Ours("lariat up --batch-size", "")),
    compose_flag("upgrade", "--scale", Ours("lariat scale", "a command of its own")),
    compose_flag("upgrade", "--interval", same("lariat up --interval")),
    compose_flag("upgrade", "--update-links", Absent("links name services, which keep their names")),
    compose_flag("upgrade", "--wait, -w", Ours("lariat up", "waits unless `--detach` is given")),
    compose_flag("upgrade", "--pull, -p", same("lariat up --pull")),
    compose_flag("upgrade", "--cleanup, -c", Ours("lariat up", "nothing is left to clean up")),
];
