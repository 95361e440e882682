//! A panic outside of the sessions. One of a session costs that session alone: its task catches it. One where connections are accepted, or of
//! a whole thread of sessions, leaves addresses where nobody answers, while all else goes on as if nothing were. It is not mended from
//! inside (`docs/adr/0023-tables-of-open-files.md` says why): the gateway says so, and whoever runs it ends the process with an error.

use std::{panic::AssertUnwindSafe, thread};

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// What [`crate::Health`] says then.
pub(crate) const FAILED: &str = "a listener or a thread of sessions has ended by a panic";

/// Whether it has happened; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failed(CancellationToken);

impl Failed {
    pub(crate) fn has(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it happens.
    pub(crate) async fn happens(self) {
        self.0.cancelled_owned().await;
    }

    /// Does work that only a drain may end. Dropping it ends it, too.
    pub(crate) async fn watch(self, draining: CancellationToken, work: impl Future<Output = ()>) {
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        if ended.is_err() || !draining.is_cancelled() {
            error!("a listener has ended by itself");
            self.0.cancel();
        }
    }

    /// To be held by a thread for as long as it lives.
    pub(crate) fn in_thread(&self) -> InThread {
        InThread(self.clone())
    }
}

/// Notes the panic of the thread that drops it.
#[derive(Debug)]
pub(crate) struct InThread(Failed);

impl Drop for InThread {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.0.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_drain_may_end_the_work() {
        let draining = CancellationToken::new();
        let failed = Failed::default();
        let watched = tokio::spawn(failed.clone().watch(draining.clone(), std::future::pending()));
        watched.abort();
        let _ = watched.await;
        assert!(!failed.has(), "dropped");
        failed
            .clone()
            .watch(draining.clone(), async { panic!("asked for") })
            .await;
        assert!(failed.has());
        let failed = Failed::default();
        failed.clone().watch(draining.clone(), async {}).await;
        assert!(failed.has(), "nobody listens any more");
        failed.clone().happens().await;
        draining.cancel();
        let failed = Failed::default();
        failed.clone().watch(draining, async {}).await;
        assert!(!failed.has());
    }

    #[test]
    fn the_panic_of_a_thread_is_noted_and_its_end_is_not() {
        let failed = Failed::default();
        let held = failed.in_thread();
        thread::spawn(move || drop(held)).join().unwrap();
        assert!(!failed.has());
        let held = failed.in_thread();
        let ended = thread::spawn(move || {
            let _held = held;
            panic!("asked for");
        });
        assert!(ended.join().is_err() && failed.has());
    }
}
