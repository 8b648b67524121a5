//! What a job did, in words and numbers: the progress line, the summary, the warnings.

use std::time::Duration;

use arrow::temporal_conversions::timestamp_us_to_datetime;
use dipper_session::Progress;
use dipper_types::Timestamp;

/// The line that is drawn while the job runs.
pub(crate) fn progress_line(name: &str, progress: &Progress, elapsed: Duration) -> String {
    let mut parts = vec![
        format!("{name}: {} rows in", grouped(progress.rows_in)),
        format!("{} rows/s", grouped(rate(progress.rows_in, elapsed))),
        format!("{} out", grouped(progress.rows_out)),
    ];
    if progress.matches > 0 {
        parts.push(format!("{} matches", grouped(progress.matches)));
    }
    if let Some(Timestamp(us)) = progress.watermark
        && let Some(time) = timestamp_us_to_datetime(us)
    {
        parts.push(format!("watermark {}", time.format("%Y-%m-%d %H:%M:%S%.3f")));
    }
    parts.join(", ")
}

/// The line at the end of the job.
pub(crate) fn summary_line(name: &str, progress: &Progress, elapsed: Duration) -> String {
    let mut parts =
        vec![format!("{name}: {} in", counted(progress.rows_in, "row")), counted(progress.rows_out, "row") + " out"];
    if progress.matches > 0 {
        parts.push(counted_as(progress.matches, "match", "matches"));
    }
    if progress.late_rows > 0 {
        parts.push(counted(progress.late_rows, "late row"));
    }
    if progress.skipped_records > 0 {
        parts.push(counted(progress.skipped_records, "skipped record"));
    }
    let rate = grouped(rate(progress.rows_in, elapsed));
    format!("{} in {} ({rate} rows/s)", parts.join(", "), seconds(elapsed))
}

/// What the user should know about a job that succeeded.
pub(crate) fn warnings(progress: &Progress) -> Vec<String> {
    let mut warnings = Vec::new();
    if progress.late_rows > 0 {
        let rows = counted_as(progress.late_rows, "late row was", "late rows were");
        warnings.push(format!("{rows} left out: the time stood at or behind the watermark; a longer delay in WATERMARK FOR would take them in"));
    }
    if progress.skipped_records > 0 {
        let records = counted(progress.skipped_records, "record");
        let were = if progress.skipped_records == 1 { "was" } else { "were" };
        warnings.push(format!("{records} could not be decoded and {were} skipped, as the table's options say"));
    }
    if progress.skip_errors > 0 {
        let matches = counted_as(progress.skip_errors, "match", "matches");
        warnings.push(format!("{matches} had no row to skip to after the match: the search went on at the next row"));
    }
    warnings
}

/// A duration as people read it.
pub(crate) fn seconds(elapsed: Duration) -> String {
    if elapsed < Duration::from_secs(1) {
        format!("{:.1} ms", elapsed.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", elapsed.as_secs_f64())
    }
}

fn rate(rows: u64, elapsed: Duration) -> u64 {
    (rows as f64 / elapsed.as_secs_f64().max(1e-6)) as u64
}

fn counted(count: u64, noun: &str) -> String {
    counted_as(count, noun, &format!("{noun}s"))
}

fn counted_as(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRESS: Progress = Progress {
        rows_in: 1_234_567,
        rows_out: 1,
        matches: 2,
        late_rows: 1,
        skipped_records: 0,
        skip_errors: 0,
        watermark: Some(Timestamp(1_704_103_800_050_000)),
    };

    #[test]
    fn the_summary_counts_what_went_in_and_out() {
        let line = summary_line("v-shape", &PROGRESS, Duration::from_secs(2));
        assert_eq!(line, "v-shape: 1,234,567 rows in, 1 row out, 2 matches, 1 late row in 2.00 s (617,283 rows/s)");
        let nothing = summary_line("q", &Progress::default(), Duration::ZERO);
        assert_eq!(nothing, "q: 0 rows in, 0 rows out in 0.0 ms (0 rows/s)");
    }

    #[test]
    fn the_progress_line_shows_the_watermark_as_a_time() {
        let line = progress_line("v-shape", &PROGRESS, Duration::from_secs(1));
        let watermark = "watermark 2024-01-01 10:10:00.050";
        assert_eq!(line, format!("v-shape: 1,234,567 rows in, 1,234,567 rows/s, 1 out, 2 matches, {watermark}"));
    }

    #[test]
    fn late_rows_and_skipped_records_are_warned_about() {
        assert_eq!(warnings(&Progress::default()), Vec::<String>::new());
        let progress = Progress { late_rows: 2, skipped_records: 1, ..Progress::default() };
        let texts = warnings(&progress);
        assert!(texts[0].starts_with("2 late rows were left out"), "{texts:?}");
        assert!(texts[1].starts_with("1 record could not be decoded and was skipped"), "{texts:?}");
    }
}
