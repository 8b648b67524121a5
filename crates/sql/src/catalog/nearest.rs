//! Finding the known name that somebody probably meant.

/// The candidate closest to `name` by edit distance (a swap of two neighbours counting once), if one is close enough to be
/// worth suggesting.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Of one or two letters, any change makes another name.
    let limit = match name.chars().count() {
        0..=2 => 0,
        length => 1 + length / 4,
    };
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance > 0 && *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_a_slip_of_the_finger_is_corrected() {
        let functions = ["translate", "trim", "make_time", "isnan", "upper", "count"];
        for (written, meant) in [
            ("uper", Some("upper")),
            ("coutn", Some("count")),
            ("frobnicate", None),
            ("prev", None),
            ("match_number", None),
            ("final", None),
            ("trim", None),
        ] {
            assert_eq!(nearest(written, functions), meant, "{written}");
        }
    }
}
