//! Commands to devices: what is asked for, by whom and why, and what becomes of it.
//!
//! A command is placed by a user ([`place`]), claimed by the gateway that holds the device's session ([`claim`]: written down as
//! sent *before* its first byte goes out, so that no crash makes it go out twice), and ends acknowledged, failed, expired or
//! cancelled. What ends by time is ended by [`sweep`], which any process may call at any time.
//!
//! A change of the interval for some time (pursuit) comes with its way back: a second command, due when the time is over. A newer
//! change takes the place of what is still queued.

mod deliver;
mod request;

pub use deliver::{claim, clock, deliver, due_devices, end, release, sweep, under_way};
pub use request::{CommandError, Placed, Request, cancel, cancel_in, of_person, place, place_in, read, usual_interval};

use alerts::blank::is_blank;
use jiff::{SignedDuration, Timestamp};
use proto::{DeviceId, PersonId};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Error, access::Purpose, text::words};

/// Notifications of every new state: JSON with `command_id`, `device_id`, `person_id` and `state`.
pub const CHANNEL: &str = "homeward_command";

/// A locate-now ends within 3 minutes; this leaves time for whoever ends it to notice.
pub const LOCATE_WITHIN: SignedDuration = SignedDuration::from_secs(170);
/// How long a vibration or a change of the interval waits for the device, where nothing else is asked for.
pub const WAITS: SignedDuration = SignedDuration::from_mins(10);
/// How long a text waits for the device.
pub const TEXT_WAITS: SignedDuration = SignedDuration::from_hours(24);
/// The longest that a command may be asked to wait.
pub const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a device has for its answer once a command is sent.
pub const ANSWER_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// How often a way back to the usual interval is asked for when nobody knows whether it arrived.
pub const REVERT_ATTEMPTS: i16 = 5;
/// Commands of one device that may be open at a time.
pub const MOST_OPEN: i64 = 20;
/// Longest pursuit.
pub const LONGEST_PURSUIT_S: u32 = 7 * 86_400;
/// Most characters of a text; as `codec::MAX_TEXT_CHARS`.
pub const MAX_TEXT_CHARS: usize = 200;
/// Longest interval; as `codec::MAX_INTERVAL_S`.
pub const MAX_INTERVAL_S: u32 = 86_400;

/// What a device is told to do. The JSON is that of `codec::Command`; a test of the gateway holds the two together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Instruction {
    /// Say where you are, now.
    Locate,
    /// Report this often.
    Interval {
        /// From one report to the next, 1 to 86400.
        seconds: u32,
        /// For so long, then as usual; 0: until told otherwise. At most seven days.
        #[serde(default)]
        for_seconds: u32,
    },
    /// Shake the wearer.
    Vibrate,
    /// Show or speak a text.
    Text {
        /// 1 to 200 characters, no control characters.
        text: String,
    },
}

impl Instruction {
    /// The word in the database and in JSON.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Locate => "locate",
            Self::Interval { .. } => "interval",
            Self::Vibrate => "vibrate",
            Self::Text { .. } => "text",
        }
    }

    /// How long it waits for the device where nothing else is asked for.
    pub const fn waits(&self) -> SignedDuration {
        match self {
            Self::Locate => LOCATE_WITHIN,
            Self::Interval { .. } | Self::Vibrate => WAITS,
            Self::Text { .. } => TEXT_WAITS,
        }
    }

    /// The longest that it may be asked to wait.
    pub const fn longest_wait(&self) -> SignedDuration {
        match self {
            Self::Locate => LOCATE_WITHIN,
            _ => LONGEST_WAIT,
        }
    }

    /// Checks the values; the reason when one is wrong.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Interval { seconds, .. } if !(1..=MAX_INTERVAL_S).contains(seconds) => {
                Err(format!("seconds: {seconds} s is outside 1 to {MAX_INTERVAL_S} s"))
            }
            Self::Interval { for_seconds, .. } if *for_seconds > LONGEST_PURSUIT_S => Err(format!(
                "for_seconds: {for_seconds} s is more than {LONGEST_PURSUIT_S} s"
            )),
            Self::Text { text }
                if is_blank(text) || text.chars().count() > MAX_TEXT_CHARS || text.chars().any(is_hidden) =>
            {
                Err(format!(
                    "text must have 1 to {MAX_TEXT_CHARS} characters, something to be seen, and no control characters"
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Controls a device, breaks a line, or shows other characters in another order than they are written in.
fn is_hidden(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

words! {
    /// Where a command stands.
    State, "state of a command", {
        /// Waits for a gateway that holds the device's session, and for its time.
        Queued = "queued",
        /// A gateway has it; its bytes go out now, or have gone.
        Sent = "sent",
        /// Its bytes were taken by the connection, or the device has confirmed to have it.
        Delivered = "delivered",
        /// The device did it; of a locate-now: a position made after it was sent has come.
        Acknowledged = "acknowledged",
        /// The device, or its protocol, will not do it; or the connection broke while it was sent.
        Failed = "failed",
        /// Its time was over.
        Expired = "expired",
        /// Taken back by a user, or by a newer command, before it was sent.
        Cancelled = "cancelled",
    }
}

impl State {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Sent,
        Self::Delivered,
        Self::Acknowledged,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
    ];

    /// True when nothing more will become of it.
    pub const fn is_end(self) -> bool {
        matches!(
            self,
            Self::Acknowledged | Self::Failed | Self::Expired | Self::Cancelled
        )
    }

    /// True when a command may go from this state to that one. `Sent` goes back to `Queued` only while no byte has gone out.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Queued, Self::Sent | Self::Cancelled | Self::Expired)
                | (
                    Self::Sent,
                    Self::Queued | Self::Delivered | Self::Acknowledged | Self::Failed | Self::Expired
                )
                | (Self::Delivered, Self::Acknowledged | Self::Failed | Self::Expired)
        )
    }
}

words! {
    /// Why a command ended as it did.
    Outcome, "outcome of a command", {
        /// The device says that it did it.
        Done = "done",
        /// A position came.
        Located = "located",
        /// The device says that it does not.
        Refused = "refused",
        /// The device's protocol or profile has no words for it.
        Unsupported = "unsupported",
        /// The connection broke while it was sent: it may have arrived or not, and is not sent again.
        ConnectionLost = "connection_lost",
        /// The device was not connected in time.
        NotConnected = "not_connected",
        /// A gateway had it and said nothing more: it may have gone out or not, and is not sent again.
        NotConfirmed = "not_confirmed",
        /// It went out, and no answer came in time.
        NoAnswer = "no_answer",
        /// A user took it back.
        Cancelled = "cancelled",
        /// A newer change of the interval took its place.
        Superseded = "superseded",
        /// A way back, of a change that never went out.
        NotNeeded = "not_needed",
    }
}

/// A command as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Its id.
    pub command_id: Uuid,
    /// To which device.
    pub device_id: DeviceId,
    /// Who wore it.
    pub person_id: PersonId,
    /// What to do.
    pub instruction: Instruction,
    /// Where it stands.
    pub state: State,
    /// The user who wants it.
    pub requested_by: Uuid,
    /// Why.
    pub purpose: Purpose,
    /// The case, where the user named one.
    pub case_number: String,
    /// For the protocol: comes back in the device's answer where there is room for it.
    pub reference: u32,
    /// The command whose way back this is.
    pub reverts: Option<Uuid>,
    /// Of a way back, from 1.
    pub attempt: i16,
    /// When it was placed.
    pub created_at: Timestamp,
    /// Not sent earlier.
    pub not_before: Timestamp,
    /// Ends then at the latest.
    pub expires_at: Timestamp,
    /// When a gateway took it.
    pub sent_at: Option<Timestamp>,
    /// When it was written, or confirmed.
    pub delivered_at: Option<Timestamp>,
    /// When the answer came.
    pub acknowledged_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The gateway that took it.
    pub gateway: String,
    /// Why it ended.
    pub outcome: Option<Outcome>,
    /// What the device said; without what may say a place where a user's role reads it.
    pub result: String,
    /// Of the position that answered.
    pub fix_time: Option<Timestamp>,
}

/// The columns that [`from_row`] reads, in front of the rest of a query.
macro_rules! columns {
    ($before:literal, $table:literal, $after:literal) => {
        concat!(
            $before,
            $table,
            ".command_id, ",
            $table,
            ".device_id, ",
            $table,
            ".person_id, ",
            $table,
            ".parameters, ",
            $table,
            ".state, ",
            $table,
            ".requested_by, ",
            $table,
            ".purpose, ",
            $table,
            ".case_number, ",
            $table,
            ".reference, ",
            $table,
            ".reverts, ",
            $table,
            ".attempt, ",
            $table,
            ".created_at, ",
            $table,
            ".not_before, ",
            $table,
            ".expires_at, ",
            $table,
            ".sent_at, ",
            $table,
            ".delivered_at, ",
            $table,
            ".acknowledged_at, ",
            $table,
            ".ended_at, ",
            $table,
            ".gateway, ",
            $table,
            ".outcome, ",
            $table,
            ".told, ",
            $table,
            ".fix_time",
            $after
        )
    };
}
use columns;

/// What a protocol has room for, 1 to 2³¹ − 1: a reference is told apart from those of the same device only.
fn folded(reference: i64) -> u32 {
    const ROOM: i64 = i32::MAX as i64;
    u32::try_from((reference - 1).rem_euclid(ROOM) + 1).unwrap_or(1)
}

fn from_row(row: &Row) -> Result<Command, Error> {
    let parameters: serde_json::Value = row.try_get(3)?;
    let instruction = serde_json::from_value(parameters)
        .map_err(|error| Error::Unreadable(format!("parameters of a command: {error}")))?;
    let purpose: &str = row.try_get(6)?;
    let outcome: &str = row.try_get(19)?;
    Ok(Command {
        command_id: row.try_get(0)?,
        device_id: DeviceId::new(row.try_get(1)?),
        person_id: PersonId::new(row.try_get(2)?),
        instruction,
        state: row.try_get::<_, &str>(4)?.parse()?,
        requested_by: row.try_get(5)?,
        purpose: Purpose::parse(purpose)
            .ok_or_else(|| Error::Unreadable(format!("purpose {purpose:?} of a command")))?,
        case_number: row.try_get(7)?,
        reference: folded(row.try_get(8)?),
        reverts: row.try_get(9)?,
        attempt: row.try_get(10)?,
        created_at: row.try_get(11)?,
        not_before: row.try_get(12)?,
        expires_at: row.try_get(13)?,
        sent_at: row.try_get(14)?,
        delivered_at: row.try_get(15)?,
        acknowledged_at: row.try_get(16)?,
        ended_at: row.try_get(17)?,
        gateway: row.try_get(18)?,
        outcome: if outcome.is_empty() {
            None
        } else {
            Some(outcome.parse()?)
        },
        result: row.try_get(20)?,
        fix_time: row.try_get(21)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_moves_no_more_and_everything_can_end() {
        for state in State::ALL {
            let moves: Vec<_> = State::ALL.into_iter().filter(|next| state.may_become(*next)).collect();
            assert_eq!(moves.is_empty(), state.is_end(), "{state}: {moves:?}");
            assert!(
                state.is_end() || state.may_become(State::Expired),
                "{state} cannot expire"
            );
            assert!(!state.may_become(state), "{state}");
        }
    }

    #[test]
    fn references_fit_the_protocols_and_neighbours_differ() {
        for start in [1, (1 << 31) - 2, 1 << 31, (1 << 53) + 1, i64::MAX - 2] {
            let (one, two) = (folded(start), folded(start + 1));
            assert!(one != two && one >= 1 && two >= 1, "{start}: {one}, {two}");
            assert!(one.max(two) <= i32::MAX.unsigned_abs());
        }
        assert_eq!(
            (folded(1), folded(i64::from(i32::MAX)), folded(1 << 31)),
            (1, 0x7fff_ffff, 1)
        );
    }

    #[test]
    fn instructions_are_read_as_written_and_checked() {
        let pursuit = Instruction::Interval {
            seconds: 10,
            for_seconds: 1_800,
        };
        let json = serde_json::to_value(&pursuit).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"kind": "interval", "seconds": 10, "for_seconds": 1_800})
        );
        assert_eq!(serde_json::from_value::<Instruction>(json).unwrap(), pursuit);
        let unknown = serde_json::json!({"kind": "text", "text": "x", "loud": true});
        assert!(serde_json::from_value::<Instruction>(unknown).is_err());
        let text = |text: &str| Instruction::Text { text: text.to_owned() }.check();
        assert!(text("").is_err() && text("a\nb").is_err() && text(&"x".repeat(201)).is_err());
        assert!(text("  \u{3000}").is_err() && text("\u{202e}\u{200b}").is_err() && text("a\u{202e}b").is_err());
        assert!(text("a\u{2028}b").is_err() && text("a\u{2029}b").is_err());
        assert_eq!(text("请回电"), Ok(()));
        assert_eq!(text("?"), Ok(()));
        let interval = |seconds, for_seconds| Instruction::Interval { seconds, for_seconds }.check();
        assert!(interval(0, 0).is_err() && interval(86_401, 0).is_err() && interval(10, 604_801).is_err());
        assert_eq!(interval(10, 0), Ok(()));
        assert!(Instruction::Locate.waits() < SignedDuration::from_mins(3));
    }
}
