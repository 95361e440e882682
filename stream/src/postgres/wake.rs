//! Waking readers and members: directly within this process, by NOTIFY from another one.

use std::sync::Arc;

use futures::{Stream, StreamExt};
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Client};
use uuid::Uuid;

use super::connection::{Server, failure, pause};
use crate::{Error, Topic};

/// One at a time for each topic: what moves meanwhile is told together.
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
    /// What other processes are to be told, by [`Moved::ALL`].
    outgoing: watch::Sender<[u64; 3]>,
}

impl Wake {
    pub(super) fn new() -> Self {
        Self {
            instance: Uuid::now_v7().simple().to_string(),
            reports: watch::Sender::new(0),
            events: watch::Sender::new(0),
            groups: watch::Sender::new(0),
            outgoing: watch::Sender::new([0; 3]),
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

    /// Wakes this process and, a moment later, the others. Not part of the append's transaction: NOTIFY would make all commits
    /// of the database wait for one another; what is lost in a crash the slow poll finds.
    pub(super) fn everywhere(&self, moved: Moved) {
        self.here(moved);
        self.outgoing.send_modify(|versions| {
            for (version, _) in versions.iter_mut().zip(Moved::ALL).filter(|(_, other)| *other == moved) {
                *version = version.wrapping_add(1);
            }
        });
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
    let messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
    // Both on one connection; the first is what drives it.
    tokio::select! {
        outcome = hear(messages, wake) => outcome,
        outcome = speak(client, wake, attempt) => outcome,
    }
}

async fn hear(
    messages: impl Stream<Item = Result<AsyncMessage, tokio_postgres::Error>>,
    wake: &Wake,
) -> Result<(), Error> {
    tokio::pin!(messages);
    while let Some(message) = messages.next().await {
        let AsyncMessage::Notification(notification) = message.map_err(|error| failure(&error))? else {
            continue;
        };
        let Some((instance, name)) = notification.payload().split_once(' ') else {
            continue;
        };
        if instance != wake.instance {
            for moved in Moved::ALL.into_iter().filter(|moved| moved.name() == name) {
                wake.here(moved);
            }
        }
    }
    Ok(())
}

async fn speak(client: Client, wake: &Wake, attempt: &mut u32) -> Result<(), Error> {
    client
        .batch_execute("LISTEN homeward_stream")
        .await
        .map_err(|error| failure(&error))?;
    let notify = client.prepare(NOTIFY).await.map_err(|error| failure(&error))?;
    *attempt = 0;
    // Whatever came while nobody listened.
    for moved in Moved::ALL {
        wake.here(moved);
    }
    let mut outgoing = wake.outgoing.subscribe();
    let mut said = [0; 3];
    loop {
        let wanted = *outgoing.borrow_and_update();
        for ((wanted, said), moved) in wanted.into_iter().zip(&mut said).zip(Moved::ALL) {
            if wanted != *said {
                *said = wanted;
                let payload = format!("{} {}", wake.instance, moved.name());
                client
                    .execute(&notify, &[&payload])
                    .await
                    .map_err(|error| failure(&error))?;
            }
        }
        outgoing.changed().await.map_err(|_| Error::Closed)?;
    }
}
