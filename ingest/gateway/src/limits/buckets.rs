//! How much of a thing a source may have in a time: token buckets, with a bound on how many are remembered.

use std::{hash::Hash, num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota,
    clock::{Clock, DefaultClock},
};

/// One bucket for each key. A rate of 0: no limit.
#[derive(Debug)]
pub(crate) struct Buckets<K: Hash + Eq + Clone> {
    inner: Option<Inner<K>>,
    most: usize,
}

#[derive(Debug)]
struct Inner<K: Hash + Eq + Clone> {
    keyed: DefaultKeyedRateLimiter<K>,
    /// For those that come when too many are remembered: they share it.
    rest: DefaultDirectRateLimiter,
    clock: DefaultClock,
    burst: u32,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// `rate` a second, `burst` at once; `most` keys with a bucket of their own.
    pub(crate) fn new(rate: u32, burst: u32, most: usize) -> Self {
        let inner = NonZeroU32::new(rate).map(|rate| {
            let burst = NonZeroU32::new(burst).unwrap_or(rate);
            let quota = Quota::per_second(rate).allow_burst(burst);
            Inner {
                keyed: DefaultKeyedRateLimiter::keyed(quota),
                rest: DefaultDirectRateLimiter::direct(quota),
                clock: DefaultClock::default(),
                burst: burst.get(),
            }
        });
        Self { inner, most }
    }

    /// Takes `count` out of the key's bucket; `Some`: there is not so much in it, and how long until there is.
    pub(crate) fn take(&self, key: &K, count: usize) -> Option<Duration> {
        let inner = self.inner.as_ref()?;
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(inner.burst);
        let count = NonZeroU32::new(count)?;
        let wait = |refused: governor::NotUntil<_>| refused.wait_time_from(inner.clock.now());
        if inner.keyed.len() > self.most {
            // More sources at a time than anybody has devices: strangers share what is left.
            return inner.rest.check_n(count).ok()?.err().map(wait);
        }
        inner.keyed.check_key_n(key, count).ok()?.err().map(wait)
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
        assert!(buckets.len() <= 101, "{}", buckets.len());
        assert!(refused > 5_000, "those beyond share one bucket: {refused}");
        std::thread::sleep(Duration::from_millis(20));
        buckets.sweep();
        assert_eq!(buckets.len(), 0);
    }

    #[test]
    fn no_rate_is_no_limit() {
        let buckets = Buckets::new(0, 0, 10);
        assert!((0..1_000).all(|_| buckets.take(&1, 1_000).is_none()));
    }
}
