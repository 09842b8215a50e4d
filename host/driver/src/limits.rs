//! What of a container can be changed without starting it anew.

use contract_protocol::{ContainerSpec, ResourceSpec, RestartPolicy};

/// The limits and the restart policy of a container; `None` is the engine's default, and nothing to be changed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most memory.
    pub memory: Option<i64>,
    /// Most memory and swap together.
    pub memory_swap: Option<i64>,
    /// Memory that it keeps under pressure.
    pub memory_reservation: Option<i64>,
    /// Share of CPU time.
    pub cpu_shares: Option<i64>,
    /// CPU time in each period.
    pub cpu_quota: Option<i64>,
    /// The length of a period.
    pub cpu_period: Option<i64>,
    /// Billionths of CPUs.
    pub nano_cpus: Option<i64>,
    /// The CPUs that it may use.
    pub cpuset: Option<String>,
    /// The memory nodes that it may use.
    pub cpuset_mems: Option<String>,
    /// Real-time period.
    pub cpu_realtime_period: Option<i64>,
    /// Real-time run time.
    pub cpu_realtime_runtime: Option<i64>,
    /// Share of disk time.
    pub blkio_weight: Option<u16>,
    /// Most processes.
    pub pids_limit: Option<i64>,
    /// The engine's restart policy.
    pub restart: RestartPolicy,
}

impl Limits {
    /// The limits that a spec asks for.
    pub fn of(spec: &ContainerSpec) -> Self {
        let ResourceSpec {
            memory,
            memory_swap,
            memory_reservation,
            // The engine takes these at the creation only.
            memory_swappiness: _,
            kernel_memory: _,
            cpu_shares,
            cpu_quota,
            cpu_period,
            nano_cpus,
            cpuset,
            cpuset_mems,
            cpu_realtime_period,
            cpu_realtime_runtime,
            blkio_weight,
            blkio_weight_device: _,
            device_read_bps: _,
            device_write_bps: _,
            device_read_iops: _,
            device_write_iops: _,
            pids_limit,
            oom_kill_disable: _,
            oom_score_adj: _,
            cpu_count: _,
            cpu_percent: _,
            disk_quota: _,
        } = &spec.resources;
        Self {
            memory: *memory,
            memory_swap: *memory_swap,
            memory_reservation: *memory_reservation,
            cpu_shares: *cpu_shares,
            cpu_quota: *cpu_quota,
            cpu_period: *cpu_period,
            nano_cpus: *nano_cpus,
            cpuset: cpuset.clone(),
            cpuset_mems: cpuset_mems.clone(),
            cpu_realtime_period: *cpu_realtime_period,
            cpu_realtime_runtime: *cpu_realtime_runtime,
            blkio_weight: *blkio_weight,
            pids_limit: *pids_limit,
            restart: spec.restart.clone(),
        }
    }

    /// Whether a container that has `seen` is as these ask for. What is not asked for may be as it is.
    pub fn are_met_by(&self, seen: &Self) -> bool {
        let number = |wanted: Option<i64>, seen: Option<i64>| wanted.is_none_or(|n| n == seen.unwrap_or(0));
        // Without a limit is -1 on the way in and nothing on the way out.
        let bounded = |wanted: Option<i64>, seen: Option<i64>| {
            wanted.is_none_or(|n| n.max(0) == seen.unwrap_or(0).max(0))
        };
        let text = |wanted: &Option<String>, seen: &Option<String>| {
            wanted.as_ref().is_none_or(|text| text == seen.as_deref().unwrap_or_default())
        };
        number(self.memory, seen.memory)
            && bounded(self.memory_swap, seen.memory_swap)
            && number(self.memory_reservation, seen.memory_reservation)
            && number(self.cpu_shares, seen.cpu_shares)
            && bounded(self.cpu_quota, seen.cpu_quota)
            && number(self.cpu_period, seen.cpu_period)
            && number(self.nano_cpus, seen.nano_cpus)
            && text(&self.cpuset, &seen.cpuset)
            && text(&self.cpuset_mems, &seen.cpuset_mems)
            && number(self.cpu_realtime_period, seen.cpu_realtime_period)
            && number(self.cpu_realtime_runtime, seen.cpu_realtime_runtime)
            && number(self.blkio_weight.map(i64::from), seen.blkio_weight.map(i64::from))
            && bounded(self.pids_limit, seen.pids_limit)
            && self.restart == seen.restart
    }
}
