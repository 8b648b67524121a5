//! How long something takes, as a histogram that one thread fills while others look.

use std::sync::atomic::{AtomicU64, Ordering};

/// A histogram of durations with fixed bounds.
#[derive(Debug, Default)]
pub struct Latency {
    buckets: [AtomicU64; Latency::BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// What a [`Latency`] holds at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LatencyCounts {
    /// How many durations there were up to each of [`Latency::BOUNDS_US`] and above the one before; the last are longer than all of them.
    pub buckets: [u64; Latency::BOUNDS_US.len() + 1],
    /// The sum of all, in microseconds.
    pub sum_us: u64,
}

impl Latency {
    /// The upper bounds of the buckets, in microseconds: from a millisecond to an hour.
    pub const BOUNDS_US: [u64; 12] = [
        1_000,
        5_000,
        10_000,
        50_000,
        100_000,
        500_000,
        1_000_000,
        5_000_000,
        10_000_000,
        60_000_000,
        600_000_000,
        3_600_000_000,
    ];

    /// Counts a duration; what lies in the future counts as 0.
    pub fn record_us(&self, duration_us: i64) {
        let duration_us = u64::try_from(duration_us).unwrap_or(0);
        let bucket = Self::BOUNDS_US.partition_point(|bound| *bound < duration_us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(duration_us, Ordering::Relaxed);
    }

    /// What it holds.
    pub fn counts(&self) -> LatencyCounts {
        let buckets = std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed));
        LatencyCounts { buckets, sum_us: self.sum_us.load(Ordering::Relaxed) }
    }

    /// Takes over what another one has counted elsewhere.
    pub fn set(&self, counts: &LatencyCounts) {
        for (bucket, count) in self.buckets.iter().zip(counts.buckets) {
            bucket.store(count, Ordering::Relaxed);
        }
        self.sum_us.store(counts.sum_us, Ordering::Relaxed);
    }
}

impl LatencyCounts {
    /// How many durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl std::iter::Sum for LatencyCounts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            buckets: std::array::from_fn(|bucket| sum.buckets[bucket] + one.buckets[bucket]),
            sum_us: sum.sum_us.saturating_add(one.sum_us),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_up_to_its_bound_and_what_is_longer_than_all_counts_last() {
        let latency = Latency::default();
        for duration_us in [-5, 0, 1_000, 1_001, i64::MAX] {
            latency.record_us(duration_us);
        }
        let counts = latency.counts();
        assert_eq!((counts.buckets[0], counts.buckets[1], counts.buckets[12]), (3, 1, 1));
        assert_eq!(counts.count(), 5);
        assert_eq!(counts.sum_us, 2_001 + i64::MAX as u64);
    }

    #[test]
    fn counts_of_several_are_added_and_taken_over() {
        let (one, other) = (Latency::default(), Latency::default());
        one.record_us(7_000);
        other.record_us(2);
        let sum: LatencyCounts = [one.counts(), other.counts()].into_iter().sum();
        assert_eq!((sum.count(), sum.sum_us), (2, 7_002));
        one.set(&sum);
        assert_eq!(one.counts(), sum);
    }
}
