//! Open files: each session of a device is one.

use gateway::tables;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// Raises this process's limit of open files to what it may have. Returns over how many tables of open files the gateway's sessions are
/// spread; `wanted`: `gateway.file_tables`. Says so when that is too little for the sessions.
pub fn tables(sessions: usize, wanted: usize) -> usize {
    let limit = raise();
    let tables = match wanted {
        0 => needed(limit, sessions),
        wanted => wanted,
    };
    let held = tables::holds(limit, tables);
    if held < sessions as u64 {
        warn!(
            open_files = limit,
            file_tables = tables,
            held,
            "fewer sessions than gateway.max_sessions will fit: raise the hard limit of open files (systemd: LimitNOFILE=; \
             Docker: --ulimit nofile=), or set gateway.file_tables = 0"
        );
    } else {
        info!(open_files = limit, file_tables = tables, "limit of open files");
    }
    tables
}

/// As many as the sessions need, where there may be several.
fn needed(limit: u64, sessions: usize) -> usize {
    let needed = tables::needed(limit, sessions as u64);
    if needed > 1
        && let Err(error) = tables::available()
    {
        warn!(%error, "threads may have no tables of open files of their own here");
        return 1;
    }
    needed
}

fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        warn!(%error, "the limit of open files cannot be raised");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
