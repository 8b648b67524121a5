//! What is the same in every Postgres: types, functions, operators, access methods. The rows are those `datafusion-pg-catalog` ships.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion_pg_catalog::pg_catalog::oid_field::OID_ALIAS_KEY;
use datafusion_pg_catalog::pg_catalog::{ArrowTable, PgCatalogStaticTables};

use crate::kind::PG_TYPE;

/// What is shipped, read once.
static SHIPPED: LazyLock<Option<PgCatalogStaticTables>> = LazyLock::new(|| PgCatalogStaticTables::try_new().ok());

/// What is called otherwise in PostgreSQL 15 than in the version the rows are of.
const RENAMED: &[(&str, &str)] = &[("colllocale", "colliculocale")];

/// The tables and their rows.
pub(super) fn tables() -> Vec<(&'static str, RecordBatch)> {
    let Some(shipped) = SHIPPED.as_ref() else {
        return Vec::new();
    };
    let filled = [
        ("pg_aggregate", &shipped.pg_aggregate),
        ("pg_am", &shipped.pg_am),
        ("pg_amop", &shipped.pg_amop),
        ("pg_amproc", &shipped.pg_amproc),
        ("pg_cast", &shipped.pg_cast),
        ("pg_collation", &shipped.pg_collation),
        ("pg_conversion", &shipped.pg_conversion),
        ("pg_language", &shipped.pg_language),
        ("pg_opclass", &shipped.pg_opclass),
        ("pg_operator", &shipped.pg_operator),
        ("pg_opfamily", &shipped.pg_opfamily),
        ("pg_proc", &shipped.pg_proc),
        ("pg_range", &shipped.pg_range),
        ("pg_tablespace", &shipped.pg_tablespace),
        ("pg_ts_config", &shipped.pg_ts_config),
        ("pg_ts_dict", &shipped.pg_ts_dict),
        ("pg_ts_parser", &shipped.pg_ts_parser),
        ("pg_ts_template", &shipped.pg_ts_template),
        ("pg_type", &shipped.pg_type),
    ];
    filled.into_iter().filter_map(|(name, table)| Some((name, batch(table)?))).collect()
}

/// The words of the SQL of Postgres, which `pg_get_keywords()` lists.
pub(crate) fn keywords() -> Option<RecordBatch> {
    batch(&SHIPPED.as_ref()?.pg_get_keywords)
}

/// The rows of a table, its columns marked as those that are made here.
fn batch(table: &ArrowTable) -> Option<RecordBatch> {
    let batch = concat_batches(&table.schema(), table.data()).ok()?;
    let fields: Vec<_> = batch.schema().fields().iter().map(|field| marked(field)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec()).ok()
}

fn marked(field: &Field) -> Field {
    let is_oid = field.name() == "oid" || field.metadata().get(OID_ALIAS_KEY).is_some_and(|alias| alias == "oid");
    let metadata = if is_oid && *field.data_type() == DataType::Int32 {
        HashMap::from([(PG_TYPE.to_owned(), "oid".to_owned())])
    } else {
        HashMap::new()
    };
    let name = RENAMED.iter().find(|(name, _)| name == field.name()).map_or(field.name().as_str(), |(_, name)| name);
    Field::new(name, field.data_type().clone(), true).with_metadata(metadata)
}
