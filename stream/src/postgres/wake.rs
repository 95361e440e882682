//! Waking readers and members: directly within this process, by NOTIFY from another one.

use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Client};
use uuid::Uuid;

use super::connection::{Server, failure, pause};
use crate::{Error, Topic};

const NOTIFY: &str = "SELECT pg_notify('homeward_stream', $1)";

/// What moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// Records of a topic.
    Records(Topic),
    /// Membership or ownership in some group.
    Groups,
}

impl Moved {
    const ALL: [Self; 3] = [
        Self::Records(Topic::Reports),
        Self::Records(Topic::Events),
        Self::Groups,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Records(topic) => topic.name(),
            Self::Groups => "groups",
        }
    }
}

/// Versions that move when there is something new.
pub(super) struct Wake {
    /// Tells our own notifications from those of others.
    instance: String,
    reports: watch::Sender<u64>,
    events: watch::Sender<u64>,
    groups: watch::Sender<u64>,
}

impl Wake {
    pub(super) fn new() -> Self {
        Self {
            instance: Uuid::now_v7().simple().to_string(),
            reports: watch::Sender::new(0),
            events: watch::Sender::new(0),
            groups: watch::Sender::new(0),
        }
    }

    fn version(&self, moved: Moved) -> &watch::Sender<u64> {
        match moved {
            Moved::Records(Topic::Reports) => &self.reports,
            Moved::Records(Topic::Events) => &self.events,
            Moved::Groups => &self.groups,
        }
    }

    /// Follows what moves. Subscribe before looking, so that nothing falls between.
    pub(super) fn subscribe(&self, moved: Moved) -> watch::Receiver<u64> {
        self.version(moved).subscribe()
    }

    /// Wakes this process.
    pub(super) fn here(&self, moved: Moved) {
        self.version(moved)
            .send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Wakes the other processes. Not part of the append's transaction: NOTIFY would make all commits of the database wait for
    /// one another; what is lost in a crash the slow poll finds.
    pub(super) async fn elsewhere(&self, client: &Client, moved: Moved) -> Result<(), Error> {
        let payload = format!("{} {}", self.instance, moved.name());
        client
            .execute(NOTIFY, &[&payload])
            .await
            .map_err(|error| failure(&error))?;
        Ok(())
    }
}

/// Listens for good; reconnects.
pub(super) async fn listen(server: Server, wake: Arc<Wake>) {
    let mut attempt = 0;
    loop {
        match listen_once(&server, &wake, &mut attempt).await {
            Ok(()) => tracing::debug!("stream listener ended"),
            Err(error) => tracing::warn!(%error, "stream listener lost its connection"),
        }
        tokio::time::sleep(pause(attempt)).await;
        attempt = attempt.saturating_add(1);
    }
}

async fn listen_once(server: &Server, wake: &Wake, attempt: &mut u32) -> Result<(), Error> {
    let (client, mut connection) = server.raw().await?;
    let mut messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
    let listening = client.batch_execute("LISTEN homeward_stream");
    tokio::pin!(listening);
    let mut ready = false;
    loop {
        tokio::select! {
            outcome = &mut listening, if !ready => {
                outcome.map_err(|error| failure(&error))?;
                ready = true;
                *attempt = 0;
                // Whatever came while nobody listened.
                for moved in Moved::ALL {
                    wake.here(moved);
                }
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(notification))) => {
                    let Some((instance, name)) = notification.payload().split_once(' ') else { continue };
                    if instance == wake.instance {
                        continue;
                    }
                    for moved in Moved::ALL.into_iter().filter(|moved| moved.name() == name) {
                        wake.here(moved);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(failure(&error)),
                None => return Ok(()),
            }
        }
    }
}
