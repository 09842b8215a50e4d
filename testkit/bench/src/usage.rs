//! What this process has used, and where it may run.

use anyhow::Result;
use rustix::thread::{CpuSet, sched_setaffinity};

/// CPU seconds of all threads so far.
pub fn cpu_seconds() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return f64::NAN };
    let mut nanoseconds = 0.0;
    for task in tasks.flatten() {
        // A thread may end between the listing and the reading.
        if let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) {
            nanoseconds += text.split(' ').next().and_then(|n| n.parse::<f64>().ok()).unwrap_or_default();
        }
    }
    nanoseconds / 1e9
}

/// Lets this thread, and those that it starts from now on, run on one core only.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}
