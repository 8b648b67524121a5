//! Measurements as people and programs read them.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::measurement::Measurement;

const COLUMNS: [&str; 10] =
    ["query", "rows", "matches", "s min", "s median", "ns/row", "M rows/s", "peak MB", "B/key", "× reading"];

/// As a Markdown table, so that it can be pasted into a note.
pub(crate) fn table(measurements: &[Measurement]) -> String {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(COLUMNS);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for measured in measurements {
        table.add_row([
            measured.query.clone(),
            measured.rows.to_string(),
            measured.matches.to_string(),
            format!("{:.3}", measured.seconds_min),
            format!("{:.3}", measured.seconds_median),
            format!("{:.1}", measured.ns_per_row),
            format!("{:.2}", 1e3 / measured.ns_per_row),
            measured.peak_bytes.map_or_else(|| "n/a".to_owned(), |bytes| (bytes >> 20).to_string()),
            measured.bytes_per_key.map_or_else(String::new, |bytes| format!("{bytes:.0}")),
            measured.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Pass;

    #[test]
    fn a_measurement_is_a_line() {
        let pass = Pass { seconds: 0.025, rows: 1_000_000, matches: 3, bytes_per_key: Some(63.7), ..Pass::default() };
        let measured = Measurement::of("matcher/a-b/one", &[pass], Some(5 << 20)).unwrap();
        insta::assert_snapshot!(table(&[measured]), @r"
        | query           |    rows | matches | s min | s median | ns/row | M rows/s | peak MB | B/key | × reading |
        |-----------------|---------|---------|-------|----------|--------|----------|---------|-------|-----------|
        | matcher/a-b/one | 1000000 |       3 | 0.025 |    0.025 |   25.0 |    40.00 |       5 |    64 |           |
        ");
    }
}
