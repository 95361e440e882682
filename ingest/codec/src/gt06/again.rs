//! Alarms and states without a time of their own, sent again.
//!
//! A device that gets no answer sends the same once more, sometimes under another number. By its time a copy cannot be told, so it is told by
//! what was said before it.

use std::collections::VecDeque;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::{Frame, kind};

/// How long after the first a copy may come.
const PATIENCE: SignedDuration = SignedDuration::from_mins(3);

/// Most messages remembered.
const REMEMBERED: usize = 8;

/// When and under which number something was said first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct First {
    pub(super) at: Timestamp,
    serial: u16,
}

impl First {
    /// What `frame` says is new.
    pub(super) const fn now(frame: &Frame<'_>, now: Timestamp) -> Self {
        Self {
            at: now,
            serial: frame.serial,
        }
    }

    /// What makes a copy of the frame's report the same report, in front of its content.
    ///
    /// An alarm is the same within some minutes also when the device had to connect anew, or to another gateway, and sends the same bytes. A
    /// state is not: the same state may have come back in between.
    pub(super) fn key(self, kind: u8) -> Vec<u8> {
        let time = if is_state(kind) {
            self.at.as_microsecond()
        } else {
            self.at.as_second().div_euclid(PATIENCE.as_secs())
        };
        [&[kind][..], &time.to_be_bytes(), &self.serial.to_be_bytes()].concat()
    }
}

/// Whether the messages of this kind say how the device is, over and over.
pub(super) const fn is_state(kind: u8) -> bool {
    matches!(
        kind,
        kind::STATE | kind::HEARTBEAT | kind::STATE_MODULES | kind::WEARABLE
    )
}

#[derive(Debug)]
struct Said {
    kind: u8,
    content: Bytes,
    first: First,
}

/// What was said lately without a time.
#[derive(Debug, Default)]
pub(super) struct Lately {
    said: VecDeque<Said>,
}

impl Lately {
    /// When what `frame` says was said first: now, unless it is a copy. With another number it is one only if nothing else of its kind came in
    /// between.
    pub(super) fn first(&self, frame: &Frame<'_>, now: Timestamp) -> First {
        let alike = self.said.iter().rev().filter(|said| said.kind == frame.kind);
        let mut copies = alike.enumerate().filter(|(newer, said)| {
            said.content == frame.content
                && now.duration_since(said.first.at).abs() <= PATIENCE
                && (*newer == 0 || said.first.serial == frame.serial)
        });
        copies
            .next()
            .map_or_else(|| First::now(frame, now), |(_, said)| said.first)
    }

    /// Remembers it. `content`: the frame's.
    pub(super) fn remember(&mut self, frame: &Frame<'_>, content: Bytes, first: First) {
        let known = |said: &Said| said.first == first && said.kind == frame.kind && said.content == content;
        if self.said.iter().any(known) {
            return;
        }
        if self.said.len() == REMEMBERED {
            self.said.pop_front();
        }
        self.said.push_back(Said {
            kind: frame.kind,
            content,
            first,
        });
    }
}
