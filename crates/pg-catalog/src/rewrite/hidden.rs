//! The columns that every relation has in Postgres without showing them: `tableoid`, of which relation a row is, and `xmin`, which transaction
//! wrote it.

use sqlparser::ast::{Select, TableFactor};

use super::empty::definition;
use super::substitute::Columns;
use super::{last, number, quoted};

pub(super) fn rewrite(select: &mut Select) {
    let mut columns = Columns::default();
    let factors = select
        .from
        .iter()
        .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
    for factor in factors {
        if let TableFactor::Table { name, alias, args: None, .. } = factor
            && let Some(definition) = definition(name)
        {
            let called =
                alias.as_ref().map_or_else(|| quoted(last(name).unwrap_or_default()), |alias| alias.name.clone());
            columns.add(called.clone(), quoted("tableoid"), number(definition.oid.into()));
            columns.add(called, quoted("xmin"), number(1));
        }
    }
    if !columns.is_empty() {
        columns.put_into(select);
    }
}
