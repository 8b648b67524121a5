//! Finding the known name that somebody probably meant.

/// The candidate closest to `name` by edit distance (a swap of two neighbours counting once), if one is close enough to be worth suggesting.
///
/// ```
/// assert_eq!(dipper_connectors::nearest("formt", ["path", "format"]), Some("format"));
/// assert_eq!(dipper_connectors::nearest("zzz", ["path", "format"]), None);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        assert_eq!(nearest("pth", ["path", "format"]), Some("path"));
        assert_eq!(nearest("csv.feild-delimiter", ["csv.header", "csv.field-delimiter"]), Some("csv.field-delimiter"));
        assert_eq!(nearest("cvs", ["csv", "json"]), Some("csv"));
        assert_eq!(nearest("xyz", ["csv", "json"]), None);
    }
}
