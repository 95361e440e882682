//! How many files and sockets a process may have open.

use anyhow::{Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside the sessions: database, logs, listeners, the runtime's own.
const BESIDE: u64 = 200;

/// Raises this process's limit, and so that of every process that it starts, as far as it may: to `wanted` if the kernel lets it, else
/// to what it was allowed at its start. Returns the limit now.
pub fn raise(wanted: u64) -> u64 {
    let wanted = wanted + BESIDE;
    let held = getrlimit(Resource::Nofile);
    let (soft, hard) = (held.current.unwrap_or(u64::MAX), held.maximum.unwrap_or(u64::MAX));
    if soft >= wanted {
        return soft;
    }
    let higher = |current: u64, maximum: u64| Rlimit {
        current: Some(current),
        maximum: Some(maximum),
    };
    // Only a privileged process may raise the upper limit.
    if setrlimit(Resource::Nofile, higher(wanted, hard.max(wanted))).is_ok() {
        return wanted;
    }
    let most = hard.min(wanted);
    if setrlimit(Resource::Nofile, higher(most, hard)).is_ok() {
        most
    } else {
        soft
    }
}

/// Sessions that one process can have under a limit.
pub fn sessions(limit: u64) -> u64 {
    limit.saturating_sub(BESIDE)
}

/// Raises the limit for so many sockets in this process, or says how it can be raised.
pub fn need(sockets: u64) -> Result<()> {
    let limit = raise(sockets);
    if sessions(limit) < sockets {
        bail!(
            "{} descriptors are needed in one process. {}",
            sockets + BESIDE,
            how(limit, sockets + BESIDE)
        );
    }
    Ok(())
}

/// What is to be done about a limit that is too low.
pub fn how(limit: u64, wanted: u64) -> String {
    format!(
        "A process may open {limit} files and sockets in one table here (ulimit -Hn), and this one may not raise that. As root: `ulimit -n {wanted}` before the command; \
        systemd: LimitNOFILE={wanted} (deploy/systemd has it); Docker: --ulimit nofile={wanted}; for an account: `nofile` in /etc/security/limits.conf. \
        A container without the capability CAP_SYS_RESOURCE cannot go above what it was started with, not even as root."
    )
}
