//! What has been told of a person's timeline: the violations of the last day, so that late reports can be compared with it.

use proto::{Revision, ZoneId, wire::EventKind};
use serde::{Deserialize, Serialize};

/// A violation that was told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    kind: i32,
    pub(crate) zone: Option<(ZoneId, Revision)>,
    pub(crate) onset_us: i64,
    pub(crate) end_us: Option<i64>,
    /// How far the timeline was judged when the onset was told …
    pub(crate) begun_us: i64,
    /// … by which of the entries of one time …
    pub(crate) begun_by: u64,
    /// … and when the end was.
    pub(crate) ended_us: i64,
    pub(crate) ended_by: u64,
    pub(crate) corrections: u16,
    /// Taken back by late reports.
    pub(crate) withdrawn: bool,
}

impl Told {
    pub(crate) fn new(
        kind: EventKind,
        zone: Option<(ZoneId, Revision)>,
        onset_us: i64,
        (timeline_us, by): (i64, u64),
    ) -> Self {
        Self {
            kind: kind.into(),
            zone,
            onset_us,
            end_us: None,
            begun_us: timeline_us,
            begun_by: by,
            ended_us: i64::MAX,
            ended_by: u64::MAX,
            corrections: 0,
            withdrawn: false,
        }
    }

    pub(crate) fn kind(&self) -> EventKind {
        EventKind::try_from(self.kind).unwrap_or(EventKind::Unspecified)
    }

    /// The same violation.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.kind == other.kind && self.zone == other.zone && self.onset_us == other.onset_us
    }

    /// Late reports kept since `oldest_us` may still change it. Tampering and calls for help have no end; they are forgotten
    /// with the reports that told of them.
    pub(crate) fn is_needed(&self, oldest_us: i64) -> bool {
        if self.withdrawn || proto::event::is_momentary(self.kind()) {
            self.begun_us > oldest_us
        } else {
            self.end_us.is_none() || self.ended_us > oldest_us
        }
    }

    /// Notes its end.
    pub(crate) fn end(&mut self, end_us: i64, (timeline_us, by): (i64, u64)) {
        self.end_us = Some(end_us);
        self.ended_us = timeline_us;
        self.ended_by = by;
    }
}

/// Notes an onset in a list; returns how often the violation was corrected. More than 0: it was told, withdrawn after late reports,
/// and is found again now, so that it is not news but another correction.
pub(crate) fn begin(list: &mut Vec<Told>, mut told: Told) -> u16 {
    if let Some(index) = list.iter().position(|known| known.withdrawn && known.is(&told)) {
        told.corrections = list.remove(index).corrections.saturating_add(1);
    }
    list.push(told);
    told.corrections
}

/// Notes an end in a list; returns how often the violation was corrected.
pub(crate) fn end(
    list: &mut [Told],
    kind: EventKind,
    zone: Option<(ZoneId, Revision)>,
    onset_us: i64,
    (end_us, at): (i64, (i64, u64)),
) -> u16 {
    let wanted = Told::new(kind, zone, onset_us, at);
    list.iter_mut().rev().find(|told| told.is(&wanted)).map_or(0, |told| {
        told.end(end_us, at);
        told.corrections
    })
}
