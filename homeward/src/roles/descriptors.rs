//! Open files: each session of a device is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// What the process needs beside sessions: listeners, the database, the stream's segments, logs.
const OTHERS: u64 = 512;

/// Raises this process's limit of open files to what it may have, and says so when that is too little for the sessions.
pub fn raise(sessions: usize) {
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
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let needed = sessions as u64 + OTHERS;
    if current < needed {
        warn!(
            open_files = current,
            needed,
            "fewer sessions than gateway.max_sessions will fit: raise the hard limit of open files (systemd: LimitNOFILE=; \
             Docker: --ulimit nofile=), or run several gateways on the same addresses"
        );
    } else {
        info!(open_files = current, "limit of open files");
    }
}
