//! SUM of integers that fails when the sum does not fit, where DataFusion's own wraps around in silence.
//!
//! Integers are added in 128 bits and checked when the sum is read, so partial sums may lie beyond the result's range. The other
//! types, and everything that planning asks, are left to DataFusion's function.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Decimal128Type, Field, FieldRef, Int64Type, UInt64Type};
use datafusion::common::{HashMap, Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
};
use dipper_types::Error;

use crate::into_datafusion;

/// The type of an integer sum's state.
const WIDE: DataType = DataType::Decimal128(38, 0);

/// `sum`, in the place of DataFusion's function of that name.
///
/// Two of that one's short cuts are left out because their additions wrap around: the sum from statistics, and `SUM(x + 1)` as
/// `SUM(x) + COUNT(x)`.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct CheckedSum(Sum);

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.0.return_type(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        integer_sum(&args).map_or_else(|| self.0.accumulator(args), Ok)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        integer_sum(&args).map_or_else(|| self.0.create_sliding_accumulator(args), Ok)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let return_field = if is_integer(args.return_type()) { wide(&args.return_field) } else { args.return_field };
        self.0.state_fields(StateFieldsArgs { return_field, ..args })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.0.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let result = args.return_field.data_type().clone();
        if !is_integer(&result) {
            return self.0.create_groups_accumulator(args);
        }
        let return_field = wide(&args.return_field);
        let sums = self.0.create_groups_accumulator(AccumulatorArgs { return_field, ..args })?;
        Ok(Box::new(GroupSums { sums, result }))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.0.reverse_expr()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.0.order_sensitivity()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.0.documentation()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.0.set_monotonicity(data_type)
    }
}

fn is_integer(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int64 | DataType::UInt64)
}

fn wide(field: &Field) -> FieldRef {
    Arc::new(field.clone().with_data_type(WIDE))
}

fn integer_sum(args: &AccumulatorArgs<'_>) -> Option<Box<dyn Accumulator>> {
    let result = args.return_field.data_type().clone();
    let seen = args.is_distinct.then(HashMap::default);
    is_integer(&result).then(|| Box::new(IntegerSum { sum: 0, count: 0, seen, result }) as Box<dyn Accumulator>)
}

/// One sum; rows may leave it again.
#[derive(Debug)]
struct IntegerSum {
    sum: i128,
    /// The values in the sum: without any, it is NULL.
    count: u64,
    /// With DISTINCT: how often each of them came.
    seen: Option<HashMap<i128, u64>>,
    result: DataType,
}

impl IntegerSum {
    fn sum(&self) -> Option<i128> {
        (self.count > 0).then_some(self.sum)
    }
}

impl Accumulator for IntegerSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(&values[0], |value| {
            if let Some(seen) = &mut self.seen {
                let times = seen.entry(value).or_insert(0);
                *times += 1;
                if *times > 1 {
                    return;
                }
            }
            self.sum += value;
            self.count += 1;
        })
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(&values[0], |value| {
            if let Some(seen) = &mut self.seen {
                match seen.get_mut(&value) {
                    Some(times) if *times > 1 => return *times -= 1,
                    _ => seen.remove(&value),
                };
            }
            self.sum -= value;
            self.count -= 1;
        })
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let wide = |sum| ScalarValue::Decimal128(sum, 38, 0);
        let Some(seen) = &self.seen else { return Ok(vec![wide(self.sum())]) };
        let values: Vec<_> = seen.keys().map(|value| wide(Some(*value))).collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &WIDE))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        match &self.seen {
            None => self.update_batch(states),
            Some(_) => states[0].as_list::<i32>().iter().flatten().try_for_each(|values| self.update_batch(&[values])),
        }
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(match self.result {
            DataType::UInt64 => ScalarValue::UInt64(self.sum().map(|sum| fit(sum, &self.result)).transpose()?),
            _ => ScalarValue::Int64(self.sum().map(|sum| fit(sum, &self.result)).transpose()?),
        })
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.as_ref().map_or(0, |seen| seen.capacity() * size_of::<(i128, u64)>())
    }
}

/// A sum for each group: DataFusion's for decimals, which has the bits.
struct GroupSums {
    sums: Box<dyn GroupsAccumulator>,
    result: DataType,
}

impl GroupsAccumulator for GroupSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_of_row: &[usize],
        filter: Option<&BooleanArray>,
        groups: usize,
    ) -> Result<()> {
        self.sums.update_batch(&[widen(&values[0])?], group_of_row, filter, groups)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let sums = self.sums.evaluate(emit)?;
        let sums = sums.as_primitive::<Decimal128Type>();
        Ok(match self.result {
            DataType::UInt64 => Arc::new(sums.try_unary::<_, UInt64Type, _>(|sum| fit(sum, &self.result))?),
            _ => Arc::new(sums.try_unary::<_, Int64Type, _>(|sum| fit(sum, &self.result))?),
        })
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.sums.state(emit)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], group_of_row: &[usize], groups: usize) -> Result<()> {
        self.sums.merge_batch(states, group_of_row, groups)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.sums.convert_to_state(&[widen(&values[0])?], filter)
    }

    fn size(&self) -> usize {
        self.sums.size()
    }
}

/// Visits the values that are not NULL, of arguments or of states.
fn for_each(values: &ArrayRef, visit: impl FnMut(i128)) -> Result<()> {
    fn each<T: ArrowPrimitiveType<Native: Into<i128>>>(values: &PrimitiveArray<T>, mut visit: impl FnMut(i128)) {
        if values.null_count() == 0 {
            values.values().iter().for_each(|value| visit((*value).into()));
        } else {
            values.iter().flatten().for_each(|value| visit(value.into()));
        }
    }
    match values.data_type() {
        DataType::Int64 => each(values.as_primitive::<Int64Type>(), visit),
        DataType::UInt64 => each(values.as_primitive::<UInt64Type>(), visit),
        DataType::Decimal128(..) => each(values.as_primitive::<Decimal128Type>(), visit),
        other => return internal_err!("SUM of integers over {other}"),
    }
    Ok(())
}

fn widen(values: &ArrayRef) -> Result<ArrayRef> {
    let wide: Decimal128Array = match values.data_type() {
        DataType::Int64 => values.as_primitive::<Int64Type>().unary(i128::from),
        DataType::UInt64 => values.as_primitive::<UInt64Type>().unary(i128::from),
        other => return internal_err!("SUM of integers over {other}"),
    };
    Ok(Arc::new(wide.with_data_type(WIDE)))
}

fn fit<T: TryFrom<i128>>(sum: i128, result: &DataType) -> Result<T> {
    T::try_from(sum).map_err(|_| {
        let name = if *result == DataType::UInt64 { "BIGINT UNSIGNED" } else { "BIGINT" };
        let error = Error::invalid(format!("arithmetic overflow: SUM is beyond {name}"));
        into_datafusion(error.with_hint("add wider numbers: SUM(CAST(… AS DECIMAL(38, 0)))"))
    })
}

#[cfg(test)]
mod tests;
