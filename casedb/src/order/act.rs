//! Which roles draw up orders, and which review them. Approval is the law profile's own question.

use crate::{Error, Refused, law::Profile, refused::list, user::Role};

/// What somebody does with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Draws it up, asks for an extension or for leave, records a step, varies or revokes it.
    Propose,
    /// Reviews it: who could approve it, where the profile names roles.
    Review,
}

/// Those who handle orders.
const PROPOSE: [Role; 4] = [
    Role::DutyOfficer,
    Role::SocialWorker,
    Role::Supervisor,
    Role::Administrator,
];

/// Refuses a role that may not.
pub fn may(role: Role, act: Act, profile: &Profile) -> Result<(), Error> {
    let named = act == Act::Review && !profile.approval.roles.is_empty();
    let roles: &[Role] = if named { &profile.approval.roles } else { &PROPOSE };
    if roles.contains(&role) {
        return Ok(());
    }
    let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
    let (code, what) = match act {
        Act::Propose => ("propose_role", "changing orders"),
        Act::Review => ("review_role", "reviewing an order"),
    };
    let text = format!(
        "{what} needs the role {}, not {} (law profile {}: {})",
        names.join(", "),
        role.name(),
        profile.name,
        profile.approval.source
    );
    Err(Refused::new(code, text)
        .with("roles", list(names))
        .with("role", role.name())
        .with("profile", &profile.name)
        .with("source", &profile.approval.source)
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::require;

    #[test]
    fn who_may_is_told_by_the_role() {
        let (generic, cn) = (require("generic").unwrap(), require("cn").unwrap());
        for role in Role::ALL {
            assert_eq!(may(role, Act::Propose, cn).is_ok(), PROPOSE.contains(&role));
            assert_eq!(may(role, Act::Review, generic).is_ok(), PROPOSE.contains(&role));
            assert_eq!(may(role, Act::Review, cn).is_ok(), role == Role::Supervisor);
        }
    }
}
