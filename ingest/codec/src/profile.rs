//! Device profiles: what a model means by its codes.
//!
//! What an alarm code means is a property of the model, not of the protocol. A profile is data (`docs/profiles.md` is its reference): it
//! maps alarm codes, additional items and event ids to our words and fields, and has the words of commands. Each protocol has a default
//! of the same name; others extend it. [`Profiles`] reads and checks them; a [`Profile`] is made for reading millions of reports
//! a second: looking an item up costs a few nanoseconds and applying it allocates nothing, but for the alarms it raises.

mod at;
mod error;
mod read;
mod read_rule;
mod registry;
mod rule;
mod show;
#[cfg(test)]
mod tests;
mod words;

use std::ops::Range;

pub use error::ProfileError;
pub use registry::Profiles;

use crate::{Command, Protocol, Report};
use rule::Rule;
use words::Words;

/// Codes and ids below this are found by place.
const DENSE: usize = 1_024;

/// What a model means by alarm codes, additional items and event ids, and the words of its commands.
#[derive(Debug, Default)]
pub struct Profile {
    name: String,
    protocol: Option<Protocol>,
    title: String,
    source: String,
    extends: Option<String>,
    builtin: bool,
    file: String,
    alarms: Alarms,
    items: Items,
    commands: Commands,
}

#[derive(Debug, Default)]
struct Alarms {
    /// By code; those beyond the end are in `rare`, in ascending order.
    dense: Vec<Option<Words>>,
    rare: Vec<(u32, Words)>,
    other: Option<Words>,
}

impl Alarms {
    fn find(&self, code: u32) -> Words {
        let dense = usize::try_from(code).ok().and_then(|at| self.dense.get(at));
        let known = dense.copied().unwrap_or_else(|| {
            let found = self.rare.binary_search_by_key(&code, |(rare, _)| *rare).ok();
            found.and_then(|at| self.rare.get(at)).map(|(_, words)| *words)
        });
        known.or(self.other).unwrap_or(Words::OTHER)
    }
}

/// An item of certain lengths.
#[derive(Debug, Clone, PartialEq)]
struct Item {
    id: u32,
    name: String,
    lengths: (usize, usize),
    rules: Range<usize>,
    /// Some of its rules are for events, or are not.
    events: bool,
    values: bool,
}

#[derive(Debug, Default)]
struct Items {
    /// By id: place of the first of that id in `all`, from 1; 0: none.
    dense: Vec<u16>,
    /// In ascending order of ids.
    all: Vec<Item>,
    rules: Vec<Rule>,
}

impl Items {
    #[inline]
    fn find(&self, id: u32, length: usize) -> Option<&Item> {
        let at = match usize::try_from(id).ok().and_then(|id| self.dense.get(id)) {
            Some(0) => return None,
            Some(place) => usize::from(*place) - 1,
            None if self.dense.is_empty() => return None,
            None => self.all.partition_point(|item| item.id < id),
        };
        let same = self.all.get(at..)?.iter().take_while(|item| item.id == id);
        let mut fits = same.filter(|item| (item.lengths.0..=item.lengths.1).contains(&length));
        fits.next()
    }
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Commands {
    locate: Option<String>,
    interval: Option<String>,
    vibrate: Option<String>,
    text: Option<String>,
    /// Characters that would begin, end or split a command if they stood in a text.
    refuse: String,
}

impl Profile {
    /// The profile of a device that has no other.
    pub fn default_for(protocol: Protocol) -> &'static Self {
        Profiles::builtin().default_for(protocol)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose codes it reads; `None` only for a profile made by [`Profile::default`], which knows nothing.
    pub const fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// What it is for, in a line.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where its meanings are from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The profile that it adds to.
    pub fn extends(&self) -> Option<&str> {
        self.extends.as_deref()
    }

    /// True when it comes with Homeward.
    pub const fn is_builtin(&self) -> bool {
        self.builtin
    }

    /// Its file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Applies an alarm code to a report (JT/T 808: the bit's number; GT06: the alarm byte; Eelink: the warning's code).
    ///
    /// A code that the profile does not list is `Alarm::Other`, unless the profile says otherwise; one that it lists as `normal` does nothing.
    #[inline]
    pub fn alarm(&self, code: u32, report: &mut Report) {
        self.alarms.find(code).apply(report);
    }

    /// Applies an additional item, an IO element or a status field, as it came; false when the profile does not know it, or not with this
    /// length. Rules that are for events only are left out.
    #[inline]
    pub fn item(&self, id: u32, value: &[u8], report: &mut Report) -> bool {
        let Some(item) = self.items.find(id, value.len()) else {
            return false;
        };
        if item.values {
            self.apply(item, false, value, report);
        }
        true
    }

    /// Applies the element that made the event: only the rules that are for events, so call [`Profile::item`] for its value, too.
    /// False when the profile knows no event of this id.
    pub fn event(&self, id: u32, value: &[u8], report: &mut Report) -> bool {
        let Some(item) = self.items.find(id, value.len()).filter(|item| item.events) else {
            return false;
        };
        self.apply(item, true, value, report);
        true
    }

    fn apply(&self, item: &Item, event: bool, value: &[u8], report: &mut Report) {
        for rule in self.items.rules.get(item.rules.clone()).unwrap_or_default() {
            if rule.event == event {
                rule.apply(value, report);
            }
        }
    }

    /// True when it has a text of its own for this kind of command.
    pub const fn has_words_for(&self, command: &Command) -> bool {
        let words = match command {
            Command::Locate => &self.commands.locate,
            Command::Interval { .. } => &self.commands.interval,
            Command::Vibrate => &self.commands.vibrate,
            Command::Text { .. } => &self.commands.text,
        };
        words.is_some()
    }

    /// What in the text of a command would end, begin or split a command of its own.
    pub fn refused(&self, command: &Command) -> Option<char> {
        let Command::Text { text } = command else { return None };
        text.chars().find(|letter| self.commands.refuse.contains(*letter))
    }

    /// The text of a command, for protocols whose commands are texts. `None`: the model has no words for it, or the text has
    /// characters that it would misread.
    pub fn command_text(&self, command: &Command) -> Option<String> {
        let (template, text) = match command {
            Command::Locate => (&self.commands.locate, ""),
            Command::Interval { .. } => (&self.commands.interval, ""),
            Command::Vibrate => (&self.commands.vibrate, ""),
            Command::Text { text } => (&self.commands.text, text.as_str()),
        };
        let template = template.as_deref()?;
        if self.refused(command).is_some() {
            return None;
        }
        let (seconds, for_seconds) = match command {
            Command::Interval { seconds, for_seconds } => (*seconds, *for_seconds),
            _ => (0, 0),
        };
        let mut out = String::with_capacity(template.len() + text.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (name, tail) = after.split_once('}')?;
            match name {
                "text" => out.push_str(text),
                "interval" => out.push_str(&seconds.to_string()),
                "interval_minutes" => out.push_str(&seconds.div_ceil(60).to_string()),
                "for_seconds" => out.push_str(&for_seconds.to_string()),
                "for_minutes" => out.push_str(&for_seconds.div_ceil(60).to_string()),
                _ => return None,
            }
            rest = tail;
        }
        out.push_str(rest);
        Some(out)
    }
}
