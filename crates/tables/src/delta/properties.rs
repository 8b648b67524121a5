//! A table's properties, which its metadata holds as text.

use std::collections::BTreeMap;

use dipper_types::{Error, ErrorKind, Result};

use crate::spec::{TableOptions, TableSpec};

const FILE_RETENTION: &str = "delta.deletedFileRetentionDuration";
const LOG_RETENTION: &str = "delta.logRetentionDuration";
const CHECKPOINT_INTERVAL: &str = "delta.checkpointInterval";
pub(crate) const DELETION_VECTORS: &str = "delta.enableDeletionVectors";
/// Ours. Other engines pass over what does not begin with `delta.`.
const PRIMARY_KEY: &str = "dipper.primary-key";
const TARGET_FILE_BYTES: &str = "dipper.target-file-bytes";
const LEFTOVER_RETENTION: &str = "dipper.leftover-retention";

/// The properties of a new table.
pub(crate) fn encode(spec: &TableSpec) -> BTreeMap<String, String> {
    let options = &spec.options;
    let mut properties = BTreeMap::from([
        (FILE_RETENTION.to_owned(), interval(options.file_retention_ms)),
        (LOG_RETENTION.to_owned(), interval(options.log_retention_ms)),
        (CHECKPOINT_INTERVAL.to_owned(), options.checkpoint_interval.to_string()),
        (TARGET_FILE_BYTES.to_owned(), options.target_file_bytes.to_string()),
        (LEFTOVER_RETENTION.to_owned(), interval(options.leftover_retention_ms)),
    ]);
    if !spec.primary_key.is_empty() {
        // No name has a comma.
        properties.insert(PRIMARY_KEY.to_owned(), spec.primary_key.join(","));
        properties.insert(DELETION_VECTORS.to_owned(), "true".to_owned());
    }
    properties
}

/// How the table is kept. What another engine has not set is Delta's default for retentions, which other readers count on, and ours for the
/// rest.
pub(crate) fn options(properties: &BTreeMap<String, String>) -> Result<TableOptions> {
    let default = TableOptions::default();
    let duration = |name: &str, default| properties.get(name).map_or(Ok(default), |text| parse_interval(name, text));
    let number = |name: &str, default| {
        let parse = |text: &String| text.parse().map_err(|_| unreadable(name, text));
        properties.get(name).map_or(Ok(default), parse)
    };
    Ok(TableOptions {
        target_file_bytes: number(TARGET_FILE_BYTES, default.target_file_bytes)?,
        checkpoint_interval: number(CHECKPOINT_INTERVAL, default.checkpoint_interval)?.max(1),
        file_retention_ms: duration(FILE_RETENTION, 7 * DAY)?,
        log_retention_ms: duration(LOG_RETENTION, 30 * DAY)?,
        leftover_retention_ms: duration(LEFTOVER_RETENTION, default.leftover_retention_ms)?,
    })
}

/// The columns of the primary key.
pub(crate) fn primary_key(properties: &BTreeMap<String, String>) -> Vec<String> {
    let key = properties.get(PRIMARY_KEY).filter(|key| !key.is_empty());
    key.map(|key| key.split(',').map(str::to_owned).collect()).unwrap_or_default()
}

const DAY: i64 = 86_400_000;

/// Units of an interval, in milliseconds, largest first.
const UNITS: [(&str, i64); 6] = [
    ("weeks", 7 * DAY),
    ("days", DAY),
    ("hours", 3_600_000),
    ("minutes", 60_000),
    ("seconds", 1000),
    ("milliseconds", 1),
];

fn interval(ms: i64) -> String {
    let unit = UNITS.iter().skip(1).find(|(_, unit)| ms != 0 && ms % unit == 0);
    let (name, unit) = unit.copied().unwrap_or(("seconds", 1000));
    format!("interval {} {name}", ms / unit)
}

fn parse_interval(name: &str, text: &str) -> Result<i64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let words =
        if words.first().is_some_and(|word| word.eq_ignore_ascii_case("interval")) { &words[1..] } else { &words[..] };
    let parse = || {
        let mut ms = 0_i64;
        for pair in words.chunks(2) {
            let [number, unit] = pair else { return None };
            let unit = unit.to_lowercase();
            let (_, unit) = UNITS.iter().find(|(known, _)| *known == unit || known.trim_end_matches('s') == unit)?;
            ms = ms.checked_add(number.parse::<i64>().ok()?.checked_mul(*unit)?)?;
        }
        (!words.is_empty()).then_some(ms)
    };
    parse().ok_or_else(|| unreadable(name, text))
}

fn unreadable(name: &str, text: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("its property '{name}' is '{text}', which cannot be read"))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn options_come_back_as_they_were() {
        let schema = Schema::new(vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Int32, true)]);
        for file_retention_ms in [0, 1, 1500, 60_000, 3_600_000, 5 * DAY, 14 * DAY] {
            let set = TableOptions { file_retention_ms, checkpoint_interval: 7, ..TableOptions::default() };
            let spec = TableSpec::new(&schema).unwrap().with_options(set.clone());
            let properties = encode(&spec.with_primary_key(&["b", "a"]).unwrap());
            assert_eq!(options(&properties).unwrap(), set);
            assert_eq!(primary_key(&properties), ["b", "a"]);
        }
    }

    #[test]
    fn intervals_of_others_are_understood_or_refused_by_name() {
        let options = |text: &str| options(&[(LOG_RETENTION.to_owned(), text.to_owned())].into());
        assert_eq!(options("interval 1 week").unwrap().log_retention_ms, 7 * DAY);
        assert_eq!(options("INTERVAL 1 day 2 hours").unwrap().log_retention_ms, DAY + 7_200_000);
        let error = options("interval 1 month").unwrap_err();
        assert_eq!(
            error.to_string(),
            "its property 'delta.logRetentionDuration' is 'interval 1 month', which cannot be read"
        );
    }
}
