//! Sub-packages put together again (4.4.3, table 3), bounded in number, size and time.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use jiff::{SignedDuration, Timestamp};

use super::{Header, header::MAX_BODY_BYTES};
use crate::Fault;

/// Messages of one session that may be incomplete at a time.
pub(super) const MAX_OPEN: usize = 2;

/// Most sub-packages of a message: 64 times 1,023 bytes hold some 900 position reports.
pub(super) const MAX_PACKAGES: u16 = 64;

/// Most bytes held of all incomplete messages together: the longest message there may be.
pub(super) const MAX_HELD_BYTES: usize = MAX_PACKAGES as usize * MAX_BODY_BYTES;

/// How long a message may stay incomplete.
pub(super) const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// How long nothing comes of an incomplete message before what is missing is asked for, and how often.
pub(super) const ASK_AFTER: SignedDuration = SignedDuration::from_secs(5);
pub(super) const ASKED_AT_MOST: u8 = 3;

/// What is missing of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Serial number of its first sub-package.
    pub base: u16,
    /// Numbers of the sub-packages, from 1.
    pub numbers: Vec<u16>,
}

/// What became of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assembled {
    /// A whole message. `serials`: of every frame that it came in, in their order; each is to be answered.
    Whole {
        /// The body.
        body: Bytes,
        /// Serial numbers.
        serials: Vec<u16>,
    },
    /// A sub-package; others are missing.
    Part {
        /// From 1.
        number: u16,
        /// How many there are.
        total: u16,
    },
}

#[derive(Debug)]
struct Open {
    id: u16,
    /// Serial that sub-package 1 has or would have: one message's are numbered in a row.
    base: u16,
    total: u16,
    since: Timestamp,
    /// When a part last came, or was asked for.
    last: Timestamp,
    asked: u8,
    parts: BTreeMap<u16, (u16, Bytes)>,
}

impl Open {
    /// When what is missing is to be asked for. Where most is missing it is not: mostly one part came again of a message that was whole.
    fn asks_at(&self) -> Option<Timestamp> {
        let most = self.parts.len() * 2 >= usize::from(self.total);
        (most && self.asked < ASKED_AT_MOST)
            .then(|| self.last.checked_add(ASK_AFTER).ok())
            .flatten()
    }
}

/// Puts sub-packages of one session together.
#[derive(Debug, Default)]
pub struct Assembler {
    open: Vec<Open>,
}

impl Assembler {
    /// Bytes held.
    pub fn held(&self) -> usize {
        self.open
            .iter()
            .flat_map(|open| open.parts.values())
            .map(|(_, part)| part.len())
            .sum()
    }

    /// When [`Self::missing`] has something to say.
    pub fn asks_at(&self) -> Option<Timestamp> {
        self.open.iter().filter_map(Open::asks_at).min()
    }

    /// What is missing and to be asked for now (0x8003); each message's [`ASKED_AT_MOST`] times, [`ASK_AFTER`] apart.
    pub fn missing(&mut self, now: Timestamp) -> Vec<Missing> {
        self.open.retain(|open| now.duration_since(open.since) <= PATIENCE);
        let due = |open: &&mut Open| open.asks_at().is_some_and(|at| at <= now);
        let ask = |open: &mut Open| {
            open.asked += 1;
            open.last = now;
            let numbers = (1..=open.total).filter(|number| !open.parts.contains_key(number));
            Missing {
                base: open.base,
                numbers: numbers.collect(),
            }
        };
        self.open.iter_mut().filter(due).map(ask).collect()
    }

    /// Takes a frame's header and body.
    ///
    /// The oldest incomplete message goes when there are too many or too much is held, and any that is older than [`PATIENCE`]:
    /// nothing of it was acknowledged, so its device still has it.
    pub fn take(&mut self, header: &Header, body: Bytes, now: Timestamp) -> Result<Assembled, Fault> {
        let (total, number) = match header.package {
            None | Some((0 | 1, _)) => {
                return Ok(Assembled::Whole {
                    body,
                    serials: vec![header.serial],
                });
            }
            Some(package) => package,
        };
        if number == 0 || number > total || total > MAX_PACKAGES {
            return Err(Fault::Package(format!("number {number} of {total}")));
        }
        if body.len() > MAX_BODY_BYTES {
            return Err(Fault::Oversize {
                size: body.len(),
                limit: MAX_BODY_BYTES,
            });
        }
        self.open.retain(|open| now.duration_since(open.since) <= PATIENCE);
        let base = header.serial.wrapping_sub(number - 1);
        let found = self
            .open
            .iter()
            .position(|open| (open.id, open.base, open.total) == (header.id, base, total));
        // Devices that send a part anew give it a new serial: it belongs to the one message of its kind that lacks it.
        let found = found.or_else(|| {
            let mut lacking =
                self.open.iter().enumerate().filter(|(_, open)| {
                    (open.id, open.total) == (header.id, total) && !open.parts.contains_key(&number)
                });
            // The first part of another message has the same look, unless it was asked for.
            let asked = |(_, open): &(usize, &Open)| number > 1 || open.asked > 0;
            lacking.next().filter(asked).map(|(index, _)| index)
        });
        let mut index = found.unwrap_or_else(|| {
            if self.open.len() >= MAX_OPEN {
                self.open.remove(0);
            }
            self.open.push(Open {
                id: header.id,
                base,
                total,
                since: now,
                last: now,
                asked: 0,
                parts: BTreeMap::new(),
            });
            self.open.len() - 1
        });
        // One message alone is never too long: it has so many parts at most.
        while self.held() + body.len() > MAX_HELD_BYTES && self.open.len() > 1 {
            let oldest = usize::from(index == 0);
            self.open.remove(oldest);
            index -= usize::from(oldest < index);
        }
        let complete = self.open.get_mut(index).is_some_and(|open| {
            open.last = now;
            open.parts.insert(number, (header.serial, body));
            open.parts.len() == usize::from(total)
        });
        if !complete {
            return Ok(Assembled::Part { number, total });
        }
        let parts = self.open.remove(index).parts;
        let mut whole = BytesMut::with_capacity(parts.values().map(|(_, part)| part.len()).sum());
        let mut serials = Vec::with_capacity(parts.len());
        for (serial, part) in parts.into_values() {
            whole.extend_from_slice(&part);
            serials.push(serial);
        }
        Ok(Assembled::Whole {
            body: whole.freeze(),
            serials,
        })
    }
}
