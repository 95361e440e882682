//! Is the platform blind? A test device goes through all of it; this judges whether what it says comes out.
//!
//! Every [`Settings::every`] the device sends a beat. A beat has *come out* when the event that it must cause is in the case database, when
//! that event raised its incident, and (where somebody listens for it) when the message about it has left the house. When
//! no beat that was sent within [`Settings::blind_after`] has come out, the platform is blind, whatever its parts say of themselves. Nothing
//! here asks the part that may have failed: a watcher that learns nothing becomes blind by the clock alone.
//!
//! With the defaults: the last beat before a failure came out at most 30 s before it, and a beat counts for 55 s, so that blindness is
//! told between 25 s and 55 s after whatever failed, and within [`LATEST`] with the second that a look takes.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// The longest that blindness may go untold.
pub const LATEST: SignedDuration = SignedDuration::from_secs(60);

/// How often, and how long is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// A beat is sent this often.
    pub every: SignedDuration,
    /// When no beat sent within this time has come out, the platform is blind.
    pub blind_after: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            every: SignedDuration::from_secs(30),
            blind_after: SignedDuration::from_secs(55),
        }
    }
}

/// Settings that would cry wolf, or too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// Beats must come.
    #[error("beats must be at least a second apart")]
    Often,
    /// A beat must have time to come out before the one before it is too old.
    #[error("blindness must be told at least 2 s after the next beat is due, or every slow beat is an alarm")]
    Hasty,
    /// The promise.
    #[error("blindness must be told within 60 s")]
    Slow,
}

impl Settings {
    /// Refuses settings under which a platform that works would look blind, or a blind one be told of after [`LATEST`].
    pub fn check(self) -> Result<Self, BadSettings> {
        if self.every < SignedDuration::from_secs(1) {
            return Err(BadSettings::Often);
        }
        if self.blind_after < self.every.saturating_add(SignedDuration::from_secs(2)) {
            return Err(BadSettings::Hasty);
        }
        if self.blind_after >= LATEST {
            return Err(BadSettings::Slow);
        }
        Ok(self)
    }
}

/// How far beats came, as far as the watcher can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// No gateway took the device's session.
    Gateway,
    /// A gateway took the report and did not acknowledge it: it is not durable in the stream.
    Stream,
    /// Acknowledged, and no event came of it: engine or alert worker.
    Decision,
    /// The event is stored, and raised no incident.
    Incident,
    /// The incident was raised, and the message about it did not arrive: nobody outside the consoles hears anything.
    Message,
    /// The case database does not answer: nothing can be known, and no officer sees anything new.
    Database,
}

impl Stage {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Gateway,
        Self::Stream,
        Self::Decision,
        Self::Incident,
        Self::Message,
        Self::Database,
    ];

    /// The word in SQL, JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Stream => "stream",
            Self::Decision => "decision",
            Self::Incident => "incident",
            Self::Message => "message",
            Self::Database => "database",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the watcher tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The platform is blind.
    Blind {
        /// When the newest beat that came out was sent: since then nothing is sure.
        since: Timestamp,
        /// Where beats end.
        stage: Stage,
    },
    /// Beats come out again.
    Seeing {
        /// Since when it had been blind.
        since: Timestamp,
        /// When the beat was sent that came out.
        again: Timestamp,
    },
}

/// What is known of the beats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    settings: Settings,
    /// When the newest beat was sent that came out as an event; at first, when watching began: a platform gets as long to show a first beat.
    newest_event: Timestamp,
    /// The same of its incident.
    newest_incident: Timestamp,
    /// The same of the message about it; `None`: nobody listens for messages.
    newest_message: Option<Timestamp>,
    newest_acknowledged: Option<Timestamp>,
    /// How far the newest beat came that was not acknowledged.
    stuck: Option<Stage>,
    database: bool,
    blind: Option<(Timestamp, Stage)>,
}

impl Canary {
    /// Begins to watch.
    pub const fn new(settings: Settings, now: Timestamp) -> Self {
        Self {
            settings,
            newest_event: now,
            newest_incident: now,
            newest_message: None,
            newest_acknowledged: None,
            stuck: None,
            database: true,
            blind: None,
        }
    }

    /// Messages about beats are listened for from `now` on: from then on they prove themselves too.
    pub const fn listens(&mut self, now: Timestamp) {
        if self.newest_message.is_none() {
            self.newest_message = Some(now);
        }
    }

    /// The beat sent at `sent_at` was acknowledged.
    pub fn acknowledged(&mut self, sent_at: Timestamp) {
        self.newest_acknowledged = self.newest_acknowledged.max(Some(sent_at));
        self.stuck = None;
    }

    /// A beat ended at a gateway or in the stream.
    pub const fn failed(&mut self, stage: Stage) {
        self.stuck = Some(stage);
    }

    /// The case database answered: the newest beat that came out as an event was sent at `newest`, and the newest whose incident was raised
    /// at `raised`.
    pub fn out(&mut self, newest: Option<Timestamp>, raised: Option<Timestamp>) {
        self.database = true;
        if let Some(newest) = newest {
            self.newest_event = self.newest_event.max(newest);
        }
        if let Some(raised) = raised {
            self.newest_incident = self.newest_incident.max(raised);
        }
    }

    /// The message about the beat sent at `sent_at` has arrived.
    pub fn arrived(&mut self, sent_at: Timestamp) {
        self.newest_message = self.newest_message.map(|newest| newest.max(sent_at));
    }

    /// The case database did not answer.
    pub const fn unknown(&mut self) {
        self.database = false;
    }

    /// Since when the platform is blind.
    pub fn blind_since(&self) -> Option<(Timestamp, Stage)> {
        self.blind
    }

    /// When the newest beat was sent that came out every way that is watched.
    pub fn newest_out(&self) -> Timestamp {
        let known = self.newest_event.min(self.newest_incident);
        self.newest_message.map_or(known, |message| known.min(message))
    }

    /// Looks at the clock; tells a change once.
    pub fn judge(&mut self, now: Timestamp) -> Option<Change> {
        let newest = self.newest_out();
        let silent = now.duration_since(newest);
        // A clock that was set back proves nothing; what came out is then in the future and counts.
        if silent < self.settings.blind_after {
            let (since, _) = self.blind.take()?;
            return Some(Change::Seeing { since, again: newest });
        }
        if self.blind.is_some() {
            return None;
        }
        let stage = self.stage(now);
        self.blind = Some((newest, stage));
        Some(Change::Blind { since: newest, stage })
    }

    /// The first leg of the way on which nothing new has come out.
    fn stage(&self, now: Timestamp) -> Stage {
        let seen = |newest: Timestamp| now.duration_since(newest) < self.settings.blind_after;
        match (self.database, self.stuck) {
            (false, _) => Stage::Database,
            (true, _) if seen(self.newest_event) && seen(self.newest_incident) => Stage::Message,
            (true, _) if seen(self.newest_event) => Stage::Incident,
            (true, Some(stage)) => stage,
            (true, None) if self.newest_acknowledged > Some(self.newest_event) => Stage::Decision,
            // Nothing was acknowledged, and nothing said why: no session was opened at all.
            (true, None) => Stage::Gateway,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Timestamp = Timestamp::UNIX_EPOCH;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    /// A platform in which beats need `latency` to come out, and one stage fails at `fails_at` for `lasts`; looked at every second.
    /// Times in milliseconds. Returns what was told, and when.
    fn play(stage: Stage, latency: i64, fails_at: i64, lasts: i64, until: i64) -> Vec<(i64, Change)> {
        let mut canary = Canary::new(Settings::default().check().unwrap(), BEGIN);
        canary.listens(BEGIN);
        let mut told = Vec::new();
        let down = |ms: i64| (fails_at..fails_at + lasts).contains(&ms);
        for ms in 0..=until {
            if ms % 30_000 == 0 {
                match stage {
                    Stage::Gateway | Stage::Stream if down(ms) => canary.failed(stage),
                    _ => canary.acknowledged(at(ms)),
                }
            }
            if ms % 1_000 == 500 {
                // What a gateway took before it died comes out. What a later part has before it when it dies comes out when it is back.
                let newest = |leg: Stage| {
                    let stuck = |sent: i64| match stage {
                        Stage::Gateway | Stage::Stream => down(sent),
                        Stage::Database => false,
                        stage => stage <= leg && down(sent + latency) && down(ms),
                    };
                    let sent = (0..=ms)
                        .step_by(30_000)
                        .filter(|sent| sent + latency <= ms && !stuck(*sent));
                    sent.max().map(at)
                };
                if stage == Stage::Database && down(ms) {
                    canary.unknown();
                } else {
                    canary.out(newest(Stage::Decision), newest(Stage::Incident));
                }
                if let Some(arrived) = newest(Stage::Message) {
                    canary.arrived(arrived);
                }
                told.extend(canary.judge(at(ms)).map(|change| (ms, change)));
            }
        }
        told
    }

    #[test]
    fn whatever_fails_at_whatever_moment_is_told_within_a_minute_once_and_named() {
        for stage in Stage::ALL {
            for fails_at in (60_000..120_000).step_by(701) {
                let told = play(stage, 900, fails_at, 200_000, 400_000);
                let [
                    (blind_ms, Change::Blind { since, stage: named }),
                    (_, Change::Seeing { since: same, .. }),
                ] = told[..]
                else {
                    panic!("{stage} at {fails_at}: {told:?}")
                };
                assert!(
                    blind_ms - fails_at <= 60_000,
                    "{stage} at {fails_at}: told at {blind_ms}"
                );
                assert!(blind_ms >= fails_at, "{stage} at {fails_at}: told at {blind_ms}");
                assert_eq!((named, since), (stage, same), "{stage} at {fails_at}");
            }
        }
    }

    #[test]
    fn a_platform_that_is_slow_within_reason_is_not_called_blind() {
        assert_eq!(play(Stage::Decision, 20_000, 10_000_000, 0, 600_000), []);
        // One lost beat is one too many: the second is judged with it.
        assert_eq!(play(Stage::Stream, 900, 89_000, 2_000, 300_000).len(), 2);
    }

    #[test]
    fn without_anybody_who_listens_messages_prove_nothing() {
        let mut canary = Canary::new(Settings::default(), BEGIN);
        for ms in (0..=600_000).step_by(30_000) {
            canary.acknowledged(at(ms));
            canary.out(Some(at(ms)), Some(at(ms)));
            canary.arrived(at(ms));
            assert_eq!(canary.judge(at(ms + 1_000)), None);
        }
        // From when somebody listens it gets the usual time, and is missed then.
        canary.listens(at(600_000));
        assert_eq!(canary.newest_out(), at(600_000));
        canary.out(Some(at(630_000)), Some(at(630_000)));
        assert_eq!(canary.judge(at(654_999)), None);
        assert_eq!(
            canary.judge(at(655_000)),
            Some(Change::Blind {
                since: at(600_000),
                stage: Stage::Message
            })
        );
    }

    #[test]
    fn a_watcher_that_learns_nothing_at_all_says_so_by_the_clock() {
        let mut canary = Canary::new(Settings::default(), BEGIN);
        canary.unknown();
        assert_eq!(canary.judge(at(54_999)), None);
        let blind = Change::Blind {
            since: BEGIN,
            stage: Stage::Database,
        };
        assert_eq!(canary.judge(at(55_000)), Some(blind));
        assert_eq!(canary.judge(at(56_000)), None);
    }

    #[test]
    fn settings_that_cry_wolf_or_too_late_are_refused() {
        let of = |every, after| Settings {
            every: SignedDuration::from_secs(every),
            blind_after: SignedDuration::from_secs(after),
        };
        assert_eq!(of(0, 30).check(), Err(BadSettings::Often));
        assert_eq!(of(30, 31).check(), Err(BadSettings::Hasty));
        assert_eq!(of(30, 60).check(), Err(BadSettings::Slow));
        assert_eq!(of(2, 5).check(), Ok(of(2, 5)));
    }
}
