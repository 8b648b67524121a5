//! Prepared statements and their parameters.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, NullArray, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use arrow_flight::FlightDescriptor;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::sql::{CommandPreparedStatementUpdate, DoPutUpdateResult, ProstMessageExt};
use futures::stream;
use prost::Message;

use super::*;
use crate::ticket::Statement;

fn parameters(columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_from_iter(columns.into_iter().enumerate().map(|(index, column)| (index.to_string(), column)))
        .unwrap()
}

/// Executes a query with parameters.
async fn asked(client: &mut Client, sql: &str, columns: Vec<ArrayRef>) -> Result<String, FlightError> {
    let mut prepared = client.prepare(sql.to_owned(), None).await?;
    prepared.set_parameters(parameters(columns))?;
    let info = prepared.execute().await?;
    let answer = rows(client, info).await.map(|batches| text(&batches));
    prepared.close().await?;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_are_known_before_anything_runs() {
    let served = Served::to_anybody().await;
    let mut client = served.client_with_a_table().await;
    let prepared =
        client.prepare("SELECT id, amount FROM totals WHERE id = ? AND shop = ?".to_owned(), None).await.unwrap();
    let types = |schema: &arrow::datatypes::Schema| {
        schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>()
    };
    assert_eq!(types(prepared.parameter_schema().unwrap()), [DataType::Int64, DataType::Utf8]);
    assert_eq!(types(prepared.dataset_schema().unwrap()), [DataType::Int64, DataType::Decimal128(10, 2)]);
    let update = client.prepare("INSERT INTO totals VALUES (?, 'x', ?)".to_owned(), None).await.unwrap();
    assert_eq!(update.dataset_schema().unwrap().fields().len(), 0);
    assert_eq!(query(&mut client, "SELECT count(*) FROM totals").await.unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_bound_to_marks_and_numbers() {
    let served = Served::to_anybody().await;
    let mut client = served.client_with_a_table().await;
    let number = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    let word = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
    let sql = "SELECT id, '?' FROM totals WHERE shop = ? AND id < ? -- ?";
    assert_eq!(asked(&mut client, sql, vec![word("north"), number(2)]).await.unwrap(), "1,?");
    let sql = "SELECT id FROM totals WHERE id > $2 OR shop = $1 ORDER BY id";
    assert_eq!(asked(&mut client, sql, vec![word("it's"), number(0)]).await.unwrap(), "1\n2");
    let null = Arc::new(NullArray::new(1)) as ArrayRef;
    assert_eq!(asked(&mut client, "SELECT id FROM totals WHERE id = ?", vec![null]).await.unwrap(), "");
    // Of any type: it takes that of the value.
    assert_eq!(asked(&mut client, "SELECT ? AS x", vec![number(5)]).await.unwrap(), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_bound_anew_has_its_own_type() {
    let served = Served::to_anybody().await;
    let mut client = served.client().await;
    let mut prepared = client.prepare("SELECT ? AS x".to_owned(), None).await.unwrap();
    let moment = TimestampMicrosecondArray::from(vec![-2_208_988_800_000_000]);
    for (value, shown) in [
        (Arc::new(Int64Array::from(vec![1])) as ArrayRef, "1"),
        (Arc::new(moment), "1900-01-01T00:00:00"),
        (Arc::new(StringArray::from(vec!["text"])), "text"),
        (Arc::new(Int64Array::from(vec![2])), "2"),
    ] {
        prepared.set_parameters(parameters(vec![value])).unwrap();
        let info = prepared.execute().await.unwrap();
        assert_eq!(rows(&mut client, info).await.map(|batches| text(&batches)).unwrap(), shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_do_not_fit_are_refused() {
    let served = Served::to_anybody().await;
    let mut client = served.client_with_a_table().await;
    let one = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let sql = "SELECT id FROM totals WHERE id = ?";
    let word = Arc::new(StringArray::from(vec!["one"])) as ArrayRef;
    let (code, message) = refusal(asked(&mut client, sql, vec![word]).await);
    assert_eq!((code, message.as_str()), (Code::InvalidArgument, "parameter $1: the STRING 'one' is no BIGINT"));
    assert_eq!(refusal(asked(&mut client, sql, vec![one(), one()]).await).0, Code::InvalidArgument);
    let two = Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
    assert!(refusal(asked(&mut client, sql, vec![two]).await).1.contains("one row of parameters"));
    let mut prepared = client.prepare(sql.to_owned(), None).await.unwrap();
    assert!(refusal(prepared.execute().await).1.contains("1 parameters, but 0 values"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_supported_says_so_to_drivers_that_would_go_on() {
    let served = Served::to_anybody().await;
    let mut client = served.client_with_a_table().await;
    let mut prepared = async |sql: &str| refusal(client.prepare(sql.to_owned(), None).await).0;
    assert_eq!(prepared("DELETE FROM totals").await, Code::Unimplemented);
    assert_eq!(prepared("DELETE FROM totals WHERE id = ?").await, Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_values_are_executions_of_an_update() {
    let served = Served::to_anybody().await;
    let mut client = served.client_with_a_table().await;
    let amounts =
        || Arc::new(Decimal128Array::from(vec![Some(100), None]).with_precision_and_scale(10, 2).unwrap()) as ArrayRef;
    let numbers = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    // Bound beforehand, as the Rust client does.
    let mut prepared = client.prepare("INSERT INTO totals VALUES (?, 'x', ?)".to_owned(), None).await.unwrap();
    prepared.set_parameters(parameters(vec![numbers(vec![3, 4]), amounts()])).unwrap();
    assert_eq!(prepared.execute_update().await.unwrap(), 2);
    // With the update itself, as ADBC does.
    let handle = Statement::new("INSERT INTO totals VALUES ($1, 'x', $2)".to_owned()).encoded();
    let command = CommandPreparedStatementUpdate { prepared_statement_handle: handle }.as_any().encode_to_vec();
    let messages = FlightDataEncoderBuilder::new()
        .with_flight_descriptor(Some(FlightDescriptor::new_cmd(command)))
        .build(stream::iter([Ok(parameters(vec![numbers(vec![5, 6]), amounts()]))]));
    let messages: Vec<_> = messages.try_collect().await.unwrap();
    let said = client.do_put(stream::iter(messages)).await.unwrap().message().await.unwrap().unwrap();
    assert_eq!(DoPutUpdateResult::decode(&*said.app_metadata).unwrap().record_count, 2);
    assert_eq!(
        query(&mut client, "SELECT id, amount FROM totals WHERE shop = 'x' ORDER BY id").await.unwrap(),
        "3,1.00\n4,\n5,1.00\n6,"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_parameters_are_refused() {
    let served = Served::to_anybody().await;
    let mut client = served.client_with_a_table().await;
    let handle = Statement::new("INSERT INTO totals VALUES ($1, 'x', 1)".to_owned()).encoded();
    let command = CommandPreparedStatementUpdate { prepared_statement_handle: handle }.as_any().encode_to_vec();
    let messages = FlightDataEncoderBuilder::new()
        .with_flight_descriptor(Some(FlightDescriptor::new_cmd(command)))
        .build(stream::iter([Ok(parameters(vec![Arc::new(Int64Array::from(vec![7])) as ArrayRef]))]));
    let mut messages: Vec<_> = messages.try_collect().await.unwrap();
    // The data are not there that the message speaks of.
    messages[1].data_body = bytes::Bytes::new();
    let refused = async {
        let mut said = client.do_put(stream::iter(messages)).await?;
        said.message().await.map_err(FlightError::from)
    };
    assert_eq!(refusal(refused.await).0, Code::InvalidArgument);
    assert_eq!(query(&mut client, "SELECT count(*) FROM totals").await.unwrap(), "2");
}
