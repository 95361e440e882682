//! Open violations: what has begun and has not ended, and the events of both edges.

use proto::{
    Revision, ZoneId,
    wire::{Edge, EventKind},
};
use serde::{Deserialize, Serialize};

use crate::{
    explain::{About, Entry, Grounds, Writer, agreement, renumber, span, whereabouts},
    journal::Recent,
    told::{self, Told},
};

/// The time of something that will never come.
pub(crate) const NEVER: i64 = i64::MAX;

/// A violation that has begun and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Open {
    kind: i32,
    pub(crate) onset_us: i64,
    /// The zone as it was at the onset; `None` where no zone is involved.
    pub(crate) zone: Option<(ZoneId, Revision)>,
}

impl Open {
    pub(crate) fn new(kind: EventKind, onset_us: i64, zone: Option<(ZoneId, Revision)>) -> Self {
        Self {
            kind: kind.into(),
            onset_us,
            zone,
        }
    }

    pub(crate) fn kind(&self) -> EventKind {
        EventKind::try_from(self.kind).unwrap_or(EventKind::Unspecified)
    }
}

/// Why a violation ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ended {
    /// The newest fixes say so.
    Fixes(Grounds),
    /// The schedule stopped holding.
    Schedule,
    /// The zone was changed or taken away.
    Rules,
    /// The person is no longer monitored.
    EndOfMonitoring,
    /// The device says so, in these words.
    Device(&'static str),
}

/// A violation to begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Onset<'a> {
    pub(crate) kind: EventKind,
    pub(crate) at_us: i64,
    pub(crate) about: Option<About<'a>>,
    pub(crate) grounds: Grounds,
}

/// Room for at most one violation of one sort: a zone's, its buffer's, a condition of the device.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) open: Option<Open>,
    /// The latest onset written from here: a violation's id is made of its onset, so no two may share one.
    pub(crate) last_onset_us: i64,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            open: None,
            last_onset_us: i64::MIN,
        }
    }
}

impl Place {
    pub(crate) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// An onset that no earlier violation from here has.
    fn fresh(&mut self, onset_us: i64) -> i64 {
        self.last_onset_us = onset_us.max(self.last_onset_us.saturating_add(1));
        self.last_onset_us
    }

    /// Begins a violation; does nothing where one is open. `sentence` gets the place and the agreement of the fixes.
    pub(crate) fn begin(
        &mut self,
        writer: &mut Writer<'_>,
        fixes: &Recent,
        onset: Onset<'_>,
        sentence: impl FnOnce(&str, &str) -> String,
    ) {
        if self.open.is_some() {
            return;
        }
        let onset_us = self.fresh(onset.at_us);
        let zone = onset.about.map(|about| (about.zone_id, about.revision));
        self.open = Some(Open::new(onset.kind, onset_us, zone));
        let told = Told::new(onset.kind, zone, onset_us, (writer.timeline_us, writer.by));
        let corrections = told::begin(writer.told, told);
        let entry = Entry {
            kind: onset.kind,
            edge: Edge::Onset,
            onset_us,
            end_us: None,
            zone,
            about: onset.about,
            grounds: onset.grounds,
        };
        if corrections > 0 {
            after_all(writer, entry, corrections, fixes, sentence);
        } else {
            writer.write(entry, fixes, |evidence| {
                sentence(&whereabouts(evidence), &agreement(onset.grounds))
            });
        }
    }

    /// Ends the open violation, never before its onset; returns it with the time of its end.
    pub(crate) fn end(
        &mut self,
        writer: &mut Writer<'_>,
        fixes: &Recent,
        end_us: i64,
        about: Option<About<'_>>,
        ended: Ended,
    ) -> Option<(Open, i64)> {
        let open = self.open.take()?;
        let end_us = end_us.max(open.onset_us);
        let (grounds, about) = match ended {
            Ended::Fixes(grounds) => (grounds, about),
            _ => (Grounds::NONE, None),
        };
        let at = (writer.timeline_us, writer.by);
        let corrections = told::end(writer.told, open.kind(), open.zone, open.onset_us, (end_us, at));
        let entry = Entry {
            kind: open.kind(),
            edge: Edge::End,
            onset_us: open.onset_us,
            end_us: Some(end_us),
            zone: open.zone,
            about,
            grounds,
        };
        let lasted = span(end_us.saturating_sub(open.onset_us));
        writer.write(entry, fixes, |evidence| match ended {
            Ended::Fixes(grounds)
                if about.is_some_and(|about| matches!(about.outline, crate::explain::Outline::Hidden)) =>
            {
                format!("the distance is kept again{}; it lasted {lasted}", agreement(grounds))
            }
            Ended::Fixes(grounds) => {
                format!("{}{}; it lasted {lasted}", whereabouts(evidence), agreement(grounds))
            }
            Ended::Schedule => format!("the schedule stopped holding; it lasted {lasted}"),
            Ended::Rules => format!("the zone's rule was changed or taken away; it lasted {lasted}"),
            Ended::EndOfMonitoring => format!("monitoring ended; it lasted {lasted}"),
            Ended::Device(words) => format!("{words}; it lasted {lasted}"),
        });
        if let Some(event) = writer.out.last_mut() {
            renumber(event, corrections);
        }
        Some((open, end_us))
    }

    /// Writes an onset that never ends by itself.
    pub(crate) fn moment(&mut self, writer: &mut Writer<'_>, kind: EventKind, onset_us: i64, sentence: &str) {
        let onset_us = self.fresh(onset_us);
        moment(writer, kind, onset_us, sentence);
    }
}

/// Writes that what was withdrawn after late reports is so after all. An onset would have the id of the one that was withdrawn.
fn after_all(
    writer: &mut Writer<'_>,
    entry: Entry<'_>,
    corrections: u16,
    fixes: &Recent,
    sentence: impl FnOnce(&str, &str) -> String,
) {
    let entry = Entry {
        edge: Edge::Correction,
        ..entry
    };
    writer.write(entry, fixes, |evidence| {
        let why = sentence(&whereabouts(evidence), &agreement(entry.grounds));
        format!("what was withdrawn is so after all: {why}")
    });
    if let Some(event) = writer.out.last_mut() {
        renumber(event, corrections);
        event.late = true;
    }
}

/// Writes an onset that never ends by itself, whatever was told before.
pub(crate) fn moment(writer: &mut Writer<'_>, kind: EventKind, onset_us: i64, sentence: &str) {
    writer
        .told
        .push(Told::new(kind, None, onset_us, (writer.timeline_us, writer.by)));
    let entry = Entry {
        kind,
        edge: Edge::Onset,
        onset_us,
        end_us: None,
        zone: None,
        about: None,
        grounds: Grounds::NONE,
    };
    writer.write(entry, &Recent::default(), |_| sentence.to_owned());
}

/// Writes a violation that is over when it is known: its onset and, at once, its end.
pub(crate) fn whole(
    writer: &mut Writer<'_>,
    fixes: &Recent,
    onset: Onset<'_>,
    end_us: i64,
    sentence: impl Fn(&str, &str) -> String,
) {
    let onset_us = onset.at_us;
    let end_us = end_us.max(onset_us);
    let zone = onset.about.map(|about| (about.zone_id, about.revision));
    let mut told = Told::new(onset.kind, zone, onset_us, (writer.timeline_us, writer.by));
    told.end(end_us, (writer.timeline_us, writer.by));
    let corrections = told::begin(writer.told, told);
    if corrections > 0 {
        let entry = Entry {
            kind: onset.kind,
            edge: Edge::End,
            onset_us,
            end_us: Some(end_us),
            zone,
            about: onset.about,
            grounds: onset.grounds,
        };
        after_all(writer, entry, corrections, fixes, sentence);
        return;
    }
    for (edge, end_us) in [(Edge::Onset, None), (Edge::End, Some(end_us))] {
        let entry = Entry {
            kind: onset.kind,
            edge,
            onset_us,
            end_us,
            zone,
            about: onset.about,
            grounds: onset.grounds,
        };
        writer.write(entry, fixes, |evidence| {
            sentence(&whereabouts(evidence), &agreement(onset.grounds))
        });
    }
}
