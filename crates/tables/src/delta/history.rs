//! A table as it was: the log is read up to an older version.

use std::sync::Arc;

use arrow::temporal_conversions::timestamp_ms_to_datetime;
use dipper_types::{Error, Result};

use super::log::{Listing, Log};
use super::table::load_at;
use crate::format::AsOf;
use crate::snapshot::Snapshot;

/// The table as it was at a point up to `newest`.
pub(crate) async fn snapshot_at(log: &Log, newest: &Arc<Snapshot>, at: AsOf) -> Result<Arc<Snapshot>> {
    let is_newest = match at {
        AsOf::Version(version) => version == newest.version,
        AsOf::TimestampMs(time) => time >= newest.timestamp_ms,
    };
    if is_newest {
        return Ok(Arc::clone(newest));
    }
    let listing = log.list(0).await?;
    let oldest = listing.oldest().ok_or_else(|| log.corrupt("the log has no first commit and no checkpoint"))?;
    let version = match at {
        AsOf::Version(version) if (oldest..newest.version).contains(&version) => version,
        AsOf::Version(version) => {
            let error = Error::invalid(format!("there is no version {version}"));
            return Err(log.about(error).with_hint(format!("there are versions {oldest} to {}", newest.version)));
        }
        AsOf::TimestampMs(time) => {
            let first_ms = timestamp_ms(log, &listing, oldest).await?;
            if time < first_ms {
                let (time, first, last) = (text(time), text(first_ms), text(newest.timestamp_ms));
                let error = Error::invalid(format!("the table cannot be read as of {time}"));
                return Err(log.about(error).with_hint(format!("there are versions from {first} to {last}")));
            }
            last_until(log, &listing, oldest, newest.version, time).await?
        }
    };
    Ok(load_at(log, &listing, version).await?.view.snapshot)
}

/// The last version in `oldest..newest` that was committed no later than `time`; that of `oldest` was.
async fn last_until(log: &Log, listing: &Listing, mut oldest: u64, mut newest: u64, time: i64) -> Result<u64> {
    while newest - oldest > 1 {
        let middle = u64::midpoint(oldest, newest);
        if timestamp_ms(log, listing, middle).await? <= time {
            oldest = middle;
        } else {
            newest = middle;
        }
    }
    Ok(oldest)
}

/// When a version was committed: as it says itself, or else when it was written.
async fn timestamp_ms(log: &Log, listing: &Listing, version: u64) -> Result<i64> {
    if let Some(said) = log.timestamp_ms(version).await? {
        return Ok(said);
    }
    let mut written = listing.commits.iter().chain(&listing.checkpoints).filter(|(found, _)| *found == version);
    let written = written.next().map(|(_, written)| *written);
    written.ok_or_else(|| log.corrupt(format!("the log lacks version {version}")))
}

fn text(time_ms: i64) -> String {
    timestamp_ms_to_datetime(time_ms)
        .map_or_else(|| time_ms.to_string(), |time| format!("{} UTC", time.format("%F %T%.3f")))
}
