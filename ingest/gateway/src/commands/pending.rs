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

use super::{Body, What, count};

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
        });
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// Forgets a command.
    pub(super) fn forget(&self, device: DeviceId, command_id: Uuid) {
        self.retain(Some(device), |sent| sent.body.command_id != command_id);
    }

    /// Drops what is over. Of a locate-now that was answered in words only, the words are its answer then.
    pub(super) fn over(&self, now: Timestamp) -> Vec<(DeviceId, Uuid, What)> {
        let mut ended = Vec::new();
        self.retain(None, |sent| {
            if !sent.words.is_empty() && sent.body.expires_at <= now + WORDS_BEFORE_END {
                let what = What::Ended(Outcome::Done, std::mem::take(&mut sent.words), None);
                ended.push((sent.body.device, sent.body.command_id, what));
                return false;
            }
            sent.body.expires_at > now
        });
        ended
    }

    /// Finds the command that an answer is for, and what it comes to.
    pub(super) fn answered(
        &self,
        device: DeviceId,
        reference: Option<u32>,
        done: Option<bool>,
        text: &str,
    ) -> Option<(Uuid, What)> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let of_device = sent.get_mut(&device)?;
        let found = of_device.iter().position(|sent| match reference {
            Some(reference) => sent.body.reference == reference,
            None => !sent.heard,
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

    /// Finds the locate-nows that a position answers.
    pub(super) fn located(&self, device: DeviceId, fix_time: Timestamp, received_at: Timestamp) -> Vec<Uuid> {
        let mut found = Vec::new();
        if self.count.load(Ordering::Acquire) == 0 {
            return found;
        }
        self.retain(Some(device), |sent| {
            let answers = sent.body.command == Command::Locate
                && received_at >= sent.since
                && fix_time >= sent.since.saturating_sub(BEFORE).unwrap_or(Timestamp::MIN);
            if answers {
                count("locate", "located");
                found.push(sent.body.command_id);
            }
            !answers
        });
        found
    }

    fn retain(&self, device: Option<DeviceId>, mut keep: impl FnMut(&mut Sent) -> bool) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dropped = 0;
        sent.retain(|of, list| {
            if device.is_none_or(|device| device == *of) {
                let before = list.len();
                list.retain_mut(&mut keep);
                dropped += before - list.len();
            }
            !list.is_empty()
        });
        self.count.fetch_sub(dropped, Ordering::AcqRel);
    }
}
