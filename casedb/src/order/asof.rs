//! What held at any time, as it was known at any time.

use jiff::Timestamp;
use proto::{OrderId, PersonId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Priorities,
    records::{Approval, Extension, Notice, Records, Review, Revision},
};
use crate::{
    Error,
    law::{self, Step},
    pool::GenericClient,
};

/// Everything on record of an order, as it was known at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Dossier {
    /// Its id.
    pub order_id: Uuid,
    /// The newest state.
    pub state: Revision,
    /// Every state, oldest first.
    pub revisions: Vec<Revision>,
    /// Stretches of time in which it is in force, `[from, until]`, oldest first.
    #[schema(value_type = Vec<Vec<String>>)]
    pub terms: Vec<(Timestamp, Timestamp)>,
    /// Approvals and refusals.
    pub approvals: Vec<Approval>,
    /// Extensions asked for.
    pub extensions: Vec<Extension>,
    /// Steps done.
    pub notices: Vec<Notice>,
    /// Reviews, due and done.
    pub reviews: Vec<Review>,
    /// What it says of how urgent events are, every revision, oldest first.
    pub priorities: Vec<Priorities>,
}

impl Dossier {
    /// The typed id.
    pub fn id(&self) -> OrderId {
        OrderId::new(self.order_id)
    }

    /// True when it is in force at a time.
    pub fn is_in_force(&self, when: Timestamp) -> bool {
        self.terms.iter().any(|(from, until)| *from <= when && when < *until)
    }

    /// True when it was in force before a time and is not at it, for want of a review: also where it went on later.
    pub fn has_lapsed(&self, when: Timestamp) -> bool {
        let stretches = self.terms.iter().map(|(_, until)| *until);
        let ended = self.state.revoked_at.is_some_and(|at| at <= when) || self.state.ends_at <= when;
        !ended && !self.is_in_force(when) && stretches.into_iter().any(|until| until <= when)
    }

    /// The approval of the order itself, or its refusal.
    pub fn approval(&self) -> Option<&Approval> {
        self.approvals.iter().find(|approval| approval.extension_id.is_none())
    }

    /// What it says of how urgent events are that begin at a time.
    pub fn priorities_at(&self, when: Timestamp) -> Option<&Priorities> {
        self.priorities.iter().rev().find(|set| set.valid_from <= when)
    }

    /// What keeps it from taking effect, for people to read.
    pub fn lacks(&self) -> Vec<String> {
        self.lacking(None)
    }

    /// What keeps an extension from moving the end, for people to read.
    pub fn extension_lacks(&self, extension_id: Uuid) -> Vec<String> {
        self.lacking(Some(extension_id))
    }

    fn lacking(&self, extension_id: Option<Uuid>) -> Vec<String> {
        let Some(profile) = law::profile(&self.state.profile) else {
            return Vec::new();
        };
        let decision = self
            .approvals
            .iter()
            .find(|approval| approval.extension_id == extension_id);
        let mut lacks = Vec::new();
        match decision {
            Some(approval) if approval.decision == "refused" => lacks.push("it was refused".to_owned()),
            None if profile.approval.authority != law::Authority::None => {
                lacks.push(format!("approval ({})", profile.approval.source));
            }
            _ => {}
        }
        let done: Vec<Step> = self
            .notices
            .iter()
            .filter(|notice| notice.extension_id == extension_id)
            .filter_map(|notice| notice.step.parse().ok())
            .collect();
        let say = |step: &law::RequiredStep| format!("{} to {} ({})", step.code, step.to, step.source);
        if extension_id.is_some() {
            lacks.extend(profile.missing_of_extension(&done).map(say));
        } else {
            lacks.extend(profile.missing(&done).map(say));
        }
        lacks
    }
}

/// What held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsOf {
    /// At this time.
    pub when: Timestamp,
    /// As it was known at this time.
    pub known_at: Timestamp,
    /// Every order of the person that was known.
    pub orders: Vec<Dossier>,
}

impl AsOf {
    /// The order that was in force: of several the one that began last.
    pub fn in_force(&self) -> Option<&Dossier> {
        let began = |dossier: &Dossier| {
            let terms = dossier
                .terms
                .iter()
                .filter(|(from, until)| *from <= self.when && self.when < *until);
            terms.map(|(from, _)| *from).max()
        };
        let running = self
            .orders
            .iter()
            .filter_map(|dossier| Some((began(dossier)?, dossier.order_id, dossier)));
        running
            .max_by_key(|(from, id, _)| (*from, *id))
            .map(|(_, _, dossier)| dossier)
    }
}

/// Tells what held for a person at `when`, as it was known at `known_at`.
pub async fn as_of(
    client: &impl GenericClient,
    person_id: PersonId,
    when: Timestamp,
    known_at: Timestamp,
) -> Result<AsOf, Error> {
    let orders = dossiers(client, person_id, known_at).await?;
    Ok(AsOf { when, known_at, orders })
}

/// Reads a person's orders as they were known at a time, by the beginning of their terms.
pub async fn dossiers(
    client: &impl GenericClient,
    person_id: PersonId,
    known_at: Timestamp,
) -> Result<Vec<Dossier>, Error> {
    let records = Records::read(client, person_id.uuid(), known_at).await?;
    let mut orders: Vec<Dossier> = Vec::new();
    for (order_id, revision) in records.revisions {
        match orders.last_mut() {
            Some(dossier) if dossier.order_id == order_id => {
                dossier.state = revision.clone();
                dossier.revisions.push(revision);
            }
            _ => orders.push(Dossier {
                order_id,
                state: revision.clone(),
                revisions: vec![revision],
                terms: Vec::new(),
                approvals: of(&records.approvals, order_id),
                extensions: of(&records.extensions, order_id),
                notices: of(&records.notices, order_id),
                reviews: of(&records.reviews, order_id),
                priorities: of(&records.priorities, order_id),
            }),
        }
    }
    for dossier in &mut orders {
        dossier.terms = of(&records.past_terms, dossier.order_id);
        dossier.terms.extend(dossier.state.term());
        let lacks: Vec<_> = dossier
            .extensions
            .iter()
            .map(|extension| dossier.extension_lacks(extension.extension_id))
            .collect();
        for (extension, lacks) in dossier.extensions.iter_mut().zip(lacks) {
            extension.lacks = lacks;
        }
    }
    orders.sort_by_key(|dossier| (dossier.state.starts_at, dossier.order_id));
    Ok(orders)
}

fn of<T: Clone>(records: &[(Uuid, T)], order_id: Uuid) -> Vec<T> {
    records
        .iter()
        .filter(|(of, _)| *of == order_id)
        .map(|(_, record)| record.clone())
        .collect()
}
