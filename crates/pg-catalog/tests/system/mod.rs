//! The tables the queries are asked about, and how they are asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::util::pretty::pretty_format_batches;
use datafusion::common::ScalarValue;
use dipper_pg_catalog::{Backend, Column, Relation, SystemCatalog};

pub(crate) fn column(name: &str, data_type: DataType, is_key: bool, comment: Option<&str>) -> Column {
    Column { name: name.to_owned(), data_type, is_nullable: !is_key, is_key, comment: comment.map(str::to_owned) }
}

pub(crate) fn table(name: &str, columns: Vec<Column>) -> Relation {
    let (schema, name) = ("public".to_owned(), name.to_owned());
    Relation { schema, name, is_view: false, columns, comment: None, definition: None, rows: Some(1000) }
}

/// The tables that were there when the queries were recorded.
pub(crate) fn catalog() -> SystemCatalog {
    let tags = DataType::List(Field::new_list_field(DataType::Utf8, true).into());
    let mut orders = table(
        "orders",
        vec![
            column("id", DataType::Int64, true, None),
            column("customer", DataType::Utf8, false, None),
            column("amount", DataType::Decimal128(12, 2), false, Some("in euros")),
            column("at", DataType::Timestamp(TimeUnit::Millisecond, None), false, None),
            column("tags", tags, false, None),
        ],
    );
    orders.comment = Some("what was ordered".to_owned());
    let lines = vec![column("order", DataType::Int64, true, None), column("line", DataType::Int32, true, None)];
    let clicks = vec![column("url", DataType::Utf8, false, None)];
    let amounts =
        vec![column("id", DataType::Int64, false, None), column("amount", DataType::Decimal128(12, 2), false, None)];
    let mut view = table("amounts", amounts);
    view.is_view = true;
    view.definition = Some("SELECT id, amount FROM orders".to_owned());
    let backend = Backend {
        database: "dipper".to_owned(),
        user: "ada".to_owned(),
        users: vec!["ada".to_owned(), "bob".to_owned()],
        process_id: 4711,
        settings: BTreeMap::from([("search_path".to_owned(), "\"$user\", public".to_owned())]),
    };
    SystemCatalog::new(vec![orders, table("Sales Lines", lines), table("clicks", clicks), view], backend).unwrap()
}

/// Runs a query, and prints its rows.
pub(crate) async fn rows(catalog: &SystemCatalog, sql: &str, parameters: &[String]) -> Result<String, String> {
    let told = |error: dipper_types::Error| format!("{:?}: {error}", error.kind());
    let query = catalog.prepare(sql, &[]).await.map_err(told)?;
    let values = query.parameter_types().iter().enumerate().map(|(index, data_type)| {
        let text = parameters.get(index).cloned();
        match data_type {
            DataType::List(item) => {
                let items = text.unwrap_or_default();
                let items: Vec<_> = items.trim_matches(['{', '}']).split(',').map(ScalarValue::from).collect();
                ScalarValue::List(ScalarValue::new_list(&items, &DataType::Utf8, true))
                    .cast_to(&DataType::List(Arc::clone(item)))
                    .unwrap()
            }
            data_type => ScalarValue::Utf8(text).cast_to(data_type).unwrap(),
        }
    });
    let (schema, batches) = catalog.run(&query, &values.collect::<Vec<_>>()).await.map_err(told)?;
    assert!(batches.iter().all(|batch| batch.schema() == schema && schema == *query.schema()));
    let batches = if batches.is_empty() { vec![arrow::array::RecordBatch::new_empty(schema)] } else { batches };
    Ok(pretty_format_batches(&batches).unwrap().to_string())
}
