//! The pattern library measured by criterion: see `benches`.
