//! Passwords of accounts that were made just now: an answer that got lost is given again, and nobody gets another password.
//!
//! They are in the memory of this process alone, for a minute. After that, or at another console, an account that nobody can use yet gets
//! a new password like any other.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use uuid::Uuid;

/// For so long the same answer is given again.
pub(crate) const KNOWN: Duration = Duration::from_mins(1);

/// Passwords by account, and when each was made.
#[derive(Default)]
pub(crate) struct Fresh(Mutex<HashMap<Uuid, (Instant, String)>>);

impl Fresh {
    /// Keeps the password of an account that is being made.
    pub(crate) fn keep(&self, user_id: Uuid, now: Instant, password: &str) {
        self.known(now).insert(user_id, (now, password.to_owned()));
    }

    /// The password that an account was made with, within the minute and before anything else became of it.
    pub(crate) fn get(&self, user_id: Uuid, now: Instant) -> Option<String> {
        self.known(now).get(&user_id).map(|(_, password)| password.clone())
    }

    /// Somebody logged in with it, or the account was changed: it is told no more.
    pub(crate) fn forget(&self, user_id: Uuid) {
        self.known(Instant::now()).remove(&user_id);
    }

    fn known(&self, now: Instant) -> std::sync::MutexGuard<'_, HashMap<Uuid, (Instant, String)>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (made, _)| now.saturating_duration_since(*made) < KNOWN);
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_for_a_minute_and_until_it_is_used() {
        let (fresh, now) = (Fresh::default(), Instant::now());
        let [one, other] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        fresh.keep(one, now, "first");
        fresh.keep(other, now, "second");
        assert_eq!(fresh.get(one, now).as_deref(), Some("first"));
        fresh.forget(one);
        assert_eq!(fresh.get(one, now), None);
        let nearly = now + KNOWN - Duration::from_millis(1);
        assert_eq!(fresh.get(other, nearly).as_deref(), Some("second"));
        assert_eq!(fresh.get(other, now + KNOWN), None);
        assert!(fresh.known(now).is_empty(), "what is old is gone from memory");
    }
}
