//! Device profiles: what a model means by its codes.

use crate::{Command, Protocol, Report};
use proto::wire::Alarm;

/// What a model means by alarm codes, additional items and event ids, and the words of its commands.
#[derive(Debug, Default)]
pub struct Profile {
    name: String,
}

static DEFAULT: Profile = Profile { name: String::new() };

impl Profile {
    /// The profile of a device that has no other.
    pub fn default_for(_protocol: Protocol) -> &'static Self {
        &DEFAULT
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Applies an alarm code to a report (JT/T 808: the bit's number; GT06: the alarm byte; Eelink: the warning's code).
    pub fn alarm(&self, _code: u32, report: &mut Report) {
        report.alarms.push(Alarm::Other);
    }

    /// Applies an additional item, an IO element or a status field, as it came; false when the profile does not know it.
    pub fn item(&self, _id: u32, _value: &[u8], _report: &mut Report) -> bool {
        false
    }

    /// The text of a command, for protocols whose commands are texts.
    pub fn command_text(&self, _command: &Command) -> Option<String> {
        None
    }
}
