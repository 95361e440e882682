//! Looks again at what was right when it was set: people leave, accounts are disabled, a channel is set up no more, time brings what two rotas of odd
//! lengths come to.

use std::collections::BTreeSet;

use alerts::{Audience, Severity, ladder::Fault, roster::Via};
use jiff::Timestamp;

use super::{Plan, Refused, load};
use crate::{
    Database, Error,
    incident::{self, IncidentError, SystemIncident},
    pool::Transaction,
};

/// Told at the commit of whatever changes who can be called, how, about whom and by which ladder (V0087).
pub const CHANNEL: &str = "homeward_calling";

/// The incident's kind.
const KIND: &str = "nobody_to_call";

const KEY: &str = "ladders";

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing is configured: the built-in ladders hold, which nobody can break.
    BuiltIn,
    /// Somebody can be called at every instant.
    Whole,
    /// Nobody could be; `true`: that is new.
    Gap(bool),
}

/// Checks ladders and rotas as when they are set, with the channels that are `set_up` here. A gap is an incident of the system, raised
/// once; it is over when it is mended.
pub async fn watch(database: &Database, set_up: &BTreeSet<Via>, now: Timestamp) -> Result<Look, IncidentError> {
    let mut client = database.client().await?;
    let transaction = client.transaction().await.map_err(Error::from)?;
    let look = look(&transaction, set_up, now).await?;
    transaction.commit().await.map_err(Error::from)?;
    Ok(look)
}

/// The same in the transaction of a change that cannot be refused.
pub async fn look(
    transaction: &Transaction<'_>,
    set_up: &BTreeSet<Via>,
    now: Timestamp,
) -> Result<Look, IncidentError> {
    let mut plan = load(transaction).await?;
    plan.only_over(set_up);
    if plan.assignments.is_empty() {
        let text = "No ladder is configured any more: the built-in ones hold.";
        incident::end_system(transaction, None, KEY, text, now).await?;
        return Ok(Look::BuiltIn);
    }
    Ok(match plan.checked(transaction, now).await? {
        Ok(_) => {
            let text = "Somebody can be called at every instant again.";
            incident::end_system(transaction, None, KEY, text, now).await?;
            Look::Whole
        }
        Err(refused) => {
            let text = text(&plan, &refused);
            let system = SystemIncident {
                kind: KIND,
                person: None,
                police_agency: None,
                social_agency: None,
                grouping_key: KEY,
                severity: Severity::P2,
                audience: Audience::Both,
                text: &text,
                at: now,
            };
            Look::Gap(incident::raise_system(transaction, &system).await?.new)
        }
    })
}

/// The first instant at which nobody could be called, and by which ladder; no names of people.
pub(super) fn first_gap<'a>(plan: &'a Plan, refused: &Refused) -> Option<(Timestamp, &'a str)> {
    let faults = refused.0.iter().flat_map(|(_, faults)| faults);
    let gaps = faults.filter_map(|fault| match fault {
        Fault::Nobody { ladder, at, .. } => Some((*at, *ladder)),
        _ => None,
    });
    gaps.min().map(|(at, ladder)| (at, plan.ladder_name(ladder)))
}

fn text(plan: &Plan, refused: &Refused) -> String {
    let faults = refused.0.iter().flat_map(|(_, faults)| faults);
    let what = match first_gap(plan, refused) {
        Some((at, ladder)) => format!("Nobody could be called by ladder {ladder} at {at}"),
        None => "Ladders or rotas are not right any more".to_owned(),
    };
    format!(
        "{what}; faults in all: {}. See `homeward ladder check`.",
        faults.count()
    )
}
