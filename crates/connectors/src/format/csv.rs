//! CSV with Flink's options, read and written by `arrow-csv`.
//!
//! `decoder` feeds arrow-csv and keeps the bytes of the batch under way. Only when arrow-csv fails on a batch are those
//! bytes taken apart again, by `bad_batch` with the records that `records` finds in them: it knows which record is bad,
//! on which line and why. `columns` says which types arrow-csv reads and which are cast from text, and `header` where
//! the table's columns stand in the file.
//!
//! What follows from arrow-csv and may surprise:
//! - Quotes are forgotten once read: a quoted empty field is NULL as an empty one is, and so is a quoted null literal.
//!   With a null literal, empty text is text. Written text that looks like NULL is therefore NULL when read back.
//! - Text behind a closing quote belongs to the field, and an escape character counts only within quotes.
//! - `\r`, `\n` and `\r\n` end a record; lines are counted by `\n`.

mod bad_batch;
mod columns;
mod decoder;
mod encoder;
mod header;
mod options;
mod records;

pub(crate) use columns::check_columns;
pub(crate) use decoder::CsvDecoder;
pub(crate) use encoder::CsvEncoder;
pub(crate) use options::CsvOptions;

#[cfg(test)]
mod tests;
