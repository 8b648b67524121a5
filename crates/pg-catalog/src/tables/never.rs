//! Relations of which there is nothing here, so they never have rows: clients look into them all the same. Their columns are those of
//! PostgreSQL 15, each line of the list a relation.

use std::sync::Arc;

use arrow::datatypes::Schema;

use super::{Contents, Definition};
use crate::kind::Kind;

/// All of them.
pub(super) fn tables() -> impl Iterator<Item = Definition> {
    include_str!("never.txt").lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (schema, name) = words.next()?.split_once('.')?;
        let fields = words.map(|word| {
            let (name, kind) = word.split_once(':')?;
            Some(Kind::of_name(kind)?.field(name))
        });
        let columns = Arc::new(Schema::new(fields.collect::<Option<Vec<_>>>()?));
        Some(Definition { oid: 0, schema, name: name.to_owned(), columns, contents: Contents::Never })
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_line_is_a_relation() {
        assert_eq!(super::tables().count(), include_str!("never.txt").lines().count());
    }
}
