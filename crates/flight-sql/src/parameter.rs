//! The values of parameters: rows that a client binds, and one row as it travels in a ticket.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::utils::batches_to_flight_data;
use datafusion::common::ScalarValue;
use dipper_types::{Error, Result, sql_type_name};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, future};
use tonic::Status;

use crate::rows::wire_type;
use crate::status::of_flight;

/// How many rows may be bound at once: each is an execution of its own.
pub(crate) const ROWS_MAX: usize = 10_000;

/// The columns of these parameters, as clients are told them.
pub(crate) fn schema(types: &[DataType]) -> Schema {
    let field =
        |(index, data_type): (usize, &DataType)| Field::new(format!("${}", index + 1), wire_type(data_type), true);
    Schema::new(types.iter().enumerate().map(field).collect::<Vec<_>>())
}

/// The rows that a client sends. Whatever it sends instead is an error: Arrow's decoder may panic over it, so that is caught.
pub(crate) fn bound(
    first: FlightData,
    rest: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> BoxStream<'static, Result<RecordBatch, Status>> {
    decoded(stream::iter([Ok(first)]).chain(rest)).boxed()
}

fn decoded(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> impl Stream<Item = Result<RecordBatch, Status>> + Send + 'static {
    // A message that only says what it is about has no Arrow message in it.
    let messages = messages.try_filter(|data| future::ready(!data.data_header.is_empty()));
    let batches = FlightRecordBatchStream::new_from_flight_data(messages.map_err(FlightError::from));
    AssertUnwindSafe(batches).catch_unwind().map(|decoded| match decoded {
        Ok(batch) => batch.map_err(of_flight),
        Err(_) => Err(Status::invalid_argument("the bound parameters are not valid Arrow data")),
    })
}

/// A row of bound columns as values of these types.
pub(crate) fn values(batch: &RecordBatch, row: usize, types: &[DataType]) -> Result<Vec<ScalarValue>> {
    if batch.num_columns() != types.len() {
        return Err(count_is_wrong(types.len(), batch.num_columns()));
    }
    let value = |(index, (column, data_type)): (usize, (&ArrayRef, &DataType))| {
        converted(column, row, data_type).map_err(|error| error.context(format!("parameter ${}", index + 1)))
    };
    batch.columns().iter().zip(types).enumerate().map(value).collect()
}

/// The values of a statement to which nothing has been bound.
pub(crate) fn none(types: &[DataType]) -> Result<Vec<ScalarValue>> {
    if types.is_empty() { Ok(Vec::new()) } else { Err(count_is_wrong(types.len(), 0)) }
}

/// Rows of values of these types, to be carried in a ticket.
pub(crate) fn packed(rows: &[Vec<ScalarValue>], types: &[DataType]) -> Result<Vec<FlightData>> {
    if rows.is_empty() || types.is_empty() {
        return Ok(Vec::new());
    }
    let field = |(index, data_type): (usize, &DataType)| Field::new(format!("${}", index + 1), data_type.clone(), true);
    let schema = Arc::new(Schema::new(types.iter().enumerate().map(field).collect::<Vec<_>>()));
    let column = |index: usize| ScalarValue::iter_to_array(rows.iter().map(|row| row[index].clone())).map_err(invalid);
    let columns = (0..types.len()).map(column).collect::<Result<_>>()?;
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    Ok(batches_to_flight_data(&schema, vec![batch])?)
}

/// The rows that a ticket carries, if it does. Arrow's reader of files would take the memory that a forged one speaks of, so there is
/// none in a ticket.
pub(crate) fn unpacked(messages: &[FlightData]) -> Result<Option<RecordBatch>> {
    if messages.is_empty() {
        return Ok(None);
    }
    let messages: Vec<_> = messages.iter().cloned().map(Ok).collect();
    let batches = decoded(stream::iter(messages)).try_collect::<Vec<_>>().now_or_never();
    match batches.and_then(Result::ok).as_deref() {
        Some([batch]) if (1..=ROWS_MAX).contains(&batch.num_rows()) => Ok(Some(batch.clone())),
        _ => Err(Error::invalid("the parameters in this ticket or handle are not valid Arrow data")),
    }
}

/// The types of what is bound, for parameters that could be of any type and so are texts; `None` if there is nothing to tell.
pub(crate) fn declared(types: &[DataType], bound: &Schema) -> Option<Vec<Option<DataType>>> {
    let told = |(data_type, field): (&DataType, &FieldRef)| {
        let given = wire_type(field.data_type());
        let is_text = matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Null);
        if *data_type == DataType::Utf8 && !is_text { given } else { data_type.clone() }
    };
    let told: Vec<_> = types.iter().zip(bound.fields()).map(told).collect();
    (told != types && bound.fields().len() == types.len()).then(|| told.into_iter().map(Some).collect())
}

/// A value as another type. A value that the type cannot hold is refused, not rounded.
fn converted(column: &ArrayRef, row: usize, data_type: &DataType) -> Result<ScalarValue> {
    let value = ScalarValue::try_from_array(column, row).map_err(invalid)?;
    let from = value.data_type();
    if from == *data_type {
        return Ok(value);
    }
    let fits = |converted: &ScalarValue| {
        let both = |is: fn(&DataType) -> bool| is(&from) && is(data_type);
        let is_exact = (both(DataType::is_numeric) && !both(DataType::is_floating)) || both(DataType::is_temporal);
        value.is_null() || !is_exact || converted.cast_to(&from).is_ok_and(|back| back == value)
    };
    // A number is no time: nobody knows in which unit.
    let is_another_thing = from.is_temporal() && data_type.is_numeric() || from.is_numeric() && data_type.is_temporal();
    match value.cast_to(data_type) {
        Ok(converted) if !is_another_thing && fits(&converted) => Ok(converted),
        _ => {
            let (from, to) = (sql_type_name(&from), sql_type_name(data_type));
            Err(Error::invalid(format!("the {from} {} is no {to}", brief(&value))))
        }
    }
}

/// Enough of a value to recognise it.
fn brief(value: &ScalarValue) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("'{}…'", &text[..end]),
        None => format!("'{text}'"),
    }
}

fn count_is_wrong(wanted: usize, given: usize) -> Error {
    let error = Error::invalid(format!("the statement has {wanted} parameters, but {given} values are bound"));
    error.with_hint("bind one value for each ? or $1, $2, …")
}

#[expect(clippy::needless_pass_by_value, reason = "it is passed on by map_err")]
fn invalid(error: datafusion::error::DataFusionError) -> Error {
    Error::invalid(error.strip_backtrace())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, Float64Array, Int64Array, NullArray, StringArray, TimestampNanosecondArray};
    use arrow::datatypes::TimeUnit;

    use super::*;
    use crate::ticket::Statement;

    fn one(column: impl Array + 'static, data_type: &DataType) -> Result<ScalarValue> {
        converted(&(Arc::new(column) as ArrayRef), 0, data_type)
    }

    #[test]
    fn values_take_the_type_of_their_parameter() {
        assert_eq!(one(Int64Array::from(vec![7]), &DataType::Int32).unwrap(), ScalarValue::Int32(Some(7)));
        assert_eq!(one(NullArray::new(1), &DataType::Int32).unwrap(), ScalarValue::Int32(None));
        assert_eq!(one(StringArray::from(vec!["7"]), &DataType::Int64).unwrap(), ScalarValue::Int64(Some(7)));
        let decimal = one(Float64Array::from(vec![1.25]), &DataType::Decimal128(10, 2)).unwrap();
        assert_eq!(decimal, ScalarValue::Decimal128(Some(125), 10, 2));
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_and_not_rounded() {
        let milliseconds = DataType::Timestamp(TimeUnit::Millisecond, None);
        assert!(one(Float64Array::from(vec![1.5]), &DataType::Int64).is_err());
        assert!(one(Float64Array::from(vec![0.123]), &DataType::Decimal128(10, 2)).is_err());
        assert!(one(Int64Array::from(vec![1 << 40]), &DataType::Int32).is_err());
        assert!(one(TimestampNanosecondArray::from(vec![1]), &milliseconds).is_err());
        assert!(one(TimestampNanosecondArray::from(vec![1]), &DataType::Int64).is_err());
        assert!(one(Int64Array::from(vec![1]), &milliseconds).is_err());
        let error = one(StringArray::from(vec!["seven"]), &DataType::Int64).unwrap_err();
        assert_eq!(error.to_string(), "the STRING 'seven' is no BIGINT");
    }

    #[test]
    fn rows_travel_in_a_ticket() {
        let types = [DataType::Int64, DataType::Utf8];
        let rows = [
            vec![ScalarValue::Int64(None), ScalarValue::from("x")],
            vec![ScalarValue::from(1_i64), ScalarValue::Utf8(None)],
        ];
        let batch = unpacked(&packed(&rows, &types).unwrap()).unwrap().unwrap();
        assert_eq!(
            (values(&batch, 0, &types).unwrap(), values(&batch, 1, &types).unwrap()),
            (rows[0].clone(), rows[1].clone())
        );
        assert!(unpacked(&[]).unwrap().is_none());
        assert!(none(&types).unwrap_err().to_string().contains("2 parameters"));
    }

    #[test]
    fn only_a_parameter_of_any_type_takes_that_of_its_value() {
        let (text, number) = (DataType::Utf8, DataType::Int64);
        let bound = Schema::new(vec![Field::new("a", number.clone(), true), Field::new("b", number.clone(), true)]);
        let types = [text.clone(), DataType::Float64];
        assert_eq!(declared(&types, &bound).unwrap(), [Some(number.clone()), Some(DataType::Float64)]);
        assert_eq!(declared(&[number.clone(), number], &bound), None);
    }

    #[test]
    fn a_forged_ticket_comes_back_wherever_it_is_damaged() {
        let types = [DataType::Int64, DataType::Utf8];
        let rows = [vec![ScalarValue::Int64(Some(1)), ScalarValue::from("text")]];
        let good = Statement::new(String::new()).bound(packed(&rows, &types).unwrap()).unwrap().encoded();
        let survive = |bytes: &[u8]| {
            let batch = unpacked(&Statement::decoded(bytes).ok()?.parameters).ok()??;
            values(&batch, 0, &types).ok()
        };
        assert_eq!(survive(&good).unwrap(), rows[0]);
        for index in 0..good.len() {
            for change in [1, 0x7f, 0x80, 0xff] {
                let mut bad = good.to_vec();
                bad[index] ^= change;
                survive(&bad);
            }
            survive(&good[..index]);
        }
    }
}
