//! What has just been counted. A queue of a hundred thousand takes some hundredths of a second to count, and every open page wants the
//! counts: users of one agency and role share them for two seconds, where there are many. Short queues are counted each time.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use casedb::user::{Role, User};
use uuid::Uuid;

/// How old shared counts may be.
const FRESH: Duration = Duration::from_secs(2);
/// From how many on they are shared.
const MANY: i64 = 5_000;

/// Counts by agency and role, and when they were taken.
type ByRole = HashMap<(Uuid, Role), (Instant, [i64; 4])>;

/// Counts by agency and role.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<ByRole>);

impl Counts {
    /// Those of the user's agency and role, where they are fresh.
    pub(crate) fn get(&self, user: &User, now: Instant) -> Option<[i64; 4]> {
        let known = self.0.lock().ok()?;
        let (at, counts) = known.get(&(user.agency_id, user.role))?;
        (now.saturating_duration_since(*at) < FRESH).then_some(*counts)
    }

    /// Keeps them, where there are many.
    pub(crate) fn keep(&self, user: &User, now: Instant, counts: [i64; 4]) {
        if counts.iter().sum::<i64>() < MANY {
            return;
        }
        if let Ok(mut known) = self.0.lock() {
            known.retain(|_, (at, _)| now.saturating_duration_since(*at) < FRESH);
            known.insert((user.agency_id, user.role), (now, counts));
        }
    }
}

#[cfg(test)]
mod tests {
    use casedb::user::Branch;

    use super::*;

    #[test]
    fn many_are_shared_by_agency_and_role_for_two_seconds() {
        let user = |agency, role| User {
            user_id: Uuid::now_v7(),
            username: String::new(),
            display_name: String::new(),
            role,
            agency_id: Uuid::from_u128(agency),
            agency_name: String::new(),
            agency_path: String::new(),
            branch: Branch::Police,
            time_zone: String::new(),
            locale: String::new(),
        };
        let (counts, now) = (Counts::default(), Instant::now());
        let officer = user(1, Role::DutyOfficer);
        counts.keep(&officer, now, [1, 2, 3, 4]);
        assert_eq!(counts.get(&officer, now), None, "few are counted each time");
        counts.keep(&officer, now, [1, 2, 3, 9_000]);
        assert_eq!(counts.get(&user(1, Role::DutyOfficer), now), Some([1, 2, 3, 9_000]));
        for other in [user(2, Role::DutyOfficer), user(1, Role::Supervisor)] {
            assert_eq!(counts.get(&other, now), None);
        }
        assert_eq!(counts.get(&officer, now + FRESH), None);
    }
}
