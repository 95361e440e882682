//! Logging in: the throttle, the check of the password, the cookie.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::HeaderValue;
use casedb::{
    session::Token,
    user::{PasswordError, User, hash_password, verify_password},
};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::{ApiError, App, authorise::COOKIE};

/// Failed attempts of one name from one address before it must wait.
const MOST_FAILURES: u32 = 5;
/// Failed attempts from one address, whatever the names.
const MOST_FAILURES_OF_ADDRESS: u32 = 50;
/// How long failures are remembered.
const WINDOW: Duration = Duration::from_mins(15);
/// Passwords that are checked at the same time: each takes a core and 19 MiB.
const CHECKS_AT_ONCE: usize = 2;
/// How long a log-in waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer passwords are refused unread: hashing must not be made expensive from outside.
const LONGEST_PASSWORD: usize = 1_024;

/// Counts failures by key within a window, in bounded memory.
#[derive(Debug, Default)]
struct Throttle {
    failures: HashMap<(String, IpAddr), (u32, Instant)>,
}

impl Throttle {
    const MOST_KEYS: usize = 50_000;

    fn wait(&self, key: &(String, IpAddr), most: u32, now: Instant) -> Option<u64> {
        let (count, since) = self.failures.get(key)?;
        let left = WINDOW.checked_sub(now.saturating_duration_since(*since))?;
        (*count >= most).then(|| left.as_secs().max(1))
    }

    fn failed(&mut self, key: (String, IpAddr), now: Instant) {
        if self.failures.len() >= Self::MOST_KEYS {
            self.failures
                .retain(|_, (_, since)| now.saturating_duration_since(*since) < WINDOW);
            if self.failures.len() >= Self::MOST_KEYS {
                // Under such a flood the counts of single names are worth less than the memory.
                self.failures.clear();
            }
        }
        let entry = self.failures.entry(key).or_insert((0, now));
        if now.saturating_duration_since(entry.1) >= WINDOW {
            *entry = (0, now);
        }
        entry.0 += 1;
    }
}

/// Lets users in.
#[derive(Debug)]
pub struct Door {
    throttle: Mutex<Throttle>,
    checks: Semaphore,
    /// Unknown users are checked against this, so that they take as long as known ones.
    decoy: Arc<str>,
}

impl Door {
    /// Makes the decoy.
    pub async fn new() -> Result<Self, PasswordError> {
        let decoy = tokio::task::spawn_blocking(|| hash_password(&casedb::user::random_password())).await;
        let decoy = decoy.unwrap_or_else(|_| hash_password("decoy"))?;
        Ok(Self {
            throttle: Mutex::new(Throttle::default()),
            checks: Semaphore::new(CHECKS_AT_ONCE),
            decoy: decoy.into(),
        })
    }

    /// Lets an attempt pass, and counts it as failed until [`Self::forgive`]: attempts under way at once are all counted.
    fn admit(&self, username: &str, address: IpAddr, now: Instant) -> Result<(), ApiError> {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        let (own, all) = ((username.to_owned(), address), (String::new(), address));
        let wait = throttle
            .wait(&own, MOST_FAILURES, now)
            .or_else(|| throttle.wait(&all, MOST_FAILURES_OF_ADDRESS, now));
        if let Some(seconds) = wait {
            return Err(ApiError::TooManyAttempts(seconds));
        }
        throttle.failed(own, now);
        throttle.failed(all, now);
        Ok(())
    }

    fn forgive(&self, username: &str, address: IpAddr) {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.failures.remove(&(username.to_owned(), address));
        if let Some((count, _)) = throttle.failures.get_mut(&(String::new(), address)) {
            *count = count.saturating_sub(1);
        }
    }

    async fn check(&self, password: String, hash: Option<String>) -> Result<bool, ApiError> {
        let turn = tokio::time::timeout(PATIENCE, self.checks.acquire()).await;
        let Ok(Ok(_permit)) = turn else {
            return Err(ApiError::Unavailable);
        };
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.to_string());
        let right = tokio::task::spawn_blocking(move || verify_password(&password, &hash)).await;
        right.map(|right| right && known).map_err(|_| ApiError::Internal)
    }
}

/// Opens a session for who knows the password.
pub async fn log_in(app: &App, username: &str, password: &str, address: IpAddr) -> Result<(User, Token), ApiError> {
    let username: String = username.trim().to_lowercase().chars().take(65).collect();
    let door = &app.0.door;
    door.admit(&username, address, Instant::now())?;
    if username.is_empty() || username.len() > 64 || password.is_empty() || password.len() > LONGEST_PASSWORD {
        return Err(ApiError::WrongCredentials);
    }
    let (user, hash) = app.0.owner.account(&username).await?.unzip();
    let right = door.check(password.to_owned(), hash).await?;
    let user = user.filter(|_| right);
    let token = app.0.owner.log_in(&username, user.as_ref(), Timestamp::now()).await?;
    let Some((user, token)) = user.zip(token) else {
        metrics::counter!("homeward_console_log_ins_total", "outcome" => "refused").increment(1);
        warn!(%address, "log-in refused");
        return Err(ApiError::WrongCredentials);
    };
    door.forgive(&username, address);
    app.0.fresh.forget(user.user_id);
    metrics::counter!("homeward_console_log_ins_total", "outcome" => "accepted").increment(1);
    info!(user_id = %user.user_id, %address, "log-in");
    Ok((user, token))
}

/// The cookie that carries a token, or, without one, takes it away. It has no age of its own: the server knows when the
/// session ends, and that moves with its use.
pub fn cookie(token: Option<&Token>, secure: bool) -> Result<HeaderValue, ApiError> {
    let (value, age) = token.map_or((String::new(), "; Max-Age=0"), |token| (token.to_text(), ""));
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict{age}{secure}");
    HeaderValue::from_str(&text).map_err(|_| ApiError::Internal)
}

/// Clears away sessions that have expired, every ten minutes.
pub async fn sweep(app: App) {
    let mut every = tokio::time::interval(Duration::from_mins(10));
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = app.0.stop.cancelled() => return,
        }
        if let Err(error) = app.0.owner.sweep_sessions(Timestamp::now()).await {
            warn!(%error, "expired sessions are not cleared away");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_name_and_address_and_forgotten() {
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let other: IpAddr = "192.0.2.2".parse().unwrap();
        let key = ("li.wei".to_owned(), address);
        let start = Instant::now();
        let mut throttle = Throttle::default();
        for _ in 0..MOST_FAILURES {
            assert_eq!(throttle.wait(&key, MOST_FAILURES, start), None);
            throttle.failed(key.clone(), start);
        }
        assert_eq!(throttle.wait(&key, MOST_FAILURES, start), Some(900));
        assert_eq!(throttle.wait(&("li.wei".to_owned(), other), MOST_FAILURES, start), None);
        assert_eq!(
            throttle.wait(&key, MOST_FAILURES, start + WINDOW + Duration::from_secs(1)),
            None
        );
    }

    #[test]
    fn the_cookie_is_for_this_site_and_not_for_scripts() {
        let text = cookie(None, true).unwrap();
        assert_eq!(
            text,
            "homeward_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure"
        );
    }
}
