//! The kinds of row in a changelog.

/// The column that carries the [`RowKind`] of each row, as Int8, in a batch of a changelog.
pub const ROW_KIND_COLUMN: &str = "__row_kind";

/// What a row of a changelog does to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum RowKind {
    /// `+I`: adds a row.
    Insert = 0,
    /// `-U`: takes back the old image of an updated row.
    UpdateBefore = 1,
    /// `+U`: the new image of an updated row.
    UpdateAfter = 2,
    /// `-D`: removes a row.
    Delete = 3,
}

impl RowKind {
    /// Flink's two-letter name.
    pub fn short(self) -> &'static str {
        match self {
            Self::Insert => "+I",
            Self::UpdateBefore => "-U",
            Self::UpdateAfter => "+U",
            Self::Delete => "-D",
        }
    }
}
