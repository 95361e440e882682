//! Work that touches files of the process: the stream, the database. Where sessions have tables of open files of their own
//! ([`crate::tables`]), it is done in the process's, and only its outcome comes back.

use std::{
    panic::AssertUnwindSafe,
    task::{Context, Waker},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Future},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::coop::unconstrained,
};

type Job = BoxFuture<'static, ()>;

/// Where such work is done.
#[derive(Debug, Clone)]
pub(crate) enum Home {
    /// In the session: it has the process's files.
    Here,
    /// By [`keep`], in the process's runtime.
    There(mpsc::UnboundedSender<Job>),
}

impl Home {
    /// Another place than the sessions', and the task that does the work there, for the process's runtime.
    pub(crate) fn there() -> (Self, impl Future<Output = ()> + Send + 'static) {
        // What each session has under way is bounded.
        let (jobs, waiting) = mpsc::unbounded_channel();
        (Self::There(jobs), keep(waiting))
    }

    /// Does some work; `None` when it came to no end. Dropped, it is given up.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> BoxFuture<'static, Option<T>> {
        let Self::There(jobs) = self else {
            return work.map(Some).boxed();
        };
        let (mut outcome, told) = oneshot::channel();
        let job = async move {
            tokio::select! {
                biased;
                done = AssertUnwindSafe(work).catch_unwind() => if let Ok(done) = done {
                    let _ = outcome.send(done);
                },
                () = outcome.closed() => {}
            }
        };
        // At the end of the process nobody takes it, and nothing is told.
        let _ = jobs.send(job.boxed());
        told.map(Result::ok).boxed()
    }
}

/// Begins the work in the order in which it came, so that the appends of a session keep theirs, and goes on with all of it at once.
async fn keep(mut jobs: mpsc::UnboundedReceiver<Job>) {
    while let Some(job) = jobs.recv().await {
        // The budget of this task must not put one behind the next.
        let mut job = Box::pin(unconstrained(job));
        let mut nobody = Context::from_waker(Waker::noop());
        if job.as_mut().poll(&mut nobody).is_pending() {
            // Polled at once: whatever woke nobody is seen then.
            tokio::spawn(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use super::*;

    #[tokio::test]
    async fn work_begins_in_its_order_and_a_panic_is_its_own() {
        let (home, keep) = Home::there();
        tokio::spawn(keep);
        let begun = Arc::new(Mutex::new(Vec::new()));
        let work: Vec<_> = (0..1_000)
            .map(|number| {
                let begun = Arc::clone(&begun);
                home.run(async move {
                    begun.lock().unwrap().push(number);
                    tokio::time::sleep(Duration::from_millis(1_000 - number)).await;
                    assert!(number % 100 != 7, "of a test");
                    number
                })
            })
            .collect();
        for (number, done) in (0..).zip(work) {
            assert_eq!(done.await, (number % 100 != 7).then_some(number));
        }
        assert!(begun.lock().unwrap().iter().copied().eq(0..1_000));
        assert_eq!(Home::Here.run(async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_given_up() {
        let (home, keep) = Home::there();
        tokio::spawn(keep);
        let (held, given_up) = oneshot::channel::<()>();
        let work = home.run(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        assert_eq!(home.run(async { 7 }).await, Some(7));
        drop(work);
        assert!(given_up.await.is_err());
    }

    #[tokio::test]
    async fn nothing_is_told_when_the_process_ends() {
        let (home, keep) = Home::there();
        drop(keep);
        assert_eq!(home.run(async { 7 }).await, None);
    }
}
