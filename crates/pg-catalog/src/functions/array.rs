//! Arrays: their bounds, and what the rewriting makes rows of.

use dipper_types::{Error, Result};

use super::{Function, lenient, strict};
use crate::cell::Cell;
use crate::kind::Kind::{Int2Vector, Int4, Int4s, Int8, OidVector, Pairs, Text};
use crate::snapshot::Snapshot;

/// So many rows a series has at most: nobody needs more to look at the system.
const SERIES_MAX: i64 = 100_000;

/// As many elements an array has at most that is read beside its row: columns of a key, arguments of a function.
pub(crate) const POSITIONS_MAX: i64 = 256;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("array_upper", 2..=2, Int4, length),
    strict("array_length", 1..=2, Int4, length),
    strict("array_lower", 2..=2, Int4, |_, arguments| {
        Ok(if items(arguments).is_empty() { Cell::Null } else { 1.into() })
    }),
    strict("cardinality", 1..=1, Int4, |_, arguments| Ok((items(arguments).len() as i32).into())),
    // The positions of an array, from the second argument on.
    strict("array_subscripts", 2..=2, Int4s, |_, arguments| {
        let first = arguments[1].integer().unwrap_or(1) as i32;
        Ok((first..first + items(arguments).len() as i32).collect::<Vec<_>>().into())
    }),
    strict("series", 2..=3, Int4s, series),
    strict("positions", 1..=1, Int8, positions),
    strict("_pg_expandarray", 1..=1, Pairs, |_, arguments| Ok(arguments[0].clone())),
    strict("int2_vector", 1..=1, Int2Vector, vector),
    strict("oid_vector", 1..=1, OidVector, vector),
    lenient("array_to_string", 2..=3, Text, array_to_string),
];

/// A vector as it is shown.
fn vector(_: &Snapshot, arguments: &[Cell]) -> Result<Cell> {
    let shown = |items: &[Cell]| items.iter().filter_map(Cell::print).collect::<Vec<_>>().join(" ");
    // A column of another relation that is called as a vector is none.
    Ok(arguments[0].list().map(shown).or_else(|| arguments[0].print()).into())
}

fn items(arguments: &[Cell]) -> &[Cell] {
    arguments[0].list().unwrap_or_default()
}

/// The length in the first dimension; none of an empty array, and in any other dimension.
fn length(_: &Snapshot, arguments: &[Cell]) -> Result<Cell> {
    let is_first = arguments.get(1).and_then(Cell::integer).is_none_or(|dimension| dimension == 1);
    let count = items(arguments).len() as i32;
    Ok(if count == 0 || !is_first { Cell::Null } else { count.into() })
}

fn series(_: &Snapshot, arguments: &[Cell]) -> Result<Cell> {
    let bound = |index: usize| arguments.get(index).and_then(Cell::integer);
    let (first, last, step) = (bound(0).unwrap_or_default(), bound(1).unwrap_or_default(), bound(2).unwrap_or(1));
    if step == 0 {
        return Err(Error::invalid("step size cannot equal zero"));
    }
    let count = (i128::from(last) - i128::from(first)) / i128::from(step) + 1;
    let is_empty = (step > 0 && last < first) || (step < 0 && last > first);
    if is_empty {
        return Ok(Vec::<i64>::new().into());
    }
    if count > i128::from(SERIES_MAX) {
        return Err(Error::unsupported(format!("a series of {count} rows is too long here, the most is {SERIES_MAX}")));
    }
    Ok((0..count as i64).map(|place| first + place * step).collect::<Vec<_>>().into())
}

/// A count of positions, which must not be more than are read.
fn positions(_: &Snapshot, arguments: &[Cell]) -> Result<Cell> {
    match arguments[0].integer() {
        Some(count) if count > POSITIONS_MAX => {
            let message = format!("{count} rows beside another are too many here, the most is {POSITIONS_MAX}");
            Err(Error::unsupported(message))
        }
        count => Ok(count.into()),
    }
}

fn array_to_string(_: &Snapshot, arguments: &[Cell]) -> Result<Cell> {
    let (Some(items), Some(delimiter)) = (arguments[0].list(), arguments[1].text()) else {
        return Ok(Cell::Null);
    };
    let null = arguments.get(2).and_then(Cell::text);
    let texts: Vec<_> = items.iter().filter_map(|item| item.print().or_else(|| null.map(str::to_owned))).collect();
    Ok(texts.join(delimiter).into())
}
