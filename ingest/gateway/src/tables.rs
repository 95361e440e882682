//! Tables of open files: what a process may have open binds a table, and a thread may have one of its own.
//!
//! A session is an open file, and `RLIMIT_NOFILE` counts the files of one table. The threads of a process share a table until one of
//! them asks for its own (`unshare(CLONE_FILES)`, which needs no privilege). From then on a number means one file in that thread and
//! maybe another elsewhere, which neither Rust nor a C library reckons with: what is opened in a table must be used and closed in it.
//! What keeps that so is in `docs/adr/0023-tables-of-open-files.md`; what sessions need of the rest of the process goes there by
//! [`crate::home`].

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::fd::{AsRawFd, IntoRawFd, RawFd},
    thread,
};

use nix::{
    sched::{CloneFlags, unshare},
    sys::{
        resource::{Resource, getrlimit},
        signal::{SigSet, Signal},
    },
    unistd,
};

/// Tables of one gateway at most.
pub const MOST: usize = 64;
/// Files of a process beside the sessions: listeners, the database, the stream, the console.
const OTHERS: u64 = 512;
/// Files of a session thread beside its sessions and what is kept free: runtimes, listeners.
const BESIDE: u64 = 32;
/// Numbers at the bottom of a session thread's table that no connection gets, at most and at least: it is there that the process's own
/// table has its files.
const RESERVED: (u64, u64) = (64, 1_024);
/// How the kernel calls what wakes a runtime, and what it waits on.
const OF_RUNTIMES: [&str; 2] = ["anon_inode:[eventpoll]", "anon_inode:[eventfd]"];
/// What a thread brings upon itself, and must not put off.
const OWN_FAULTS: [Signal; 7] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGABRT,
    Signal::SIGTRAP,
    Signal::SIGSYS,
];

/// How many tables so many sessions need, where one may hold `limit` files; 1: the process's own is enough.
pub fn needed(limit: u64, sessions: u64) -> usize {
    let enough = |tables: &usize| holds(limit, *tables) >= sessions;
    (1..=MOST).find(enough).unwrap_or(MOST)
}

/// Sessions that so many tables hold. The kernel shares connections out by chance: of several tables each needs room for more than its
/// share, four standard deviations here.
pub fn holds(limit: u64, tables: usize) -> u64 {
    if tables <= 1 {
        return limit.saturating_sub(OTHERS);
    }
    let room = limit.saturating_sub(reserved(limit) + BESIDE);
    // A share s with room = s + 4 √s.
    let share = (room + 8).saturating_sub(4 * (room + 4).isqrt() + 4);
    share * tables as u64
}

const fn reserved(limit: u64) -> u64 {
    let (least, most) = RESERVED;
    let share = limit / 8;
    if share < least {
        least
    } else if share > most {
        most
    } else {
        share
    }
}

/// Tries whether threads may have tables of their own here; filters of system calls, as containers have them, may refuse it.
pub fn available() -> io::Result<()> {
    let tried = thread::Builder::new()
        .name("tables".to_owned())
        .spawn(|| unshare(CloneFlags::CLONE_FILES))?;
    match tried.join() {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(io::Error::other("the thread that tried ended")),
    }
}

/// Gives the calling thread a table of its own, for as long as it lives. Of what the process had open there remain the standard streams and
/// what belongs to runtimes, which wake one another by it: those that exist now, `runtimes` of them made for such threads. No connection
/// gets a low number, so that whoever used one of the process's by mistake meets an error, and not a device.
///
/// The thread takes no signals from now on: their handlers write to a file of the process.
pub(crate) fn own(runtimes: usize) -> io::Result<()> {
    let mut signals = SigSet::all();
    for fault in OWN_FAULTS {
        signals.remove(fault);
    }
    signals.thread_block()?;
    unshare(CloneFlags::CLONE_FILES)?;
    let open = open()?;
    let stays = stays(&open, runtimes);
    for (number, _) in open.iter().filter(|file| !stays(file)) {
        // Closed already: the directory that the list was read from.
        let _ = unistd::close(*number);
    }
    fill()
}

/// The calling thread's files, by number, and what the kernel calls them.
fn open() -> io::Result<Vec<(RawFd, String)>> {
    let mut open = Vec::new();
    // Not /proc/self: that is the process's first thread.
    for entry in fs::read_dir("/proc/thread-self/fd")? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let number = number.ok_or_else(|| io::Error::other("a file without a number"))?;
        let link = fs::read_link(entry.path()).unwrap_or_default();
        open.push((number, link.to_string_lossy().into_owned()));
    }
    Ok(open)
}

/// Which of the files a thread keeps. Every runtime has a copy of the one socket that tells it of signals, and so has the process: no
/// other is there that often.
fn stays(open: &[(RawFd, String)], runtimes: usize) -> impl Fn(&&(RawFd, String)) -> bool {
    let mut copies: HashMap<String, usize> = HashMap::new();
    for (_, link) in open.iter().filter(|(_, link)| link.starts_with("socket:")) {
        *copies.entry(link.clone()).or_default() += 1;
    }
    move |(number, link)| {
        *number <= 2
            || OF_RUNTIMES.contains(&link.as_str())
            || copies.get(link).is_some_and(|copies| *copies > runtimes)
    }
}

/// Takes the numbers at the bottom that are free. What it puts there can be read, and is empty; writing fails.
fn fill() -> io::Result<()> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let empty = File::open("/dev/null")?;
    loop {
        let copy = empty.try_clone()?;
        if u64::try_from(copy.as_raw_fd()).is_ok_and(|number| number >= reserved(limit)) {
            break;
        }
        // Until the thread ends.
        let _ = copy.into_raw_fd();
    }
    let _ = empty.into_raw_fd();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        sync::mpsc,
    };

    use tokio::{
        runtime::{Builder, Runtime},
        sync::oneshot,
    };

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn as_many_tables_as_the_sessions_need() {
        assert_eq!(needed(131_072, 60_000), 1);
        assert_eq!(needed(20_000, 19_488), 1);
        assert_eq!(needed(20_000, 19_489), 2);
        assert_eq!(needed(20_000, 51_000), 3);
        assert_eq!(needed(512, 1_000), 3);
        assert_eq!(needed(100, 60_000), MOST);
        for limit in [256, 1_024, 20_000] {
            for tables in 2..MOST {
                let share = holds(limit, tables) / tables as u64;
                let most = share + 4 * share.isqrt();
                assert!(most + reserved(limit) + BESIDE <= limit, "{limit} {tables}");
                assert!(share > limit / 4, "{limit} {tables}");
            }
        }
    }

    #[test]
    fn a_thread_keeps_nothing_of_the_process_but_its_runtimes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (ready, is_ready) = mpsc::channel();
        let runtimes = [runtime(), runtime()];
        let threads = runtimes.map(|runtime| {
            let ready = ready.clone();
            let (end, ended) = oneshot::channel::<()>();
            let thread = thread::spawn(move || {
                own(2).unwrap();
                look();
                ready.send(()).unwrap();
                runtime.block_on(ended).unwrap();
            });
            (thread, end)
        });
        drop(ready);
        for _ in 0..2 {
            is_ready.recv().unwrap();
        }
        drop(listener);
        assert!(TcpStream::connect(address).is_err(), "nobody has it any more");
        for (thread, end) in threads {
            // Wakes the thread's runtime from this table.
            end.send(()).unwrap();
            thread.join().unwrap();
        }
    }

    /// What a thread with a table of its own has open.
    fn look() {
        let reserved = RawFd::try_from(reserved(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0)).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(socket.as_raw_fd() >= reserved);
        let mut low = open().unwrap();
        low.retain(|(number, _)| *number < reserved);
        assert_eq!(
            low.len(),
            usize::try_from(reserved).unwrap(),
            "every low number is taken"
        );
        let known = |link: &str| link == "/dev/null" || OF_RUNTIMES.contains(&link);
        low.retain(|(number, link)| *number > 2 && !known(link));
        // The runtimes' socket of signals, alone.
        let (_, first) = low.first().unwrap();
        assert!(
            first.starts_with("socket:") && low.iter().all(|(_, link)| link == first),
            "{low:?}"
        );
    }
}
