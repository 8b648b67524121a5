//! From a node of the graph to the operator that does its work.

use arrow::datatypes::SchemaRef;
use dipper_graph::OperatorSpec;
use dipper_operator_api::Operator;
use dipper_types::{Error, Result};

use crate::calc::Calc;
use crate::match_recognize::{MatchRecognizeOperator, RowPatternWindowOperator};
use crate::union::Union;
use crate::window_aggregate::WindowAggregate;
use crate::window_tvf::WindowTvf;

/// Makes the operator of a node: `input` has the schema of each port, `output` is what the node emits. Sources, VALUES, sinks
/// and the client's collector are not operators: the runtime drives those itself.
pub fn operator(spec: &OperatorSpec, input: &[SchemaRef], output: &SchemaRef) -> Result<Box<dyn Operator>> {
    Ok(match spec {
        OperatorSpec::Calc(spec) => Box::new(Calc::new(spec, only(input)?, output)?),
        OperatorSpec::Union => Box::new(Union::new(input, output)?),
        OperatorSpec::WindowTvf(spec) => Box::new(WindowTvf::new(spec, only(input)?, output)?),
        OperatorSpec::WindowAggregate(spec) => Box::new(WindowAggregate::new(spec, only(input)?, output)?),
        OperatorSpec::MatchRecognize(spec) => Box::new(MatchRecognizeOperator::new(spec)?),
        OperatorSpec::RowPatternWindow(spec) => Box::new(RowPatternWindowOperator::new(spec)?),
        OperatorSpec::Source(_) | OperatorSpec::Values(_) | OperatorSpec::Sink(_) | OperatorSpec::Collect => {
            return Err(Error::internal(format!("a {} is no operator", spec.kind())));
        }
    })
}

fn only(input: &[SchemaRef]) -> Result<&SchemaRef> {
    match input {
        [schema] => Ok(schema),
        _ => Err(Error::internal(format!("an operator of one input has {}", input.len()))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMillisecondArray};
    use arrow::datatypes::{DataType, Field, FieldRef, Schema};
    use arrow::record_batch::RecordBatch;
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::functions_aggregate::expr_fn::{count, max};
    use datafusion::logical_expr::{col, lit};
    use dipper_graph::{AggregateFunction, BoundExpr, WindowAggregateSpec, WindowKind, WindowTvfSpec};
    use dipper_operator_api::{OperatorCtx, StreamElement};
    use dipper_types::{SubtaskId, Timestamp, Watermark};

    use super::*;

    /// Sends elements through an operator.
    fn run(operator: &mut dyn Operator, elements: Vec<StreamElement>) -> Vec<StreamElement> {
        let (mut out, metrics) = (Vec::new(), Arc::default());
        let mut ctx = OperatorCtx::new(&mut out, &metrics, SubtaskId { index: 0, parallelism: 1 });
        for element in elements {
            match element {
                StreamElement::Batch(batch) => operator.on_batch(0, batch, &mut ctx).unwrap(),
                StreamElement::Watermark(watermark) => operator.on_watermark(watermark, &mut ctx).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        out
    }

    #[test]
    fn hopping_windows_and_their_aggregates_make_a_query() {
        let ts: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1_000, 6_000, 7_000, 12_000]));
        let page: ArrayRef = Arc::new(StringArray::from(vec!["home", "home", "cart", "home"]));
        let ms: ArrayRef = Arc::new(Int64Array::from(vec![30, 90, 20, 10]));
        let views = RecordBatch::try_from_iter([("ts", ts), ("page", page), ("ms", ms)]).unwrap();
        let time = DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None);
        let mut fields: Vec<FieldRef> = views.schema().fields().to_vec();
        fields.extend(
            ["window_start", "window_end", "window_time"]
                .map(|name| FieldRef::new(Field::new(name, time.clone(), false))),
        );
        let windowed: SchemaRef = Arc::new(Schema::new(fields));
        let hop = WindowKind::Hop { slide_us: 5_000_000, size_us: 10_000_000, offset_us: 0 };
        let hop = OperatorSpec::WindowTvf(WindowTvfSpec { time_column: 0, kind: hop });
        let output = Arc::new(Schema::new(vec![
            Field::new("window_time", time.clone(), false),
            Field::new("page", DataType::Utf8, false),
            Field::new("views", DataType::Int64, false),
            Field::new("slowest", DataType::Int64, true),
        ]));
        let aggregate = OperatorSpec::WindowAggregate(WindowAggregateSpec {
            group_by: vec![5, 1],
            window_end: 4,
            keys: vec![1],
            aggregates: vec![
                AggregateFunction { name: "views".to_owned(), expr: BoundExpr(count(lit(1_i64))) },
                AggregateFunction { name: "slowest".to_owned(), expr: BoundExpr(max(col("ms"))) },
            ],
        });
        let mut hop = operator(&hop, &[views.schema()], &windowed).unwrap();
        let mut aggregate = operator(&aggregate, &[windowed], &output).unwrap();
        let watermark = StreamElement::Watermark(Watermark(Timestamp(9_999_000)));
        let elements = run(hop.as_mut(), vec![StreamElement::Batch(views), watermark]);
        let out = run(aggregate.as_mut(), elements);
        let batches: Vec<RecordBatch> = out
            .into_iter()
            .filter_map(|element| match element {
                StreamElement::Batch(batch) => Some(batch),
                _ => None,
            })
            .collect();
        insta::assert_snapshot!(pretty_format_batches(&batches).unwrap(), @r"
        +-------------------------+------+-------+---------+
        | window_time             | page | views | slowest |
        +-------------------------+------+-------+---------+
        | 1970-01-01T00:00:04.999 | home | 1     | 30      |
        | 1970-01-01T00:00:09.999 | cart | 1     | 20      |
        | 1970-01-01T00:00:09.999 | home | 2     | 90      |
        +-------------------------+------+-------+---------+
        ");
    }

    #[test]
    fn what_the_runtime_drives_itself_is_no_operator() {
        let error = operator(&OperatorSpec::Collect, &[], &SchemaRef::new(Schema::empty())).err().unwrap();
        assert_eq!(error.to_string(), "a Collect is no operator");
    }
}
