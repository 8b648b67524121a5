//! Seeded event data as CSV, for `sql-examples/`, tests and benchmarks.
//!
//! The same arguments give the same bytes on every machine: nothing here reads a clock or computes with floats.

mod kind;
mod scenario;
#[cfg(test)]
mod tests;
mod timeline;
mod timestamp;
mod zipf;

pub use kind::Kind;
pub use scenario::Size;
pub use timeline::write_events;

/// How far events stand behind later ones: less than two seconds, because under a watermark of two seconds a row that is
/// exactly two seconds behind the latest is late.
pub const DISORDER_MS: i64 = 1_999;
