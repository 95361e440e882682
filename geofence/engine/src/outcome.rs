//! What became of a record, for counting and for the operator; no part of the decision.

use proto::{fix::NotJudged, rules::RulesError};

/// What [`crate::Engine::fold`] did with a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A report with a position that was judged.
    Judged,
    /// A report without a position, taken in for what the device says of itself.
    Heard,
    /// A report whose position cannot be judged; what the device says of itself was taken in.
    NotJudged(NotJudged),
    /// A report older than one already taken in: the timeline was judged again (more than a day old: only its alarms count).
    Late,
    /// A copy of a report already taken in: nothing changed.
    Duplicate,
    /// Nobody is monitored under this person's id at this time: nothing changed.
    NotMonitored,
    /// A report or rules without the ids that they must have: nothing changed.
    Malformed,
    /// New rules are in force.
    RulesApplied,
    /// Rules that are not newer than those in force: nothing changed.
    RulesStale,
    /// Rules that cannot be obeyed; those before them stay in force.
    RulesRefused(Box<RulesError>),
    /// A layer's revision is in force.
    LayerApplied,
    /// A layer's revision that was in force already: nothing changed.
    LayerStale,
    /// The clock moved.
    Ticked,
}

/// How often each outcome came; counted from the engine's making or restoring, and no part of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "named after the outcomes above")]
pub struct Counters {
    pub judged: u64,
    /// Of those, how many the fast path took.
    pub quick: u64,
    /// How many beliefs about own zones the fixes that came in order were weighed for: far from every edge none is.
    pub weighed: u64,
    pub heard: u64,
    pub late: u64,
    pub duplicates: u64,
    pub not_monitored: u64,
    pub malformed: u64,
    pub invalid: u64,
    pub out_of_range: u64,
    pub null_island: u64,
    pub fix_time_ahead: u64,
    pub fix_time_too_old: u64,
    pub fix_time_week_rollover: u64,
    pub rules_applied: u64,
    pub rules_stale: u64,
    pub rules_refused: u64,
    pub layers: u64,
    pub ticks: u64,
    /// People whose journal could not be put together again: late reports from before are too old for them.
    pub journals_lost: u64,
}

impl Counters {
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Judged => &mut self.judged,
            Outcome::Heard | Outcome::NotJudged(NotJudged::Absent) => &mut self.heard,
            Outcome::NotJudged(NotJudged::Invalid) => &mut self.invalid,
            Outcome::NotJudged(NotJudged::OutOfRange) => &mut self.out_of_range,
            Outcome::NotJudged(NotJudged::NullIsland) => &mut self.null_island,
            Outcome::NotJudged(NotJudged::Ahead) => &mut self.fix_time_ahead,
            Outcome::NotJudged(NotJudged::TooOld) => &mut self.fix_time_too_old,
            Outcome::NotJudged(NotJudged::WeekRollover) => &mut self.fix_time_week_rollover,
            Outcome::Late => &mut self.late,
            Outcome::Duplicate => &mut self.duplicates,
            Outcome::NotMonitored => &mut self.not_monitored,
            Outcome::Malformed => &mut self.malformed,
            Outcome::RulesApplied => &mut self.rules_applied,
            Outcome::RulesStale => &mut self.rules_stale,
            Outcome::RulesRefused(_) => &mut self.rules_refused,
            Outcome::LayerApplied | Outcome::LayerStale => &mut self.layers,
            Outcome::Ticked => &mut self.ticks,
        };
        *counter += 1;
    }

    /// Every counter with its label, for metrics.
    pub fn labelled(&self) -> [(&'static str, u64); 17] {
        [
            ("judged", self.judged),
            ("heard", self.heard),
            ("late", self.late),
            ("duplicate", self.duplicates),
            ("not_monitored", self.not_monitored),
            ("malformed", self.malformed),
            ("invalid", self.invalid),
            ("out_of_range", self.out_of_range),
            ("null_island", self.null_island),
            ("fix_time_ahead", self.fix_time_ahead),
            ("fix_time_too_old", self.fix_time_too_old),
            ("fix_time_week_rollover", self.fix_time_week_rollover),
            ("rules_applied", self.rules_applied),
            ("rules_stale", self.rules_stale),
            ("rules_refused", self.rules_refused),
            ("layer", self.layers),
            ("tick", self.ticks),
        ]
    }
}
