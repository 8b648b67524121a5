//! The system relations: what they are called, their columns, and how their rows are made from a snapshot.

mod class;
mod database;
mod information;
mod information_keys;
mod information_more;
mod key;
mod never;
mod role;
mod settings;
mod shipped;
mod view;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use dipper_types::Result;

use crate::cell::Cell;
use crate::kind::Kind;
use crate::oid::{Oids, Sort};
use crate::snapshot::Snapshot;
pub(crate) use shipped::keywords;

/// A row, a cell for each column.
type Row = Vec<Cell>;

/// A row of values of any types that make cells.
macro_rules! row {
    ($($value:expr),* $(,)?) => {
        vec![$(crate::cell::Cell::from($value)),*]
    };
}
use row;

/// A relation that is made here.
struct Made {
    schema: &'static str,
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
    rows: fn(&Snapshot) -> Vec<Row>,
}

/// A relation of `pg_catalog` with rows.
const fn catalog(
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
    rows: fn(&Snapshot) -> Vec<Row>,
) -> Made {
    Made { schema: "pg_catalog", name, columns, rows }
}

/// A relation of `information_schema` with rows.
const fn information(
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
    rows: fn(&Snapshot) -> Vec<Row>,
) -> Made {
    Made { schema: "information_schema", name, columns, rows }
}

/// A system relation.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) oid: u32,
    pub(crate) schema: &'static str,
    pub(crate) name: String,
    pub(crate) columns: SchemaRef,
    contents: Contents,
}

#[derive(Debug)]
enum Contents {
    /// Made from the snapshot, of columns of these kinds.
    Made(Vec<Kind>, fn(&Snapshot) -> Vec<Row>),
    /// The same for everybody.
    Shipped(RecordBatch),
    Never,
}

impl Definition {
    /// Whether it is a view in Postgres.
    pub(crate) fn is_view(&self) -> bool {
        self.schema == "information_schema"
            || VIEWS.contains(&self.name.as_str())
            || (self.name.starts_with("pg_stat") && !self.name.starts_with("pg_statistic"))
    }

    /// Whether it has no rows, whatever the snapshot.
    pub(crate) fn is_never_filled(&self) -> bool {
        match &self.contents {
            Contents::Made(..) => false,
            Contents::Shipped(batch) => batch.num_rows() == 0,
            Contents::Never => true,
        }
    }

    /// Its rows, where they are the same for everybody.
    pub(crate) fn shipped(&self) -> Option<&RecordBatch> {
        match &self.contents {
            Contents::Shipped(batch) => Some(batch),
            Contents::Made(..) | Contents::Never => None,
        }
    }

    /// Its rows.
    pub(crate) fn rows(&self, snapshot: &Snapshot) -> Result<RecordBatch> {
        match &self.contents {
            Contents::Made(kinds, rows) => {
                let rows = rows(snapshot);
                let column = |(index, kind): (usize, &Kind)| {
                    kind.array(rows.iter().map(|row| row.get(index).unwrap_or(&Cell::Null)))
                };
                let columns = kinds.iter().enumerate().map(column).collect();
                let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
                Ok(RecordBatch::try_new_with_options(Arc::clone(&self.columns), columns, &options)?)
            }
            Contents::Shipped(batch) => Ok(batch.clone()),
            Contents::Never => Ok(RecordBatch::new_empty(Arc::clone(&self.columns))),
        }
    }
}

/// All system relations, in order of schema and name.
pub(crate) fn system() -> &'static [Definition] {
    static SYSTEM: LazyLock<Vec<Definition>> = LazyLock::new(define);
    &SYSTEM
}

/// The system relation of a name; without a schema, of `pg_catalog`.
pub(crate) fn find(schema: Option<&str>, name: &str) -> Option<&'static Definition> {
    static BY_NAME: LazyLock<HashMap<(&str, &str), &Definition>> = LazyLock::new(|| {
        system().iter().map(|definition| ((definition.schema, definition.name.as_str()), definition)).collect()
    });
    BY_NAME.get(&(schema.unwrap_or("pg_catalog"), name)).copied()
}

fn define() -> Vec<Definition> {
    let made = [
        class::TABLES,
        database::TABLES,
        information::TABLES,
        information_keys::TABLES,
        information_more::TABLES,
        key::TABLES,
        role::TABLES,
        settings::TABLES,
        view::TABLES,
    ];
    let mut all: Vec<_> = made
        .into_iter()
        .flatten()
        .map(|made| {
            let columns = made.columns.iter().map(|(name, kind)| kind.field(name)).collect::<Vec<_>>();
            let kinds = made.columns.iter().map(|(_, kind)| *kind).collect();
            let contents = Contents::Made(kinds, made.rows);
            Definition {
                oid: 0,
                schema: made.schema,
                name: made.name.to_owned(),
                columns: Arc::new(Schema::new(columns)),
                contents,
            }
        })
        .collect();
    for (name, batch) in shipped::tables() {
        let (columns, contents) = (batch.schema(), Contents::Shipped(batch));
        all.push(Definition { oid: 0, schema: "pg_catalog", name: name.to_owned(), columns, contents });
    }
    all.extend(never::tables());
    all.sort_by(|a, b| (a.schema, &a.name).cmp(&(b.schema, &b.name)));
    let oids = Oids::of_system(all.iter().map(|made| (Sort::Relation, made.schema.to_owned(), made.name.clone())));
    for definition in &mut all {
        let classic = CLASSIC.iter().find(|(name, _)| definition.schema == "pg_catalog" && *name == definition.name);
        definition.oid =
            classic.map_or_else(|| oids.get(Sort::Relation, definition.schema, &definition.name), |(_, oid)| *oid);
    }
    all
}

/// What clients know by heart.
const CLASSIC: &[(&str, u32)] = &[
    ("pg_aggregate", 2600),
    ("pg_am", 2601),
    ("pg_attrdef", 2604),
    ("pg_attribute", 1249),
    ("pg_auth_members", 1261),
    ("pg_authid", 1260),
    ("pg_cast", 2605),
    ("pg_class", 1259),
    ("pg_collation", 3456),
    ("pg_constraint", 2606),
    ("pg_conversion", 2607),
    ("pg_database", 1262),
    ("pg_depend", 2608),
    ("pg_description", 2609),
    ("pg_enum", 3501),
    ("pg_event_trigger", 3466),
    ("pg_extension", 3079),
    ("pg_foreign_data_wrapper", 2328),
    ("pg_foreign_server", 1417),
    ("pg_foreign_table", 3118),
    ("pg_index", 2610),
    ("pg_inherits", 2611),
    ("pg_language", 2612),
    ("pg_namespace", 2615),
    ("pg_opclass", 2616),
    ("pg_operator", 2617),
    ("pg_opfamily", 2753),
    ("pg_policy", 3256),
    ("pg_proc", 1255),
    ("pg_range", 3541),
    ("pg_rewrite", 2618),
    ("pg_sequence", 2224),
    ("pg_shdescription", 2396),
    ("pg_statistic", 2619),
    ("pg_statistic_ext", 3381),
    ("pg_tablespace", 1213),
    ("pg_trigger", 2620),
    ("pg_type", 1247),
];

/// The views among what is not called `pg_stat…`; `pg_statistic…` are tables.
const VIEWS: &[&str] = &[
    "pg_available_extension_versions",
    "pg_available_extensions",
    "pg_backend_memory_contexts",
    "pg_config",
    "pg_cursors",
    "pg_file_settings",
    "pg_group",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_indexes",
    "pg_locks",
    "pg_matviews",
    "pg_policies",
    "pg_prepared_statements",
    "pg_prepared_xacts",
    "pg_publication_tables",
    "pg_replication_origin_status",
    "pg_replication_slots",
    "pg_roles",
    "pg_rules",
    "pg_seclabels",
    "pg_sequences",
    "pg_settings",
    "pg_shadow",
    "pg_shmem_allocations",
    "pg_tables",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
    "pg_user",
    "pg_user_mappings",
    "pg_views",
];

/// A field as it is listed in `pg_attribute`: its type is what Postgres calls it.
fn fields(definition: &Definition) -> impl Iterator<Item = (i16, &Field)> {
    (1..).zip(definition.columns.fields().iter().map(|field| field.as_ref()))
}

/// Whether values of a type are ordered by a collation.
fn is_collated(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_collated(values),
        other => matches!(other, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relation::{Backend, Relation};

    #[test]
    fn every_relation_makes_rows_of_its_columns() {
        let snapshot = Snapshot::new(
            crate::catalog::tests::relations(),
            Backend { database: "dipper".to_owned(), ..Backend::default() },
        );
        for definition in system() {
            let batch = definition.rows(&snapshot).unwrap();
            assert_eq!(batch.schema(), definition.columns, "{}", definition.name);
            if let Contents::Made(kinds, rows) = &definition.contents {
                assert!(
                    rows(&snapshot).iter().all(|row| row.len() == kinds.len()),
                    "{}.{}",
                    definition.schema,
                    definition.name
                );
            }
        }
    }

    #[test]
    fn no_two_system_relations_have_the_same_identifier() {
        let mut oids: Vec<_> = system().iter().map(|definition| definition.oid).collect();
        oids.sort_unstable();
        let count = oids.len();
        oids.dedup();
        assert_eq!(oids.len(), count);
    }

    #[test]
    fn a_relation_is_found_by_its_identifier_and_its_name() {
        let relations: Vec<Relation> = crate::catalog::tests::relations();
        let snapshot = Snapshot::new(relations, Backend::default());
        let oid = snapshot.class_oid(None, "orders").unwrap();
        assert_eq!(snapshot.class(oid).unwrap().name(), "orders");
        assert_eq!(snapshot.class_oid(Some("pg_catalog"), "pg_class"), Some(1259));
        assert_eq!(snapshot.class_oid(None, "no_such"), None);
    }
}
