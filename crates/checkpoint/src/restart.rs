//! Restart strategies: whether a job that has failed is run again, and after how long.

/// When to restart a job, by Flink's names under `restart-strategy`.
///
/// ```
/// use dipper_checkpoint::RestartStrategy;
///
/// let strategy = RestartStrategy::FixedDelay { attempts: 2, delay_ms: 1000 };
/// assert_eq!(strategy.delay_ms(&[0, 5000], 0.0), Some(1000));
/// assert_eq!(strategy.delay_ms(&[0, 5000, 9000], 0.0), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RestartStrategy {
    /// `none`: a failure ends the job.
    None,
    /// `fixed-delay`.
    FixedDelay {
        /// `attempts`: how many restarts in all.
        attempts: u32,
        /// `delay`.
        delay_ms: u64,
    },
    /// `exponential-delay`: every failure in a row makes the delay longer, until the job has run well for a while.
    ExponentialDelay {
        /// `initial-backoff`: the delay after the first failure.
        initial_backoff_ms: u64,
        /// `max-backoff`.
        max_backoff_ms: u64,
        /// `backoff-multiplier`, at least 1.
        backoff_multiplier: f64,
        /// `reset-backoff-threshold`: how long, after the delay, the job must run without a failure to begin anew.
        reset_backoff_threshold_ms: u64,
        /// `jitter-factor`: how much of the delay is added or taken away at random, from 0 to 1. It stays between the
        /// initial delay and the greatest.
        jitter_factor: f64,
        /// `attempts-before-reset-backoff`: how many restarts in a row, if they are bounded.
        attempts_before_reset_backoff: Option<u32>,
    },
    /// `failure-rate`.
    FailureRate {
        /// `max-failures-per-interval`: how many restarts within an interval; one failure more ends the job.
        max_failures_per_interval: u32,
        /// `failure-rate-interval`.
        failure_rate_interval_ms: u64,
        /// `delay`.
        delay_ms: u64,
    },
}

impl RestartStrategy {
    /// How long to wait before the job is run again, or `None` if it is not. `failures_ms` are the times of all failures
    /// of the job so far, ascending, this one last; `noise`, from -1 to 1, is random.
    pub fn delay_ms(&self, failures_ms: &[u64], noise: f64) -> Option<u64> {
        let &last = failures_ms.last()?;
        match *self {
            Self::None => None,
            Self::FixedDelay { attempts, delay_ms } => (failures_ms.len() <= attempts as usize).then_some(delay_ms),
            Self::ExponentialDelay { initial_backoff_ms, max_backoff_ms, jitter_factor, .. } => {
                let backoff = self.backoff_ms(failures_ms)?;
                let delay_ms = (backoff + backoff * jitter_factor * noise.clamp(-1.0, 1.0)) as u64;
                Some(delay_ms.max(initial_backoff_ms).min(max_backoff_ms))
            }
            Self::FailureRate { max_failures_per_interval, failure_rate_interval_ms, delay_ms } => {
                let recent = failures_ms.iter().filter(|&&failure| last - failure <= failure_rate_interval_ms).count();
                (recent <= max_failures_per_interval as usize).then_some(delay_ms)
            }
        }
    }

    /// The exponential delay without jitter.
    fn backoff_ms(&self, failures_ms: &[u64]) -> Option<f64> {
        let Self::ExponentialDelay {
            initial_backoff_ms,
            max_backoff_ms,
            backoff_multiplier,
            reset_backoff_threshold_ms,
            attempts_before_reset_backoff,
            ..
        } = *self
        else {
            return None;
        };
        let mut backoff = initial_backoff_ms as f64;
        let mut in_a_row = 1;
        for pair in failures_ms.windows(2) {
            let ran_well_ms = backoff + reset_backoff_threshold_ms as f64;
            if (pair[1] - pair[0]) as f64 >= ran_well_ms {
                backoff = initial_backoff_ms as f64;
                in_a_row = 1;
            } else {
                backoff = (backoff * backoff_multiplier).min(max_backoff_ms as f64);
                in_a_row += 1;
            }
        }
        attempts_before_reset_backoff.is_none_or(|attempts| in_a_row <= attempts).then_some(backoff)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exponential(attempts: Option<u32>) -> RestartStrategy {
        RestartStrategy::ExponentialDelay {
            initial_backoff_ms: 1_000,
            max_backoff_ms: 5_000,
            backoff_multiplier: 2.0,
            reset_backoff_threshold_ms: 60_000,
            jitter_factor: 0.1,
            attempts_before_reset_backoff: attempts,
        }
    }

    #[test]
    fn without_a_strategy_nothing_is_run_again() {
        assert_eq!(RestartStrategy::None.delay_ms(&[1], 0.0), None);
    }

    #[test]
    fn the_delay_grows_to_its_maximum_and_begins_anew_after_a_quiet_time() {
        let delay = |failures: &[u64]| exponential(None).delay_ms(failures, 0.0);
        assert_eq!(delay(&[0]), Some(1_000));
        assert_eq!(delay(&[0, 2_000]), Some(2_000));
        assert_eq!(delay(&[0, 2_000, 5_000]), Some(4_000));
        assert_eq!(delay(&[0, 2_000, 5_000, 10_000]), Some(5_000));
        assert_eq!(delay(&[0, 2_000, 64_000]), Some(1_000));
        assert_eq!(delay(&[0, 2_000, 63_999]), Some(4_000));
    }

    #[test]
    fn jitter_moves_the_delay_both_ways_between_the_initial_and_the_greatest() {
        let delay = |failures: &[u64], noise| exponential(None).delay_ms(failures, noise);
        assert_eq!((delay(&[0, 1], 1.0), delay(&[0, 1], -1.0)), (Some(2_200), Some(1_800)));
        assert_eq!(delay(&[0], -1.0), Some(1_000));
        assert_eq!(delay(&[0, 1, 2, 3, 4], 1.0), Some(5_000));
    }

    #[test]
    fn attempts_in_a_row_may_be_bounded() {
        let strategy = exponential(Some(2));
        assert_eq!(strategy.delay_ms(&[0, 1], 0.0), Some(2_000));
        assert_eq!(strategy.delay_ms(&[0, 1, 2], 0.0), None);
        assert_eq!(strategy.delay_ms(&[0, 1, 2, 100_000], 0.0), Some(1_000));
    }

    #[test]
    fn a_rate_counts_the_failures_of_the_interval_that_ends_now() {
        let strategy =
            RestartStrategy::FailureRate { max_failures_per_interval: 2, failure_rate_interval_ms: 100, delay_ms: 7 };
        assert_eq!(strategy.delay_ms(&[0, 50], 0.0), Some(7));
        assert_eq!(strategy.delay_ms(&[0, 50, 100], 0.0), None);
        assert_eq!(strategy.delay_ms(&[0, 50, 101], 0.0), Some(7));
    }

    proptest! {
        #[test]
        fn an_exponential_delay_stays_within_its_bounds(gaps in prop::collection::vec(0..100_000u64, 1..30), noise in -1.0..1.0) {
            let failures: Vec<u64> = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) }).collect();
            let delay = exponential(None).delay_ms(&failures, noise).unwrap();
            prop_assert!((1_000..=5_000).contains(&delay));
        }
    }
}
