//! Distances to keep from protected people, set and taken away in the name of a user: on the page and on the command line alike.

use jiff::Timestamp;
use proto::{PersonId, Revision, ZoneId};

use super::{Protected, Proximity, Terms, bind, of_person, remove, revise};
use crate::{
    Error, Refused,
    access::{Beyond, step_out},
    authority,
    change::{self, What},
    pool::GenericClient,
    user::User,
};

/// A distance as it was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The restriction.
    pub proximity_id: ZoneId,
    /// Its revision.
    pub revision: Revision,
    /// It is a new one.
    pub made: bool,
}

/// Makes a supervised person keep away from a protected one, or changes how far. `seen`: the revision that the user knows, 0 for none; without
/// it, whatever it is. Call it in a transaction, and publish the person's rules in the same one.
pub async fn keep_away(
    transaction: &impl GenericClient,
    user: &User,
    person_id: PersonId,
    protected: &Protected,
    terms: &Terms,
    seen: Option<u64>,
) -> Result<Kept, Error> {
    let known = known(transaction, user, person_id, protected, seen).await?;
    let detail = format!(
        "{}: {} m, warning {} m farther out",
        protected.reference, terms.distance_m, terms.buffer_m
    );
    change::note(transaction, user.user_id, Some(person_id), What::KeepAway, &detail).await?;
    let outside = step_out(transaction, Beyond::Distance).await?;
    let by = Some(user.user_id);
    let kept = if let Some(known) = known {
        Kept {
            proximity_id: known.proximity_id,
            revision: revise(transaction, known.proximity_id, terms, by).await?,
            made: false,
        }
    } else {
        let made = bind(transaction, person_id, protected, terms, by).await?;
        Kept {
            proximity_id: made.proximity_id,
            revision: made.revision,
            made: true,
        }
    };
    outside.back(transaction).await?;
    Ok(kept)
}

/// From now on the person need not keep away any more; `None`: they need not before. Call it in a transaction, and publish the person's rules
/// in the same one.
pub async fn keep_away_no_more(
    transaction: &impl GenericClient,
    user: &User,
    person_id: PersonId,
    protected: &Protected,
    seen: Option<u64>,
    now: Timestamp,
) -> Result<Option<ZoneId>, Error> {
    let Some(known) = known(transaction, user, person_id, protected, seen).await? else {
        return Ok(None);
    };
    let what = What::KeepAwayRemoved;
    change::note(transaction, user.user_id, Some(person_id), what, &protected.reference).await?;
    let outside = step_out(transaction, Beyond::Distance).await?;
    remove(transaction, known.proximity_id, now).await?;
    outside.back(transaction).await?;
    Ok(Some(known.proximity_id))
}

/// The restriction between the two, after it was asked whether the user may know of both and change it.
async fn known(
    transaction: &impl GenericClient,
    user: &User,
    person_id: PersonId,
    protected: &Protected,
    seen: Option<u64>,
) -> Result<Option<Proximity>, Error> {
    authority::police_side(user)?;
    authority::of_person(transaction, user, &authority::PROTECTION, person_id).await?;
    let known = of_person(transaction, person_id, true).await?;
    let known = known.into_iter().find(|one| one.protected_id == protected.protected_id);
    let newest = known.as_ref().map_or(0, |known| known.revision);
    if seen.is_some_and(|seen| seen != newest) {
        return Err(Refused::new(
            "distance_changed",
            "somebody else has changed this distance meanwhile: look at it again",
        )
        .into());
    }
    Ok(known)
}
