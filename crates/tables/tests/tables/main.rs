//! Tables as their users see them: against a model, under concurrent writers, through crashes, and read by other engines.
#![allow(clippy::unwrap_used, reason = "a test")]

mod concurrent;
mod crashes;
mod foreign;
mod lifecycle;
mod model;
mod support;
