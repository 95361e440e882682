//! Processes with their children, and signals to them.

use std::collections::HashMap;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// A process and everything that it has started, itself first.
pub fn descendants(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = parent(id) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(id) = found.get(next).copied() {
        found.extend(children.remove(&id).unwrap_or_default());
        next += 1;
    }
    found
}

/// True while a process of that name runs. One that has ended and waits to be looked after by its parent does not, nor does one that has
/// got the number of a server whose file outlived it.
pub(super) fn runs(id: u32, name: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else {
        return false;
    };
    let Some((head, tail)) = stat.rsplit_once(')') else {
        return false;
    };
    head.split_once('(').is_some_and(|(_, found)| found == name) && !tail.trim_start().starts_with(['Z', 'X'])
}

fn parent(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The command's name may hold blanks and brackets; after it come the state and the parent.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Sends a signal to processes; those that have ended are passed over.
pub fn signal(processes: &[u32], signal: Signal) {
    for id in processes {
        if let Some(id) = i32::try_from(*id).ok().and_then(Pid::from_raw) {
            let _ = kill_process(id, signal);
        }
    }
}
