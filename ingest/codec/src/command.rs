//! What a device can be told to do, in our words.

use serde::{Deserialize, Serialize};

/// Shortest reporting interval that may be asked for, in seconds.
pub const MIN_INTERVAL_S: u32 = 1;
/// Longest, in seconds.
pub const MAX_INTERVAL_S: u32 = 86_400;
/// Most characters of a text.
pub const MAX_TEXT_CHARS: usize = 200;

/// A command to a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Command {
    /// Find out where it is, now, and say so.
    Locate,
    /// Report this often. `for_seconds`: and go back to the usual interval by itself after so long (0: stay), where the device can;
    /// where it cannot, the case database sends the way back.
    Interval {
        /// From one report to the next.
        seconds: u32,
        /// How long; 0: until told otherwise.
        for_seconds: u32,
    },
    /// Shake the wearer.
    Vibrate,
    /// Show or speak a text.
    Text {
        /// The text.
        text: String,
    },
}

/// A command that no device could carry out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCommand {
    /// The interval is too short or too long.
    #[error("interval of {0} s is outside {MIN_INTERVAL_S} to {MAX_INTERVAL_S} s")]
    Interval(u32),
    /// The text is empty, too long, or has control characters.
    #[error("text must have 1 to {MAX_TEXT_CHARS} characters and no control characters")]
    Text,
}

impl Command {
    /// The name used on command lines, in the case database and in metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Locate => "locate",
            Self::Interval { .. } => "interval",
            Self::Vibrate => "vibrate",
            Self::Text { .. } => "text",
        }
    }

    /// True when doing it twice is the same as doing it once.
    pub const fn is_idempotent(&self) -> bool {
        matches!(self, Self::Locate | Self::Interval { .. })
    }

    /// Checks the values.
    pub fn check(&self) -> Result<(), BadCommand> {
        match self {
            Self::Interval { seconds, .. } if !(MIN_INTERVAL_S..=MAX_INTERVAL_S).contains(seconds) => {
                Err(BadCommand::Interval(*seconds))
            }
            Self::Text { text }
                if text.is_empty() || text.chars().count() > MAX_TEXT_CHARS || text.chars().any(char::is_control) =>
            {
                Err(BadCommand::Text)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_commands_are_refused() {
        let interval = |seconds| Command::Interval {
            seconds,
            for_seconds: 0,
        };
        assert_eq!(interval(0).check(), Err(BadCommand::Interval(0)));
        assert_eq!(interval(10).check(), Ok(()));
        let text = |text: &str| Command::Text { text: text.to_owned() };
        assert_eq!(text("").check(), Err(BadCommand::Text));
        assert_eq!(text("a\r\nb").check(), Err(BadCommand::Text));
        assert_eq!(text("请回电").check(), Ok(()));
        assert_eq!(text(&"x".repeat(201)).check(), Err(BadCommand::Text));
    }
}
