//! Steps of a user's transaction that no role of users may do by itself.

use crate::{Error, pool::GenericClient, pool::row};

/// Which steps there are. Each follows from an act that the user's role was allowed just before, in the same transaction. This is the
/// whole list: nothing else of a request leaves the user's role (`docs/access.md` tells it, a test holds the two together).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Beyond {
    /// A person's rules are made anew and put into the outbox.
    Publish,
    /// An incident tells both sides that somebody has opened access to a person outside the own branch.
    Tell,
    /// Incidents of one root cause are closed together, or taken apart.
    Family,
    /// An incident of a version that knew of no course gets one.
    Carry,
    /// Somebody has taken an incident on: that of its failed escalation is over.
    Answer,
    /// A device is fitted, swapped, taken off, or noted as faulty.
    Device,
    /// An order's operating conditions are set.
    Settings,
    /// A person's zone is made what the publication just written says.
    Zones,
    /// Whether somebody can still be called, after a change of accounts.
    Calls,
    /// What is kept of a person, or the calendar that the schedules go by, is changed.
    Person,
    /// A distance to keep from a protected person is set or taken away.
    Distance,
    /// Days of a holiday calendar are added or taken out.
    Calendar,
}

impl Beyond {
    /// Every step.
    pub const ALL: [Self; 12] = [
        Self::Publish,
        Self::Tell,
        Self::Family,
        Self::Carry,
        Self::Answer,
        Self::Device,
        Self::Settings,
        Self::Zones,
        Self::Calls,
        Self::Person,
        Self::Distance,
        Self::Calendar,
    ];

    /// Its name in the documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Tell => "tell",
            Self::Family => "family",
            Self::Carry => "carry",
            Self::Answer => "answer",
            Self::Device => "device",
            Self::Settings => "settings",
            Self::Zones => "zones",
            Self::Calls => "calls",
            Self::Person => "person",
            Self::Distance => "distance",
            Self::Calendar => "calendar",
        }
    }

    /// Why no role does it.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Publish => {
                "rules hold the zones of both sides and the places of protected people, and the outbox leads to the devices' gateways"
            }
            Self::Tell => "the incident is also for a branch that the user does not belong to",
            Self::Family => "what is merged may be for the other side, which the user neither sees nor changes",
            Self::Device => {
                "a device that nobody wears is in no branch and under no contract; that the worn one is was proved first"
            }
            Self::Settings => {
                "they are a part of the rules, which follow from the order that the role has just written"
            }
            Self::Zones => {
                "zones follow from their publication, which the role has just written; whether others have them is not for the user to see"
            }
            Self::Calls => {
                "who is left to call depends on accounts, rotas and people that an administrator does not see; the answer names a ladder alone"
            }
            Self::Person => {
                "no role changes whose a person is or what schedules go by, with which those columns are in one row"
            }
            Self::Distance => {
                "a distance is a zone as well, and devices' gateways follow it; that the user may see both people was proved first"
            }
            Self::Calendar => {
                "whose schedules go by a calendar is not for the user to see, and the rules of all of them follow"
            }
            Self::Answer => "nobody has to be called any more: the record of that is the program's, not the user's",
            Self::Carry => "the record of it is the program's, not the user's",
        }
    }
}

/// A transaction that is the program's for a step.
#[derive(Debug)]
#[must_use = "the transaction stays the program's until `back`"]
pub struct Outside {
    role: String,
}

/// From here to [`Outside::back`] the transaction is the program's; the audit still names the user. Where the step fails, the caller gives
/// the transaction up. In a transaction of the program nothing changes.
pub async fn step_out(transaction: &impl GenericClient, step: Beyond) -> Result<Outside, Error> {
    const ROLE: &str = "SELECT coalesce(current_setting('role', true), 'none')";
    let role: String = row(transaction, ROLE, &[]).await?.try_get(0)?;
    tracing::trace!(step = step.name(), "beyond the user's role");
    set_role(transaction, "none").await?;
    Ok(Outside { role })
}

impl Outside {
    /// The transaction is the user's again.
    pub async fn back(self, transaction: &impl GenericClient) -> Result<(), Error> {
        set_role(transaction, &self.role).await
    }
}

async fn set_role(transaction: &impl GenericClient, role: &str) -> Result<(), Error> {
    row(transaction, "SELECT set_config('role', $1, true)", &[&role])
        .await
        .map(drop)
}
