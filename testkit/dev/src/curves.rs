//! Figures that rise and fall as those of real machines do. Pure: the same name and time give the same figure, so
//! sums never go back and every reader sees the same curve.

use std::f64::consts::TAU;

use contract_values::Timestamp;
use serde_json::{Value, json};

use crate::behaviour::Behaviour;

/// The time in seconds as curves know it.
fn seconds(at: Timestamp) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let millis = at.0 as f64;
    millis / 1000.0
}

/// A number that belongs to a name, from 0 up to 1.
pub fn fraction(name: &str, salt: u32) -> f64 {
    let mut hash: u32 = 0x811c_9dc5 ^ salt;
    for byte in name.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    // The last bytes of a name should count as much as the first.
    hash = (hash ^ hash >> 15).wrapping_mul(0x2c1b_3c6d);
    f64::from(hash ^ hash >> 13) / f64::from(u32::MAX)
}

/// A wave of two lengths around 1 that is never below 0.2 and belongs to a name.
fn wave(name: &str, at: f64) -> f64 {
    let (slow, fast) = lengths(name);
    1.0 + 0.5 * (TAU * at / slow).sin() + 0.3 * (TAU * at / fast).sin()
}

/// The area under [`wave`] from 0 on.
fn area(name: &str, at: f64) -> f64 {
    let (slow, fast) = lengths(name);
    let part = |height: f64, length: f64| height * length / TAU * (1.0 - (TAU * at / length).cos());
    at + part(0.5, slow) + part(0.3, fast)
}

fn lengths(name: &str) -> (f64, f64) {
    (60.0 + 120.0 * fraction(name, 1), 7.0 + 9.0 * fraction(name, 2))
}

/// A sum that grows by `rate` a second on average since `from`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn sum(name: &str, rate: f64, from: Timestamp, at: Timestamp) -> u64 {
    // Whole days are taken off, so that small steps are not lost in large numbers.
    let origin = seconds(from);
    let grown = area(name, seconds(at) - origin) * rate;
    grown.max(0.0) as u64
}

/// A level around `mean`.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn level(name: &str, mean: u64, at: Timestamp) -> u64 {
    // A tenth of the wave: memory moves slowly.
    let factor = 0.9 + 0.1 * wave(name, seconds(at) % 1e6);
    (mean as f64 * factor) as u64
}

/// The use of something in percent around `mean`.
pub fn percent(name: &str, mean: f64, at: Timestamp) -> f64 {
    (mean * wave(name, seconds(at) % 1e6)).clamp(0.0, 100.0)
}

/// A document as the engine writes it once a second: the figures now and those of the second before.
pub fn stats(id: &str, name: &str, behaviour: &Behaviour, started: Timestamp, now: Timestamp) -> Value {
    const CORES: u64 = 4;
    let before = Timestamp(now.0 - 1000);
    let cpu = |at: Timestamp| {
        let used = sum(id, behaviour.cpu * 1e9, started, at.max(started));
        let since = u64::try_from((at.0 - started.0).max(0)).unwrap_or_default();
        json!({
            "cpu_usage": {
                "total_usage": used,
                "percpu_usage": vec![used / CORES; CORES as usize],
                "usage_in_kernelmode": used / 5,
                "usage_in_usermode": used - used / 5,
            },
            "system_cpu_usage": since * CORES * 1_000_000,
            "online_cpus": CORES,
            "throttling_data": { "periods": 0, "throttled_periods": 0, "throttled_time": 0 },
        })
    };
    let memory = level(id, behaviour.memory, now);
    let traffic = |salt: &str, rate: f64| sum(&format!("{id}{salt}"), rate, started, now);
    json!({
        "read": format!("{}", Moment(now)),
        "preread": format!("{}", Moment(before)),
        "id": id,
        "name": format!("/{name}"),
        "num_procs": 0,
        "pids_stats": { "current": 3 },
        "cpu_stats": cpu(now),
        "precpu_stats": cpu(before),
        "memory_stats": {
            "usage": memory,
            "max_usage": behaviour.memory + behaviour.memory / 4,
            "limit": 8_u64 << 30,
            "stats": { "cache": memory / 8, "rss": memory - memory / 8, "inactive_file": memory / 16 },
        },
        "networks": { "eth0": {
            "rx_bytes": traffic("rx", 20_000.0), "rx_packets": traffic("rx", 25.0), "rx_errors": 0, "rx_dropped": 0,
            "tx_bytes": traffic("tx", 60_000.0), "tx_packets": traffic("tx", 60.0), "tx_errors": 0, "tx_dropped": 0,
        } },
        "blkio_stats": { "io_service_bytes_recursive": [
            { "major": 8, "minor": 0, "op": "Read", "value": traffic("read", 4_000.0) },
            { "major": 8, "minor": 0, "op": "Write", "value": traffic("write", 9_000.0) },
        ] },
    })
}

/// A time as the engine writes it, with parts of the second.
pub struct Moment(pub Timestamp);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = self.0.to_string();
        write!(f, "{}.{:03}000000Z", whole.trim_end_matches('Z'), self.0.0.rem_euclid(1000))
    }
}

#[cfg(test)]
mod tests;
