//! `homeward order …`: orders from draft to end, and what held at any time.

use alerts::priority::order::Rule;
use anyhow::{Context, Result, bail};
use casedb::{
    GenericClient,
    change::{self, What},
    law::{self, Profile},
    order::{self, Act, Court, Deciding, Decision, Dossier, Draft, Noting, Outcome, Settled},
    person, rules,
    user::User,
};
use jiff::{Timestamp, tz::TimeZone};
use proto::{OrderId, PersonId};
use uuid::Uuid;

use super::orders;
use crate::{
    cli::{
        law::{OrderCommand, OrderCreate, ReviewOutcome, Until},
        orders::By,
    },
    config::Config,
};

pub async fn run(config: Config, command: OrderCommand) -> Result<()> {
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    if let OrderCommand::Show {
        person,
        as_of,
        known_at,
        json,
    } = &command
    {
        let person = orders::person(&client, person).await?;
        let zone = orders::time_zone(&person)?;
        let now = Timestamp::now();
        let at = |moment: &Option<_>, what| match moment {
            Some(moment) => orders::instant(*moment, &zone, false).context(what),
            None => Ok(now),
        };
        let (when, known_at) = (at(as_of, "--as-of")?, at(known_at, "--known-at")?);
        let held = order::as_of(&client, person.person_id, when, known_at).await?;
        if *json {
            let shown = serde_json::json!({
                "reference": person.reference, "as_of": when, "known_at": known_at,
                "in_force": held.in_force().map(|dossier| dossier.order_id), "orders": held.orders,
            });
            println!("{}", serde_json::to_string_pretty(&shown)?);
        } else {
            print!("{}", shown(&held, &person.reference, &zone));
        }
        return Ok(());
    }
    let transaction = client.transaction().await.context("transaction")?;
    let said = change(&transaction, command).await?;
    transaction.commit().await.context("commit")?;
    for line in said {
        println!("{line}");
    }
    Ok(())
}

/// What a command works on.
struct Subject {
    order_id: OrderId,
    person_id: PersonId,
    zone: TimeZone,
    by: User,
    now: Timestamp,
}

impl Subject {
    /// Finds the order and who acts, and refuses a role that may not.
    async fn find(client: &impl GenericClient, order: &str, by: &By, act: Option<Act>) -> Result<Self> {
        let now = Timestamp::now();
        let by = orders::acting(client, by).await?;
        let (order_id, person_id) = if let Ok(id) = order.parse::<Uuid>() {
            let order = order::read(client, OrderId::new(id)).await?;
            (order.order_id, order.person_id)
        } else {
            let person = orders::person(client, order).await?;
            let dossiers = order::dossiers(client, person.person_id, Timestamp::now()).await?;
            let open = dossiers.iter().rev().find(|dossier| {
                dossier.state.ends_at > now && dossier.state.revoked_at.is_none_or(|revoked| revoked > now)
            });
            match open {
                Some(dossier) => (dossier.id(), person.person_id),
                None => bail!("{order} has no order that is not over; `homeward order create {order} …` makes one"),
            }
        };
        let zone = orders::time_zone(&person::read(client, person_id).await?)?;
        if let Some(act) = act {
            order::may(by.role, act, profile_of(client, person_id, order_id).await?)?;
            responsible(client, &by, person_id).await?;
        }
        Ok(Self {
            order_id,
            person_id,
            zone,
            by,
            now,
        })
    }

    /// Notes the change and publishes the rules.
    async fn noted(&self, client: &impl GenericClient, what: What, detail: &str) -> Result<()> {
        let detail = format!("order {}{detail}", self.order_id);
        change::note(client, self.by.user_id, Some(self.person_id), what, &detail).await?;
        rules::publish(client, self.person_id, self.now).await?;
        Ok(())
    }
}

async fn profile_of(client: &impl GenericClient, person: PersonId, order_id: OrderId) -> Result<&'static Profile> {
    let dossiers = order::dossiers(client, person, Timestamp::now()).await?;
    let found = dossiers.iter().find(|dossier| dossier.id() == order_id);
    Ok(law::require(found.map_or("generic", |dossier| &dossier.state.profile))?)
}

async fn change(transaction: &impl GenericClient, command: OrderCommand) -> Result<Vec<String>> {
    match command {
        OrderCommand::Create(create) => self::create(transaction, &create).await,
        OrderCommand::Approve {
            order,
            extension,
            refuse,
            court,
            reference,
            reason,
            by,
        } => {
            let subject = Subject::find(transaction, &order, &by, None).await?;
            let court = court.map(|court| Court { court, reference });
            let deciding = Deciding {
                order_id: subject.order_id,
                extension_id: extension,
                decision: if refuse { Decision::Refused } else { Decision::Approved },
                court: court.as_ref(),
                reason: &reason,
            };
            let settled = order::decide(transaction, deciding, &subject.by, subject.now).await?;
            let (what, word) = if refuse {
                (What::OrderRefused, "refused")
            } else {
                (What::OrderApproved, "approved")
            };
            let detail = extension.map_or_else(String::new, |id| format!(", extension {id}"));
            subject.noted(transaction, what, &detail).await?;
            Ok(stands(
                subject.order_id,
                extension,
                &format!("{word}{detail}"),
                &settled,
            ))
        }
        OrderCommand::Notice {
            order,
            step,
            extension,
            at,
            reference,
            by,
        } => {
            let subject = Subject::find(transaction, &order, &by, Some(Act::Propose)).await?;
            let at = match at {
                Some(at) => orders::instant(at, &subject.zone, false).context("--at")?,
                None => subject.now,
            };
            let by = subject.by.user_id;
            let step: law::Step = step.parse()?;
            let noting = Noting {
                order_id: subject.order_id,
                extension_id: extension,
                step,
                done_at: at,
                reference: &reference,
            };
            let settled = order::note(transaction, &noting, by, subject.now).await?;
            let of = extension.map_or_else(String::new, |id| format!(" of extension {id}"));
            subject
                .noted(transaction, What::OrderNotice, &format!(": {step}{of}"))
                .await?;
            Ok(stands(
                subject.order_id,
                extension,
                &format!("{step}{of} is on record"),
                &settled,
            ))
        }
        OrderCommand::Extend {
            order,
            until,
            reason,
            by,
        } => {
            let subject = Subject::find(transaction, &order, &by, Some(Act::Propose)).await?;
            let before = order::read(transaction, subject.order_id).await?.ends_at;
            let until = end(until, before, &subject.zone)?;
            let by = subject.by.user_id;
            let id = order::extend(transaction, subject.order_id, until, &reason, by, subject.now).await?;
            let after = order::read(transaction, subject.order_id).await?.ends_at;
            subject
                .noted(
                    transaction,
                    What::OrderExtension,
                    &format!(" to {until}, extension {id}"),
                )
                .await?;
            Ok(vec![if after > before {
                format!(
                    "order {} ends {} now",
                    subject.order_id,
                    orders::local(after, &subject.zone)
                )
            } else {
                format!(
                    "extension {id} to {} is asked for: it waits for `homeward order approve {} --extension {id}`",
                    orders::local(until, &subject.zone),
                    subject.order_id
                )
            }])
        }
        OrderCommand::Review {
            order,
            outcome,
            note,
            by,
        } => {
            let subject = Subject::find(transaction, &order, &by, Some(Act::Review)).await?;
            let outcome = match outcome {
                ReviewOutcome::Continue => Outcome::Continue,
                ReviewOutcome::Vary => Outcome::Vary,
                ReviewOutcome::End => Outcome::End,
            };
            order::review(
                transaction,
                subject.order_id,
                outcome,
                &note,
                subject.by.user_id,
                subject.now,
            )
            .await?;
            subject
                .noted(transaction, What::OrderReview, &format!(": {outcome}"))
                .await?;
            Ok(vec![format!("order {} reviewed: {outcome}", subject.order_id)])
        }
        OrderCommand::Vary {
            order,
            conditions,
            reason,
            by,
        } => {
            let subject = Subject::find(transaction, &order, &by, Some(Act::Propose)).await?;
            let by = subject.by.user_id;
            order::vary(transaction, subject.order_id, &conditions, &reason, by, subject.now).await?;
            subject.noted(transaction, What::OrderVaried, "").await?;
            Ok(vec![format!("order {} varied", subject.order_id)])
        }
        OrderCommand::Priorities {
            order,
            rules,
            none: _,
            reason,
            by,
        } => {
            let subject = Subject::find(transaction, &order, &by, Some(Act::Propose)).await?;
            let by = subject.by.user_id;
            let (_, revision) =
                order::set_priorities(transaction, subject.order_id, &rules, &reason, by, subject.now).await?;
            let said = words(&rules);
            subject
                .noted(transaction, What::OrderVaried, &format!(": priorities {said}"))
                .await?;
            Ok(vec![format!(
                "order {}: priorities {said} (revision {revision})",
                subject.order_id
            )])
        }
        OrderCommand::Revoke { order, reason, by } => {
            let subject = Subject::find(transaction, &order, &by, Some(Act::Propose)).await?;
            order::revoke_for(transaction, subject.order_id, &reason, subject.by.user_id, subject.now).await?;
            subject.noted(transaction, What::OrderRevoked, "").await?;
            Ok(vec![format!("order {} is revoked from now on", subject.order_id)])
        }
        OrderCommand::Show { .. } => Ok(Vec::new()),
    }
}

/// Refuses a user of an agency that is not responsible for the person, whatever their role.
async fn responsible(client: &impl GenericClient, by: &User, person_id: PersonId) -> Result<()> {
    if order::approver(client, by, person_id).await?.responsible {
        return Ok(());
    }
    bail!(
        "--by {}: that user's agency is not responsible for this person (`homeward person show` names the agencies that are)",
        by.username
    )
}

async fn create(transaction: &impl GenericClient, create: &OrderCreate) -> Result<Vec<String>> {
    let now = Timestamp::now();
    let person = orders::person(transaction, &create.person).await?;
    let zone = orders::time_zone(&person)?;
    let by = orders::acting(transaction, &create.by).await?;
    let profile = match &create.profile {
        Some(named) => named.clone(),
        None => match order::prescribed(transaction, person.person_id).await?.as_slice() {
            [] => "generic".to_owned(),
            [one] => one.clone(),
            several => bail!(
                "--profile: the person's agencies prescribe {}; name one of them",
                several.join(" and ")
            ),
        },
    };
    order::may(by.role, Act::Propose, law::require(&profile)?)?;
    responsible(transaction, &by, person.person_id).await?;
    let starts_at = match create.from {
        Some(from) => orders::instant(from, &zone, false).context("--from")?,
        None => now,
    };
    let draft = Draft {
        order_id: OrderId::new(Uuid::now_v7()),
        person_id: person.person_id,
        profile,
        legal_basis: create.basis.clone(),
        ground_codes: create.ground.clone(),
        grounds: create.text.clone(),
        conditions: create.conditions.clone(),
        starts_at,
        ends_at: end(create.until, starts_at, &zone)?,
    };
    order::make(transaction, &draft, by.user_id, now).await?;
    if !create.priorities.is_empty() {
        let reason = "as the order was drawn up";
        order::set_priorities(transaction, draft.order_id, &create.priorities, reason, by.user_id, now).await?;
    }
    let detail = format!("order {}, law profile {}", draft.order_id, draft.profile);
    change::note(
        transaction,
        by.user_id,
        Some(person.person_id),
        What::OrderMade,
        &detail,
    )
    .await?;
    rules::publish(transaction, person.person_id, now).await?;
    let dossiers = order::dossiers(transaction, person.person_id, Timestamp::now()).await?;
    let made = dossiers
        .iter()
        .find(|dossier| dossier.id() == draft.order_id)
        .context("the order just made")?;
    let mut said = vec![format!(
        "order {}: {} to {}",
        draft.order_id,
        orders::local(draft.starts_at, &zone),
        orders::local(draft.ends_at, &zone)
    )];
    let lacks = made.lacks();
    if lacks.is_empty() {
        said.push("it needs nothing more".to_owned());
    } else {
        said.push("not in force; it lacks:".to_owned());
        said.extend(lacks.iter().map(|lack| format!("  {lack}")));
    }
    Ok(said)
}

/// Rules of priorities as they are written.
fn words(rules: &[Rule]) -> String {
    if rules.is_empty() {
        return "none".to_owned();
    }
    rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// An end that was given as a time or as a term. Of a local time that comes twice it is the earlier one, as terms end.
fn end(until: Until, from: Timestamp, zone: &TimeZone) -> Result<Timestamp> {
    match (until.until, until.months) {
        (Some(moment), _) => orders::instant(moment, zone, false).context("--until"),
        (None, Some(months)) => Ok(law::months_after(from, months, zone)?),
        (None, None) => bail!("give --until or --months"),
    }
}

fn stands(order_id: OrderId, extension: Option<Uuid>, what: &str, settled: &Settled) -> Vec<String> {
    let mut said = vec![format!("order {order_id}: {what}")];
    let (holds, lacks) = if extension.is_some() {
        (
            "nothing is missing: the end has moved",
            "the end has not moved; the extension lacks:",
        )
    } else {
        (
            "nothing is missing: it is in force during its term",
            "not in force; it lacks:",
        )
    };
    if settled.effective {
        said.push(holds.to_owned());
    } else {
        said.push(lacks.to_owned());
        said.extend(settled.lacks.iter().map(|lack| format!("  {lack}")));
    }
    said
}

/// A person's orders for people to read.
fn shown(held: &order::AsOf, reference: &str, zone: &TimeZone) -> String {
    use std::fmt::Write;
    let local = |at| orders::local(at, zone);
    let mut text = String::new();
    let in_force = held.in_force().map(|dossier| dossier.order_id);
    let _ = writeln!(
        text,
        "{reference} at {}, as known at {}",
        local(held.when),
        local(held.known_at)
    );
    let _ = match in_force {
        Some(id) => writeln!(text, "in force: order {id}"),
        None => writeln!(text, "no order in force"),
    };
    for dossier in &held.orders {
        let state = &dossier.state;
        let _ = writeln!(
            text,
            "\norder {}  {}  {} to {}",
            dossier.order_id,
            standing(dossier, held.when),
            local(state.starts_at),
            local(state.ends_at)
        );
        let _ = writeln!(text, "  law profile {}: {}", state.profile, state.legal_basis);
        for (what, says) in [
            ("grounds", state.ground_codes.join(", ")),
            ("", state.grounds.clone()),
            ("conditions", state.conditions.clone()),
        ] {
            if !says.is_empty() {
                let _ = writeln!(
                    text,
                    "  {}{says}",
                    if what.is_empty() {
                        String::new()
                    } else {
                        format!("{what}: ")
                    }
                );
            }
        }
        for set in &dossier.priorities {
            let _ = writeln!(
                text,
                "  priorities from {}: {} (revision {}, {}: {})",
                local(set.valid_from),
                words(&set.rules),
                set.revision,
                set.set_by,
                set.reason
            );
        }
        for (from, until) in &dossier.terms {
            let _ = writeln!(text, "  in force {} to {}", local(*from), local(*until));
        }
        for lack in dossier.lacks() {
            let _ = writeln!(text, "  lacks {lack}");
        }
        for approval in &dossier.approvals {
            let of = approval
                .extension_id
                .map_or_else(|| "order".to_owned(), |id| format!("extension {id}"));
            let court = if approval.court.is_empty() {
                String::new()
            } else {
                format!(" for {}, {}", approval.court, approval.reference)
            };
            let _ = writeln!(
                text,
                "  {of} {} {} by {} ({}, {}){court} {}",
                approval.decision,
                local(approval.decided_at),
                approval.decided_by,
                approval.role,
                approval.agency,
                approval.reason
            );
        }
        for notice in &dossier.notices {
            let _ = writeln!(
                text,
                "  {} to {}{} {}, recorded by {} {}",
                notice.step,
                notice.given_to,
                notice
                    .extension_id
                    .map_or_else(String::new, |id| format!(" of extension {id}")),
                local(notice.done_at),
                notice.recorded_by,
                notice.reference
            );
        }
        for extension in &dossier.extensions {
            let decided = dossier
                .approvals
                .iter()
                .find(|approval| approval.extension_id == Some(extension.extension_id));
            let _ = writeln!(
                text,
                "  extension {} to {} asked by {} ({}): {}",
                extension.extension_id,
                local(extension.to_end),
                extension.requested_by,
                extension.reason,
                decided.map_or("waits for approval", |approval| approval.decision.as_str())
            );
            for lack in &extension.lacks {
                let _ = writeln!(text, "    lacks {lack}");
            }
        }
        for review in &dossier.reviews {
            let done = match (&review.outcome, review.done_at, &review.done_by) {
                (Some(outcome), Some(at), Some(by)) => {
                    format!("{outcome}, done {} by {by}: {}", local(at), review.note)
                }
                _ => "not done".to_owned(),
            };
            let _ = writeln!(
                text,
                "  review ({}) due {}: {done} {}",
                review.kind,
                local(review.due_at),
                review.cause
            );
        }
        for revision in &dossier.revisions {
            let _ = writeln!(
                text,
                "  revision {} {} {} by {} {}",
                revision.revision,
                local(revision.recorded_at),
                revision.what,
                revision.recorded_by.as_deref().unwrap_or("the program"),
                revision.reason
            );
        }
    }
    text
}

/// One word on an order at a time.
fn standing(dossier: &Dossier, when: Timestamp) -> &'static str {
    let state = &dossier.state;
    if dossier.is_in_force(when) {
        "IN FORCE"
    } else if state.revoked_at.is_some_and(|at| at <= when) {
        "revoked"
    } else if state.ends_at <= when {
        "over"
    } else if state.in_force_from.is_none() {
        "draft"
    } else if dossier.has_lapsed(when) {
        "lapsed: a review is due"
    } else {
        "not begun"
    }
}
