//! Finding and removing what labs of dead processes left.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::network::output;
use super::{CGROUP, ROOT};

/// Notes which process a lab belongs to: its id and, since ids come again, when it started.
pub(super) fn write_owner(directory: &Path) -> std::io::Result<()> {
    let owner = std::process::id();
    fs::write(directory.join("owner"), format!("{owner} {}", start_time(owner).unwrap_or_default()))
}

/// Removes the leftovers of every lab whose owner is gone. The caller holds the lock.
pub(super) fn sweep() -> Vec<String> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(ROOT) else { return found };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let Some(tag) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if owner_lives(&path) {
            continue;
        }
        let mut parts = tag.splitn(3, '-');
        if let (Some(owner), Some(sequence)) = (parts.next(), parts.next()) {
            let _ = output("ip", &["link", "delete", &format!("lab{owner}x{sequence}")]);
        }
        remove_directory(&path);
        remove_cgroups(&format!("{CGROUP}/{tag}"));
        found.push(tag.to_owned());
    }
    found
}

fn owner_lives(directory: &Path) -> bool {
    let Ok(text) = fs::read_to_string(directory.join("owner")) else { return false };
    let Some((owner, started)) = text.split_once(' ') else { return false };
    let Ok(owner) = owner.parse() else { return false };
    start_time(owner).is_some_and(|time| time == started)
}

/// When a process started, in ticks since boot: field 22 of its `stat`.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets; what follows the last bracket does not.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19).map(str::to_owned)
}

/// Removes a tree in which a dying process may still write.
pub(super) fn remove_directory(directory: &Path) {
    retry(|| match fs::remove_dir_all(directory) {
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        Ok(()) => true,
    });
}

/// Removes a control group with all below it, in every hierarchy.
pub(super) fn remove_cgroups(name: &str) {
    let mut roots = vec![PathBuf::from("/sys/fs/cgroup")];
    if let Ok(entries) = fs::read_dir("/sys/fs/cgroup") {
        roots.extend(entries.flatten().map(|entry| entry.path()));
    }
    for root in roots {
        let group = root.join(name);
        if group.is_dir() {
            // The kernel keeps a group busy for a moment after its last process is gone.
            retry(|| {
                remove_groups_below(&group);
                !group.exists()
            });
            // Shared by all labs: this succeeds for the last one.
            let _ = fs::remove_dir(root.join(CGROUP));
        }
    }
}

fn remove_groups_below(group: &Path) {
    if let Ok(entries) = fs::read_dir(group) {
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_groups_below(&entry.path());
            }
        }
    }
    let _ = fs::remove_dir(group);
}

fn retry(mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(5);
    while !done() && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(20));
    }
}
