//! Which runs of a table to merge, by their sizes.

use std::ops::Range;

/// How many runs a merge of deltas takes at least.
const WIDTH: usize = 8;

/// The runs to merge, given the sizes of all, oldest first: all of them once the deltas have reached the base, else the longest row of
/// deltas, the newest last, of which none is larger than those after it together, if it is long enough. What is written for each byte that comes in grows with the logarithm of the
/// base's size in deltas; so does the number of runs.
pub(crate) fn plan_merge(sizes: &[u64]) -> Option<Range<usize>> {
    let (base, deltas) = sizes.split_first()?;
    if deltas.is_empty() {
        return None;
    }
    if deltas.iter().sum::<u64>() >= *base {
        return Some(0..sizes.len());
    }
    let mut start = sizes.len();
    let mut after = 0;
    while start > 1 && (after == 0 || sizes[start - 1] <= after) {
        start -= 1;
        after += sizes[start];
    }
    (sizes.len() - start >= WIDTH).then_some(start..sizes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands over `deltas` deltas of size `delta` on a base, whose size stays the same, and merges what is due: bytes written for each byte
    /// handed over, the most runs there were, the most bytes stored for each byte of the base.
    fn simulate(base: u64, delta: u64, deltas: usize) -> (f64, usize, f64) {
        let mut runs = vec![base];
        let (mut written, mut runs_max, mut stored_max) = (0, 0, 0);
        for _ in 0..deltas {
            runs.push(delta);
            written += delta;
            runs_max = runs_max.max(runs.len());
            stored_max = stored_max.max(runs.iter().sum());
            if let Some(merged) = plan_merge(&runs) {
                // A delta overwrites what is in the base; deltas among each other share no key, which is the worst case.
                let size = if merged.start == 0 { base } else { runs[merged.clone()].iter().sum() };
                written += size;
                runs.splice(merged, [size]);
            }
        }
        (written as f64 / (delta * deltas as u64) as f64, runs_max, stored_max as f64 / base as f64)
    }

    #[test]
    fn write_amplification_is_bounded() {
        let line = |ratio: u64| {
            let (amplification, runs, stored) = simulate(1_000 * ratio, 1_000, 40_000);
            format!("{ratio}: {amplification:.1} {runs} {stored:.1}\n")
        };
        let table: String = [1, 10, 100, 1_000, 10_000].into_iter().map(line).collect();
        // Deltas in the base: bytes written a byte, most runs, most bytes stored a byte of the base.
        assert_eq!(table, "1: 2.0 2 2.0\n10: 2.8 9 2.0\n100: 4.2 12 2.0\n1000: 5.6 15 2.0\n10000: 7.7 19 2.0\n");
    }

    #[test]
    fn a_single_run_and_few_small_deltas_are_left_alone() {
        assert_eq!(plan_merge(&[]), None);
        assert_eq!(plan_merge(&[5]), None);
        assert_eq!(plan_merge(&[1000, 10, 10, 10]), None);
        assert_eq!(plan_merge(&[1000, 1000]), Some(0..2));
    }

    #[test]
    fn runs_without_bytes_do_not_trouble_it() {
        assert_eq!(plan_merge(&[0, 0, 0]), Some(0..3));
        assert_eq!(plan_merge(&[9, 0, 0]), None);
    }
}
