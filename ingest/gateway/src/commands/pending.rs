//! Commands that were sent and may be answered: which answer is for which.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use casedb::command::Outcome;
use codec::Command;
use jiff::{SignedDuration, Timestamp};
use proto::DeviceId;
use uuid::Uuid;

use super::{Body, Reference, What, clocks::MOST, count};

/// A position that was made this long before the command was sent still answers it: devices' clocks are not that good.
const BEFORE: SignedDuration = SignedDuration::from_secs(15);
/// A locate-now to which the device has answered in words only ends with these this long before its time is over.
const WORDS_BEFORE_END: SignedDuration = SignedDuration::from_secs(5);

#[derive(Debug)]
struct Sent {
    body: Body,
    since: Timestamp,
    /// The device has said something to it.
    heard: bool,
    /// What it said.
    words: String,
    /// Of the positions that came after a locate-now and looked older than it, the newest by the device's clock: it is the answer should
    /// that clock turn out to be slow.
    looked_old: Option<Timestamp>,
}

impl Sent {
    /// True when a position of that time, by our clock, was made after this was sent.
    fn is_answered_by(&self, made_at: Timestamp) -> bool {
        made_at >= self.since.saturating_sub(BEFORE).unwrap_or(Timestamp::MIN)
    }

    /// True when one of these sessions was told.
    fn is_of(&self, sessions: &[u64]) -> bool {
        self.body.told.is_some_and(|told| sessions.contains(&told))
    }
}

fn by_our_clock(device_time: Timestamp, slow_by: SignedDuration) -> Timestamp {
    device_time.saturating_add(slow_by).unwrap_or(device_time)
}

/// All of them, by device.
#[derive(Debug, Default)]
pub(super) struct Pending {
    sent: Mutex<HashMap<DeviceId, Vec<Sent>>>,
    /// How many there are: most positions come while there is none.
    count: AtomicUsize,
}

impl Pending {
    /// Notes a command that goes out now, or that went out at that time; once.
    pub(super) fn add(&self, body: &Body, since: Timestamp) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let of_device = sent.entry(body.device).or_default();
        if of_device.iter().any(|sent| sent.body.command_id == body.command_id) {
            return;
        }
        of_device.push(Sent {
            body: body.clone(),
            since,
            heard: false,
            words: String::new(),
            looked_old: None,
        });
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// True while no command is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Forgets a command.
    pub(super) fn forget(&self, device: DeviceId, command_id: Uuid) {
        self.retain_of(device, |sent| sent.body.command_id != command_id);
    }

    /// Drops what is over. Of a locate-now that was answered in words only, the words are its answer then.
    pub(super) fn over(&self, now: Timestamp) -> Vec<(DeviceId, Uuid, What)> {
        let mut ended = Vec::new();
        self.retain(|sent| {
            if !sent.words.is_empty() && sent.body.expires_at <= now + WORDS_BEFORE_END {
                let what = What::Ended(Outcome::Done, std::mem::take(&mut sent.words), None);
                ended.push((sent.body.device, sent.body.command_id, what));
                return false;
            }
            sent.body.expires_at > now
        });
        ended
    }

    /// Finds the command that an answer is for, and what it comes to. `others`: what these sessions were told is not meant.
    pub(super) fn answered(
        &self,
        device: DeviceId,
        reference: Option<Reference>,
        others: &[u64],
        done: Option<bool>,
        text: &str,
    ) -> Option<(Uuid, What)> {
        if self.is_empty() {
            return None;
        }
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let of_device = sent.get_mut(&device)?;
        let found = of_device.iter().position(|sent| {
            let meant = match reference {
                Some(reference) => sent.body.reference == reference,
                None => !sent.heard,
            };
            meant && !sent.is_of(others)
        })?;
        let one = of_device.get_mut(found)?;
        let command_id = one.body.command_id;
        let kind = one.body.command.name();
        if done != Some(false) && one.body.command == Command::Locate {
            // Understood; the answer is the position. A receipt is none, but the words of a device that has only words are.
            one.heard = true;
            if done.is_none() {
                text.clone_into(&mut one.words);
            }
            return Some((command_id, What::Delivered));
        }
        of_device.remove(found);
        if of_device.is_empty() {
            sent.remove(&device);
        }
        self.count.fetch_sub(1, Ordering::AcqRel);
        let outcome = if done == Some(false) {
            Outcome::Refused
        } else {
            Outcome::Done
        };
        count(kind, outcome.as_str());
        Some((command_id, What::Ended(outcome, text.to_owned(), None)))
    }

    /// Finds the locate-nows that a position answers. `slow_by`: the device's clock. `others`: it does not answer what these sessions
    /// were told.
    pub(super) fn located(
        &self,
        device: DeviceId,
        others: &[u64],
        (fix_time, slow_by): (Timestamp, SignedDuration),
        received_at: Timestamp,
    ) -> Vec<Uuid> {
        let made_at = by_our_clock(fix_time, slow_by);
        let mut found = Vec::new();
        self.retain_of(device, |sent| {
            if sent.body.command != Command::Locate || received_at < sent.since || sent.is_of(others) {
                return true;
            }
            if !sent.is_answered_by(made_at) {
                sent.looked_old = sent.looked_old.max(Some(fix_time));
                return true;
            }
            count("locate", "located");
            found.push(sent.body.command_id);
            false
        });
        found
    }

    /// Finds the locate-nows whose answer has come already: the device's clock is slower than was believed then. Each with the fix's time.
    pub(super) fn located_after_all(&self, device: DeviceId, slow_by: SignedDuration) -> Vec<(Uuid, Timestamp)> {
        let mut found = Vec::new();
        self.retain_of(device, |sent| {
            let answer = sent
                .looked_old
                .filter(|fix_time| sent.is_answered_by(by_our_clock(*fix_time, slow_by)));
            if let Some(fix_time) = answer {
                count("locate", "located");
                found.push((sent.body.command_id, fix_time));
            }
            answer.is_none()
        });
        found
    }

    /// Finds the locate-now that a position names as its question. The fix may still be one that the device had.
    pub(super) fn located_by(&self, device: DeviceId, reference: Reference, fix_time: Timestamp) -> Option<Uuid> {
        let mut found = None;
        self.retain_of(device, |sent| {
            let answers = sent.body.command == Command::Locate
                && sent.body.reference == reference
                && fix_time >= sent.since.saturating_sub(MOST).unwrap_or(Timestamp::MIN);
            if answers {
                count("locate", "located");
                found = Some(sent.body.command_id);
            }
            !answers
        });
        found
    }

    /// Keeps what is to be kept of one device's.
    fn retain_of(&self, device: DeviceId, keep: impl FnMut(&mut Sent) -> bool) {
        if self.is_empty() {
            return;
        }
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_device) = sent.get_mut(&device) else {
            return;
        };
        let before = of_device.len();
        of_device.retain_mut(keep);
        self.count.fetch_sub(before - of_device.len(), Ordering::AcqRel);
        if of_device.is_empty() {
            sent.remove(&device);
        }
    }

    /// Keeps what is to be kept of all.
    fn retain(&self, mut keep: impl FnMut(&mut Sent) -> bool) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dropped = 0;
        sent.retain(|_, list| {
            let before = list.len();
            list.retain_mut(&mut keep);
            dropped += before - list.len();
            !list.is_empty()
        });
        self.count.fetch_sub(dropped, Ordering::AcqRel);
    }
}
