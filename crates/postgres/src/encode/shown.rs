//! How a column is described to a client.

use std::collections::HashMap;

use arrow::datatypes::{Field, Schema};
use dipper_pg_catalog::{PG_TYPE, pg_type_of};

/// What the names of such types end with.
const VECTOR: &str = "vector";

/// A column's name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) oid: u32,
    pub(crate) size: i16,
    pub(crate) modifier: i32,
}

/// The columns of a schema.
pub(crate) fn shown(schema: &Schema) -> Vec<Shown> {
    let column = |field: &Field| {
        let known = pg_type_of(field);
        Shown { name: field.name().clone(), oid: known.oid, size: known.size, modifier: known.modifier }
    };
    schema.fields().iter().map(|field| column(field)).collect()
}

/// The type of the items of a column of lists: an array is called as they are, with a stroke before.
pub(super) fn item_oid(list: &Field) -> u32 {
    let array = pg_type_of(list);
    let Some(name) = array.name.strip_prefix('_').or_else(|| array.name.strip_suffix(VECTOR)) else { return array.oid };
    let named = HashMap::from([(PG_TYPE.to_owned(), name.to_owned())]);
    pg_type_of(&list.clone().with_metadata(named)).oid
}

/// Whether a column holds vectors, as catalogs have them: they count from zero.
pub(super) fn is_vector(list: &Field) -> bool {
    pg_type_of(list).name.ends_with(VECTOR)
}
