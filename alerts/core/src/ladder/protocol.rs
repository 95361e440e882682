//! The dry run: who would be called, and when, if an incident were raised and nobody answered.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Deed, Key, Progress, Protocols, Run, Subject, due};
use crate::{Audience, Severity, roster::Called};

/// What would happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// These would be called.
    Call(Vec<Called>),
    /// The step would have nobody to call.
    Nobody,
    /// Escalation would have failed.
    Failed,
}

/// One line of a dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// Time through the ladder, from 0; that of the last step where it failed.
    pub lap: u32,
    /// Step, from 0; the last one where it failed.
    pub step: u32,
    /// What.
    pub what: What,
}

/// Plays an incident about a person, raised at `from`, that nobody answers. `None` where no ladder is for it, which a checked
/// configuration rules out.
pub fn dry_run(
    protocols: &Protocols,
    subject: &Subject<'_>,
    severity: Severity,
    audience: Audience,
    from: Timestamp,
) -> Option<Vec<Line>> {
    let ladder = protocols.select(subject, severity, audience)?;
    let run = Run {
        incident: Uuid::nil(),
        ladder: ladder.ladder,
        revision: ladder.revision,
        round: 0,
        audience,
        endless: false,
    };
    let mut lines = Vec::new();
    let mut progress = Progress::begin(ladder.begins(from));
    let mut last = run.key(0, 0);
    while let Some(now) = progress.deadline() {
        let out = due(&run, ladder, protocols.roster(), progress, now);
        progress = out.progress;
        for deed in out.deeds {
            let (at, what) = match deed {
                Deed::Call(call) => {
                    last = call.key;
                    (call.due, What::Call(call.to))
                }
                Deed::Nobody { key, due } => {
                    last = key;
                    (due, What::Nobody)
                }
                Deed::Fail(failure) => (failure.at, What::Failed),
            };
            let Key { lap, step, .. } = last;
            lines.push(Line { at, lap, step, what });
        }
    }
    Some(lines)
}
