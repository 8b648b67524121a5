//! Scalar programs: expressions evaluated on one row at a time, without an allocation.
//!
//! DataFusion evaluates expressions on columns; for one row that costs a microsecond, most of it for making and dropping columns. A
//! [`Program`] is compiled from the same physical expression and computes the same value in some nanoseconds, for the types and operations
//! that conditions are made of. It never guesses: where it does not know DataFusion's answer for certain — an overflow, a division
//! by zero, a number beyond 64 bits — it is [`Undecided`], and the caller asks DataFusion, which computes the value or raises its own
//! error. What cannot be compiled is left to DataFusion altogether. See `docs/adr/0007-scalar-programs.md`.

mod compile;
mod program;
#[cfg(test)]
pub(super) mod tests;
mod value;

pub(super) use program::{Inputs, Program};
pub(super) use value::{Copied, CopiedColumn, Copies, Undecided, Value, is_copied, read, read_all, to_array};
