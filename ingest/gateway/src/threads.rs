//! Session threads: where one table of open files is not enough ([`crate::tables`]), each of several has listeners of its own on the same
//! addresses, among which the kernel shares connections out, and the sessions that come of them.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use codec::Protocol;
use futures::future::join_all;
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tracing::error;

use crate::{
    failed::Failed,
    server::{Accept, Error, listen},
    session::Shared,
    tables, tls,
};

/// What the threads are to do.
pub(crate) struct Plan {
    pub(crate) tables: usize,
    /// Where to listen; bound by this process already.
    pub(crate) addresses: Vec<(Protocol, SocketAddr)>,
    pub(crate) acceptor: Option<Arc<tls::Acceptor>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) sessions: TaskTracker,
    pub(crate) abort: CancellationToken,
    pub(crate) failed: Failed,
}

impl Plan {
    fn failed(&self, source: io::Error) -> Error {
        Error::Tables {
            tables: self.tables,
            source,
        }
    }
}

/// Running threads. They end when the plan's sessions are closed and over.
#[derive(Debug)]
pub(crate) struct Threads {
    /// Of each thread: done when it listens no more.
    pub(crate) closed: Closed,
    /// Done when all of them have ended.
    pub(crate) ended: oneshot::Receiver<()>,
}

impl Threads {
    /// Starts them; all listen when this returns.
    pub(crate) async fn start(plan: Plan) -> Result<Self, Error> {
        let tables = plan.tables;
        let failed = |source| Error::Tables { tables, source };
        let (started, start) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let keeper = thread::Builder::new().name("keeper".to_owned());
        keeper.spawn(move || keep(plan, started, end)).map_err(failed)?;
        let lost = || failed(io::Error::other("the thread that starts the others ended"));
        let closed = start.await.map_err(|_| lost())??;
        Ok(Self { closed, ended })
    }
}

type Closed = Vec<oneshot::Receiver<()>>;

/// Starts the threads, and stays until they have ended: whatever they leave of what the process shares is dropped here, where the process's
/// files are.
fn keep(plan: Plan, started: oneshot::Sender<Result<Closed, Error>>, end: oneshot::Sender<()>) {
    let plan = Arc::new(plan);
    let mut threads = Vec::new();
    let outcome = open(&plan, &mut threads);
    let failed = outcome.is_err();
    if started.send(outcome).is_err() || failed {
        plan.sessions.close();
        plan.abort.cancel();
    }
    for thread in threads {
        if thread.join().is_err() {
            error!("a thread of sessions ended by a panic");
        }
    }
    drop(plan);
    let _ = end.send(());
}

/// Starts the threads and waits until all listen; those that were started are in `threads`, also after an error.
fn open(plan: &Arc<Plan>, threads: &mut Vec<JoinHandle<()>>) -> Result<Closed, Error> {
    let failed = |source| plan.failed(source);
    // All of them before the first table is divided: what wakes a runtime has the same number in every table then.
    let runtimes = (0..plan.tables).map(|_| Builder::new_current_thread().enable_all().build());
    let runtimes = runtimes.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    let (started, starts) = mpsc::channel();
    let mut closed = Vec::new();
    for (number, runtime) in runtimes.into_iter().enumerate() {
        let (plan, started) = (Arc::clone(plan), started.clone());
        let (close, is_closed) = oneshot::channel();
        let thread = thread::Builder::new().name(format!("sessions {number}"));
        let thread = thread.spawn(move || {
            let _noted = plan.failed.in_thread();
            serve(runtime, &plan, &started, close);
        });
        threads.push(thread.map_err(failed)?);
        closed.push(is_closed);
    }
    drop(started);
    for _ in &*threads {
        let lost = |_| failed(io::Error::other("a thread of sessions ended"));
        starts.recv().map_err(lost)??;
    }
    Ok(closed)
}

/// A thread's whole life. Its runtime, and with it all its sessions, is dropped here: in the table that has their sockets.
fn serve(runtime: Runtime, plan: &Plan, started: &mpsc::Sender<Result<(), Error>>, closed: oneshot::Sender<()>) {
    if let Err(source) = tables::own(plan.tables) {
        let _ = started.send(Err(plan.failed(source)));
        return;
    }
    runtime.block_on(async {
        let listeners = match listeners(plan) {
            Ok(listeners) => listeners,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok(()));
        tokio::select! {
            _ = join_all(listeners) => {}
            () = plan.abort.cancelled() => {}
            () = fault(plan) => {}
        }
        drop(closed);
        plan.sessions.wait().await;
    });
    drop(runtime);
}

/// A test's way to make one of the threads panic.
#[cfg(test)]
async fn fault(plan: &Plan) {
    plan.shared.fault.notified().await;
    panic!("a test asked for it");
}

#[cfg(not(test))]
async fn fault(_: &Plan) {
    std::future::pending::<()>().await;
}

/// Listens on all addresses; dropped, it ends.
fn listeners(plan: &Plan) -> Result<Vec<AbortOnDropHandle<()>>, Error> {
    let mut accepts = Vec::new();
    for (protocol, address) in &plan.addresses {
        let listener = listen(*address).map_err(|source| Error::Listen {
            protocol: *protocol,
            address: *address,
            source,
        })?;
        accepts.push(Accept {
            protocol: *protocol,
            listener,
            acceptor: plan.acceptor.clone().filter(|_| *protocol == Protocol::Native),
            shared: Arc::clone(&plan.shared),
            sessions: plan.sessions.clone(),
            abort: plan.abort.clone(),
        });
    }
    Ok(accepts
        .into_iter()
        .map(|accept| {
            let watched = plan.failed.clone().watch(plan.shared.draining.clone(), accept.run());
            AbortOnDropHandle::new(tokio::spawn(watched))
        })
        .collect())
}
