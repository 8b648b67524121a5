//! Finding the known name that somebody probably meant.

/// The candidate closest to `name` by edit distance, if one is close enough to be worth suggesting.
///
/// ```
/// assert_eq!(dipper_connectors::nearest("formt", ["path", "format"]), Some("format"));
/// assert_eq!(dipper_connectors::nearest("zzz", ["path", "format"]), None);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, a swap of two neighbours counting once.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut previous_char = None;
    for (row, l) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, r) in right.iter().enumerate() {
            let mut best = (last[column] + usize::from(l != *r)).min(last[column + 1] + 1).min(current[column] + 1);
            if column > 0 && previous_char == Some(*r) && l == right[column - 1] {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous_char = Some(l);
    }
    last[right.len()]
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
