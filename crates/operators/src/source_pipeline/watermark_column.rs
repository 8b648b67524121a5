//! The watermark that the rows of a batch give.

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::is_not_null;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;
use dipper_graph::WatermarkSpec;
use dipper_operator_api::{timestamp_values, watermark_us};
use dipper_types::{Error, Result, Watermark, sql_type_name};

use crate::expression::Expression;

/// `WATERMARK FOR column AS expression`.
#[derive(Debug)]
pub(super) struct WatermarkColumn {
    column: String,
    expression: Expression,
    unit: TimeUnit,
    /// The column of which the expression is a monotone function: then its greatest value says all.
    monotone_in: Option<usize>,
}

impl WatermarkColumn {
    pub(super) fn new(spec: &WatermarkSpec, schema: &SchemaRef) -> Result<Self> {
        let expression = Expression::new(&spec.expr, schema)?;
        let column = spec.column.clone();
        let unit = match expression.data_type(schema)? {
            DataType::Timestamp(unit, _) => unit,
            other => {
                return Err(Error::invalid(format!(
                    "the watermark of column '{column}' is {}, not a timestamp",
                    sql_type_name(&other)
                )));
            }
        };
        let monotone_in = monotone_in(&spec.expr.0).and_then(|name| schema.index_of(name).ok());
        let is_time = |index: &usize| matches!(schema.field(*index).data_type(), DataType::Timestamp(..));
        Ok(Self { column, expression, unit, monotone_in: monotone_in.filter(is_time) })
    }

    /// The highest watermark of the rows; `None` without rows.
    pub(super) fn highest(&self, rows: &RecordBatch) -> Result<Option<Watermark>> {
        let values = match self.monotone_in {
            Some(column) => match self.highest_in(rows.column(column))? {
                Some((row, _)) => self.expression.evaluate(&rows.slice(row, 1))?,
                None => return Ok(None),
            },
            None => self.expression.evaluate(rows)?,
        };
        Ok(self.highest_in(&values)?.map(|(_, value)| Watermark(watermark_us(value, self.unit))))
    }

    /// Which rows give a watermark; `None` if all do.
    pub(super) fn rows_with_time(&self, rows: &RecordBatch) -> Result<Option<BooleanArray>> {
        let times = match self.monotone_in {
            Some(column) => ArrayRef::clone(rows.column(column)),
            None => self.expression.evaluate(rows)?,
        };
        Ok(if times.null_count() == 0 { None } else { Some(is_not_null(&times)?) })
    }

    /// A row with the highest value, and that value.
    fn highest_in(&self, times: &ArrayRef) -> Result<Option<(usize, i64)>> {
        if times.null_count() > 0 {
            let message = format!("the watermark of column '{}' is NULL in a row", self.column);
            return Err(Error::invalid(message).with_hint("give every row a time, or compute the column with coalesce"));
        }
        let values = timestamp_values(times)?;
        let highest = values.iter().copied().max();
        Ok(highest.and_then(|highest| Some((values.iter().position(|value| *value == highest)?, highest))))
    }
}

/// The column `c` of an expression `c`, `c - interval` or `c + interval`. Only intervals of fixed length: a day ends
/// earlier or later where a zone changes its clocks, and months differ, so that a later time may give an earlier one.
fn monotone_in(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::Alias(alias) => monotone_in(&alias.expr),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus | Operator::Plus, right }) => match (&**left, &**right)
        {
            (Expr::Column(column), Expr::Literal(value, _)) if is_fixed_length(value) => Some(&column.name),
            _ => None,
        },
        _ => None,
    }
}

fn is_fixed_length(value: &ScalarValue) -> bool {
    match value {
        ScalarValue::IntervalMonthDayNano(Some(value)) => value.months == 0 && value.days == 0,
        ScalarValue::IntervalDayTime(Some(value)) => value.days == 0,
        ScalarValue::DurationSecond(Some(_))
        | ScalarValue::DurationMillisecond(Some(_))
        | ScalarValue::DurationMicrosecond(Some(_))
        | ScalarValue::DurationNanosecond(Some(_)) => true,
        _ => false,
    }
}
