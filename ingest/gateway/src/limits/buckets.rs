//! How much of a thing a source may have in a time: token buckets, with a bound on how many are remembered.

use std::{
    collections::HashMap,
    hash::Hash,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};

/// One bucket for each key. A rate of 0: no limit.
#[derive(Debug)]
pub(crate) struct Buckets<K: Hash + Eq + Clone> {
    inner: Option<Inner<K>>,
}

#[derive(Debug)]
struct Inner<K: Hash + Eq + Clone> {
    keyed: RateLimiter<K, Store<K>, DefaultClock>,
    clock: DefaultClock,
    burst: u32,
}

/// When each bucket was, or will be, full.
#[derive(Debug)]
struct Store<K> {
    held: Mutex<Held<K>>,
    /// Keys with a bucket of their own.
    most: usize,
}

#[derive(Debug)]
struct Held<K> {
    own: HashMap<K, Nanos>,
    /// For those that come when too many are remembered: they share it. Who has a bucket keeps it, or whoever invents addresses
    /// could take everybody's.
    rest: Option<Nanos>,
}

impl<K> Store<K> {
    fn lock(&self) -> MutexGuard<'_, Held<K>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone> StateStore for Store<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut held = self.lock();
        if let Some(own) = held.own.get_mut(key) {
            let (outcome, next) = measure(Some(*own))?;
            *own = next;
            return Ok(outcome);
        }
        if held.own.len() < self.most {
            let (outcome, next) = measure(None)?;
            held.own.insert(key.clone(), next);
            return Ok(outcome);
        }
        let (outcome, next) = measure(held.rest)?;
        held.rest = Some(next);
        Ok(outcome)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Store<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.lock().own.retain(|_, full| *full > drop_below);
    }

    fn shrink_to_fit(&self) {
        self.lock().own.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.lock().own.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// `rate` a second, `burst` at once; `most` keys with a bucket of their own.
    pub(crate) fn new(rate: u32, burst: u32, most: usize) -> Self {
        let inner = NonZeroU32::new(rate).map(|rate| {
            let burst = NonZeroU32::new(burst).unwrap_or(rate);
            let quota = Quota::per_second(rate).allow_burst(burst);
            let clock = DefaultClock::default();
            let store = Store {
                held: Mutex::new(Held {
                    own: HashMap::new(),
                    rest: None,
                }),
                most,
            };
            Inner {
                keyed: RateLimiter::new(quota, store, clock.clone()),
                clock,
                burst: burst.get(),
            }
        });
        Self { inner }
    }

    /// Takes `count` out of the key's bucket; `Some`: there is not so much in it, and how long until there is.
    pub(crate) fn take(&self, key: &K, count: usize) -> Option<Duration> {
        let inner = self.inner.as_ref()?;
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(inner.burst);
        let count = NonZeroU32::new(count)?;
        let refused = inner.keyed.check_key_n(key, count).ok()?.err()?;
        Some(refused.wait_time_from(inner.clock.now()))
    }

    /// Forgets the buckets that are full again.
    pub(crate) fn sweep(&self) {
        if let Some(inner) = &self.inner {
            inner.keyed.retain_recent();
            inner.keyed.shrink_to_fit();
        }
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.inner.as_ref().map_or(0, |inner| inner.keyed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_and_gets_it_back_in_time() {
        let buckets = Buckets::new(1_000, 3, 10);
        assert!((0..3).all(|_| buckets.take(&"a", 1).is_none()));
        let wait = buckets.take(&"a", 1).expect("the burst is used up");
        assert!(wait <= Duration::from_millis(1), "{wait:?}");
        assert_eq!(buckets.take(&"b", 1), None);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(buckets.take(&"a", 3), None);
        // More at once than a bucket holds takes all of it; it is not impossible for ever.
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(buckets.take(&"a", 50), None);
        assert!(buckets.take(&"a", 3).is_some());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let buckets = Buckets::new(1_000, 5, 100);
        let refused = (0..10_000_u32).filter(|key| buckets.take(key, 1).is_some()).count();
        assert!(buckets.len() <= 100, "{}", buckets.len());
        assert!(refused > 5_000, "those beyond share one bucket: {refused}");
        std::thread::sleep(Duration::from_millis(20));
        buckets.sweep();
        assert_eq!(buckets.len(), 0);
    }

    #[test]
    fn who_has_a_bucket_keeps_it_whoever_else_comes() {
        let buckets = Buckets::new(1, 3, 100);
        assert_eq!(buckets.take(&7_u32, 1), None);
        let others: Vec<_> = (1_000..10_000_u32)
            .filter(|key| buckets.take(key, 1).is_none())
            .collect();
        assert_eq!(others.len(), 99 + 3, "those beyond share one: {others:?}");
        assert_eq!((0..5).filter(|_| buckets.take(&7, 1).is_none()).count(), 2);
        // Also those that share it get it back, and who is forgotten makes room.
        std::thread::sleep(Duration::from_millis(2_100));
        assert_eq!(buckets.take(&20_000, 1), None);
        buckets.sweep();
        assert!(buckets.len() < 100);
    }

    #[test]
    fn no_rate_is_no_limit() {
        let buckets = Buckets::new(0, 0, 10);
        assert!((0..1_000).all(|_| buckets.take(&1, 1_000).is_none()));
    }
}
