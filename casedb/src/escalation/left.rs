//! Changes of accounts on the page: what would leave nobody to call is refused, as the command line refuses it.

use std::collections::BTreeSet;

use alerts::roster::Via;
use jiff::Timestamp;

use super::{load, look, turn, watch};
use crate::{
    Error,
    access::{Beyond, step_out},
    incident::IncidentError,
    pool::Transaction,
    refused::Refused,
};

/// Somebody's account before it is changed. While it is there, nobody else changes who is called.
#[derive(Debug)]
#[must_use = "the change is to be asked about"]
pub struct Before {
    held: bool,
}

/// Looks whether somebody can be called at every instant, over the channels that are set up here; in the transaction of the change, as the first
/// thing that it does.
pub async fn before(transaction: &Transaction<'_>, set_up: &BTreeSet<Via>, now: Timestamp) -> Result<Before, Error> {
    let outside = step_out(transaction, Beyond::Calls).await?;
    turn(transaction).await?;
    let held = gap(transaction, set_up, now).await?.is_none();
    outside.back(transaction).await?;
    Ok(Before { held })
}

impl Before {
    /// Refuses the change where nobody could be called any more, and could before.
    pub async fn still(
        self,
        transaction: &Transaction<'_>,
        set_up: &BTreeSet<Via>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let outside = step_out(transaction, Beyond::Calls).await?;
        let gap = gap(transaction, set_up, now).await?;
        outside.back(transaction).await?;
        match gap {
            Some(refused) if self.held => Err(refused.into()),
            _ => Ok(()),
        }
    }

    /// After a change that cannot wait, as an account that is disabled: raises an incident in the same transaction where nobody could be called.
    pub async fn told(
        self,
        transaction: &Transaction<'_>,
        set_up: &BTreeSet<Via>,
        now: Timestamp,
    ) -> Result<(), IncidentError> {
        let outside = step_out(transaction, Beyond::Calls).await?;
        look(transaction, set_up, now).await?;
        outside.back(transaction).await?;
        Ok(())
    }
}

/// What could not be, with the first instant at which nobody could be called and by which ladder; no names of people.
async fn gap(transaction: &Transaction<'_>, set_up: &BTreeSet<Via>, now: Timestamp) -> Result<Option<Refused>, Error> {
    let mut plan = load(transaction).await?;
    // The built-in ladders nobody can break.
    if plan.assignments.is_empty() {
        return Ok(None);
    }
    plan.only_over(set_up);
    let Err(refused) = plan.checked(transaction, now).await? else {
        return Ok(None);
    };
    let cure = "Change the ladder or its rota first (`homeward ladder set`, `homeward rota set`)";
    let Some((at, ladder)) = watch::first_gap(&plan, &refused) else {
        let text = format!(
            "nothing is changed: ladders or rotas would not be right any more, one of them may call this account by name. {cure}"
        );
        return Ok(Some(Refused::new("called_by_name", text)));
    };
    let text = format!("nothing is changed: ladder {ladder} would be left with nobody to call at {at}. {cure}");
    Ok(Some(
        Refused::new("nobody_to_call", text)
            .with("ladder", ladder)
            .with("at", at),
    ))
}
