//! A member of a group: a session with the database that shows that this process lives, and the records of what it owns.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{
    Shared,
    connection::{Server, Session, failure, pause},
    read::{self, Cursor},
    tick::{self, Identity},
    wake::{Moved, Wake},
};
use crate::{Delivery, Error, Member, Offset, Partition, Record, Topic, held::Held, sync::lock};

/// A look at the group takes no longer than this, or the session counts as lost.
const LOOK_WITHIN: Duration = Duration::from_secs(8);

/// Said to the session by the member.
enum Command {
    Release(Vec<Partition>, oneshot::Sender<Result<(), Error>>),
    Leave(oneshot::Sender<()>),
}

/// What the session and the member share.
struct State {
    held: Mutex<Held>,
    /// Said once to the consumer, after it was told what it lost.
    trouble: Mutex<Option<Error>>,
    changed: watch::Sender<u64>,
}

impl State {
    fn changed(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }
}

/// A member of a group. Dropping it ends its session, and the database frees what it had.
pub(super) struct PostgresMember {
    shared: Arc<Shared>,
    topic: Topic,
    state: Arc<State>,
    cursor: Cursor,
    verified: bool,
    commands: mpsc::Sender<Command>,
    _session: AbortOnDropHandle<()>,
}

impl PostgresMember {
    pub(super) async fn join(shared: Arc<Shared>, topic: Topic, group: &str) -> Result<Self, Error> {
        let who = Identity {
            topic,
            group: group.to_owned(),
            member: Uuid::now_v7(),
            partitions: shared.config.partitions,
            ttl: shared.config.lease_ttl,
        };
        let state = Arc::new(State {
            held: Mutex::new(Held::default()),
            trouble: Mutex::new(None),
            changed: watch::Sender::new(0),
        });
        let (commands, queue) = mpsc::channel(16);
        let mut keeper = Keeper {
            server: shared.server.clone(),
            wake: Arc::clone(&shared.wake),
            state: Arc::clone(&state),
            who,
            queue,
        };
        let session = keeper.enter().await?;
        let task = AbortOnDropHandle::new(tokio::spawn(keeper.run(session)));
        Ok(Self {
            shared,
            topic,
            state,
            cursor: Cursor::default(),
            verified: false,
            commands,
            _session: task,
        })
    }

    /// What there is to say without asking the database.
    fn news(&mut self) -> Option<Result<Delivery, Error>> {
        let now = Instant::now();
        let mut held = lock(&self.state.held);
        held.expire(now);
        let revoked = held.take_revoked(now, self.shared.config.lease_ttl);
        if !revoked.is_empty() {
            for partition in &revoked {
                self.cursor.remove(*partition);
            }
            return Some(Ok(Delivery::Revoked(revoked)));
        }
        if let Some(error) = lock(&self.state.trouble).take() {
            return Some(Err(error));
        }
        let assigned = held.take_assigned();
        (!assigned.is_empty()).then_some(Ok(Delivery::Assigned(assigned)))
    }

    /// Fetches records and hands out those of partitions that are still ours at the end of it.
    async fn records(&mut self, max: usize) -> Result<Option<Vec<Record>>, Error> {
        let positions = self.cursor.positions();
        let found = read::fetch(&self.shared.server, self.topic, &positions, max).await?;
        let records: Vec<Record> = {
            let (held, now) = (lock(&self.state.held), Instant::now());
            found
                .records
                .into_iter()
                .filter(|record| held.owns(record.partition, now))
                .collect()
        };
        if !records.is_empty() {
            self.cursor.advance(&records);
            return Ok(Some(records));
        }
        if let Some((partition, offset)) = found.broken.first().copied() {
            let error = read::explain(&self.shared.server, self.topic, partition, offset).await?;
            self.cursor.remove(partition);
            return Err(error);
        }
        if !self.verified {
            if let Some((partition, error)) = read::verify(&self.shared.server, self.topic, &positions).await {
                self.cursor.remove(partition);
                return Err(error);
            }
            self.verified = true;
        }
        Ok(None)
    }

    async fn tell(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| Error::Closed)
    }
}

#[async_trait]
impl Member for PostgresMember {
    async fn next(&mut self, max: usize) -> Result<Delivery, Error> {
        let mut woken = self.shared.wake.subscribe(Moved::Records(self.topic));
        let mut changed = self.state.changed.subscribe();
        loop {
            woken.borrow_and_update();
            changed.borrow_and_update();
            if let Some(news) = self.news() {
                return news;
            }
            if let Some(records) = self.records(max).await? {
                return Ok(Delivery::Records(records));
            }
            let poll = Instant::now() + self.shared.config.poll_interval;
            let deadline = lock(&self.state.held)
                .next_deadline()
                .map_or(poll, |deadline| deadline.min(poll));
            tokio::select! {
                outcome = woken.changed() => outcome.map_err(|_| Error::Closed)?,
                outcome = changed.changed() => outcome.map_err(|_| Error::Closed)?,
                () = tokio::time::sleep_until(deadline.into()) => self.verified = false,
            }
        }
    }

    async fn start(&mut self, partition: Partition, offset: Offset) -> Result<(), Error> {
        if !lock(&self.state.held).owns(partition, Instant::now()) {
            return Err(Error::NotAssigned {
                topic: self.topic,
                partition,
            });
        }
        self.cursor.place(partition, offset);
        self.verified = false;
        Ok(())
    }

    async fn released(&mut self, partitions: &[Partition]) -> Result<(), Error> {
        let partitions = lock(&self.state.held).revoked_of(partitions);
        if partitions.is_empty() {
            return Ok(());
        }
        let (reply, outcome) = oneshot::channel();
        self.tell(Command::Release(partitions.clone(), reply)).await?;
        let outcome = outcome
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("the session ended".to_owned())));
        if let Err(error) = outcome {
            // The lease runs out by itself, or the session's end has freed it already.
            tracing::debug!(%error, "partitions are freed by time");
        }
        lock(&self.state.held).released(&partitions);
        self.shared.wake.here(Moved::Groups);
        Ok(())
    }

    async fn leave(self: Box<Self>) -> Result<(), Error> {
        let (reply, left) = oneshot::channel();
        self.tell(Command::Leave(reply)).await?;
        // Whatever fails here, the end of the session frees everything.
        let _ = tokio::time::timeout(Duration::from_secs(3), left).await;
        Ok(())
    }
}

/// Keeps the session.
struct Keeper {
    server: Server,
    wake: Arc<Wake>,
    state: Arc<State>,
    who: Identity,
    queue: mpsc::Receiver<Command>,
}

/// Why a session ended.
enum End {
    /// The member left.
    Left,
    /// Others took it for dead while its connection lived: a pause.
    Buried,
}

impl Keeper {
    async fn enter(&mut self) -> Result<Session, Error> {
        let mut session = self.server.session().await?;
        // A name of its own for each session: what an earlier one left behind belongs to the dead.
        self.who.member = Uuid::now_v7();
        tick::enter(&mut session.client, &self.who)
            .await
            .map_err(|error| failure(&error))?;
        self.look(&mut session).await?;
        self.wake.everywhere(Moved::Groups);
        Ok(session)
    }

    async fn run(mut self, first: Session) {
        let mut session = Some(first);
        let mut attempt = 0;
        loop {
            let outcome = match session.take() {
                Some(mut session) => self.keep(&mut session).await,
                None => match self.enter().await {
                    Ok(entered) => {
                        attempt = 0;
                        session = Some(entered);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            lock(&self.state.held).lose_all();
            match outcome {
                Ok(End::Left) => {
                    self.state.changed();
                    return;
                }
                Ok(End::Buried) => {
                    tracing::warn!(
                        group = self.who.group,
                        "stream member was taken for dead and enters anew"
                    );
                }
                Err(error) => {
                    tracing::warn!(group = self.who.group, %error, attempt, "stream member lost its session");
                    *lock(&self.state.trouble) = Some(error);
                }
            }
            self.state.changed();
            self.refuse_while_away();
            tokio::time::sleep(pause(attempt)).await;
            attempt += 1;
        }
    }

    /// Without a session there is nothing to free: its end has done it.
    fn refuse_while_away(&mut self) {
        while let Ok(command) = self.queue.try_recv() {
            match command {
                Command::Release(_, reply) => drop(reply.send(Ok(()))),
                Command::Leave(reply) => drop(reply.send(())),
            }
        }
    }

    async fn keep(&mut self, session: &mut Session) -> Result<End, Error> {
        let mut groups = self.wake.subscribe(Moved::Groups);
        let slow = (self.who.ttl / 5).clamp(Duration::from_millis(50), Duration::from_secs(1));
        // At first quickly: the server may notice only now that the process before us has ended.
        for pace in std::iter::repeat_n(slow.min(Duration::from_millis(200)), 5).chain(std::iter::repeat(slow)) {
            let command = tokio::select! {
                () = session.ended.cancelled() => {
                    return Err(Error::Unavailable("the database ended the session".to_owned()));
                }
                command = self.queue.recv() => Some(command),
                _ = groups.changed() => None,
                () = tokio::time::sleep(pace) => None,
            };
            match command {
                None => {
                    groups.borrow_and_update();
                    if self.look(session).await?.is_none() {
                        return Ok(End::Buried);
                    }
                }
                Some(Some(Command::Release(partitions, reply))) => {
                    let freed = tick::release(&mut session.client, &self.who, &partitions).await;
                    let lost = freed.as_ref().err().map(failure);
                    let _ = reply.send(freed.map_err(|error| failure(&error)));
                    if let Some(error) = lost {
                        return Err(error);
                    }
                    self.wake.everywhere(Moved::Groups);
                }
                Some(Some(Command::Leave(reply))) => {
                    let left = tick::leave(&mut session.client, &self.who).await;
                    self.wake.everywhere(Moved::Groups);
                    let _ = reply.send(());
                    return left.map(|()| End::Left).map_err(|error| failure(&error));
                }
                // The member is gone and this task is about to be aborted.
                Some(None) => return Ok(End::Left),
            }
        }
        Ok(End::Left)
    }

    async fn look(&mut self, session: &mut Session) -> Result<Option<()>, Error> {
        let blocked = {
            let mut held = lock(&self.state.held);
            held.expire(Instant::now());
            held.blocked()
        };
        let look = tick::look(&mut session.client, &self.who, &blocked);
        let look = tokio::time::timeout(LOOK_WITHIN.min(self.who.ttl), look)
            .await
            .map_err(|_| Error::Unavailable("the database did not answer in time".to_owned()))?
            .map_err(|error| failure(&error))?;
        let Some(look) = look else { return Ok(None) };
        lock(&self.state.held).renewed(&look.ours, look.until);
        self.state.changed();
        if look.tell {
            self.wake.everywhere(Moved::Groups);
        }
        Ok(Some(()))
    }
}
