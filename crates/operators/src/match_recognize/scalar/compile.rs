//! From DataFusion's physical expressions to programs.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal, NegativeExpr, NotExpr,
};

use super::program::{Comparison, Node, Number, Operation};
use super::value::{Range, Value, is_readable, read};

/// The program of an expression over columns of `schema`; `None` if it has something that is DataFusion's alone.
pub(super) fn compile(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Node> {
    let data_type = expr.data_type(schema).ok()?;
    if data_type != DataType::Null && !is_readable(&data_type) {
        return None;
    }
    let operand = |expr: &Arc<dyn PhysicalExpr>| compile(expr, schema).map(Box::new);
    if let Some(column) = expr.downcast_ref::<Column>() {
        Some(Node::Input(column.index()))
    } else if let Some(literal) = expr.downcast_ref::<Literal>() {
        constant(literal.value())
    } else if let Some(not) = expr.downcast_ref::<NotExpr>() {
        Some(Node::Not(operand(not.arg())?))
    } else if let Some(is_null) = expr.downcast_ref::<IsNullExpr>() {
        Some(Node::IsNull { operand: operand(is_null.arg())?, negated: false })
    } else if let Some(is_not_null) = expr.downcast_ref::<IsNotNullExpr>() {
        Some(Node::IsNull { operand: operand(is_not_null.arg())?, negated: true })
    } else if let Some(negative) = expr.downcast_ref::<NegativeExpr>() {
        Some(Node::Negate { operand: operand(negative.arg())?, result: number(&data_type)? })
    } else if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        compile_binary(binary, &data_type, schema)
    } else if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let from = cast.expr().data_type(schema).ok()?;
        (!cast.cast_options().safe).then(|| conversion(*operand(cast.expr())?, &from, &data_type)).flatten()
    } else if let Some(list) = expr.downcast_ref::<InListExpr>() {
        compile_list(list, schema)
    } else if let Some(case) = expr.downcast_ref::<CaseExpr>() {
        compile_case(case, &data_type, schema)
    } else {
        None
    }
}

fn constant(value: &ScalarValue) -> Option<Node> {
    let array = value.to_array_of_size(1).ok()?;
    if *array.data_type() == DataType::Null {
        return Some(Node::Constant(Value::Null));
    }
    match read(array.as_ref(), 0).ok()? {
        Value::Text(text) => Some(Node::Text(text.into())),
        value => value.detached().map(Node::Constant),
    }
}

fn compile_binary(binary: &BinaryExpr, data_type: &DataType, schema: &Schema) -> Option<Node> {
    let types = (binary.left().data_type(schema).ok()?, binary.right().data_type(schema).ok()?);
    if let (Operator::Plus | Operator::Minus, DataType::Timestamp(..)) = (binary.op(), data_type) {
        return compile_shift(binary, data_type, schema);
    }
    let sides = Box::new([compile(binary.left(), schema)?, compile(binary.right(), schema)?]);
    let operator = binary.op();
    match operator {
        Operator::And => return Some(Node::And(sides)),
        Operator::Or => return Some(Node::Or(sides)),
        _ => {}
    }
    if let Some(operation) = operation(*operator) {
        let result = arithmetic_result(operation, &types, data_type)?;
        return Some(Node::Arithmetic { operation, sides, result });
    }
    if types.0 != types.1 {
        return None;
    }
    match operator {
        Operator::IsDistinctFrom => Some(Node::Distinct { sides, negated: false }),
        Operator::IsNotDistinctFrom => Some(Node::Distinct { sides, negated: true }),
        _ => comparison(*operator).map(|comparison| Node::Compare { comparison, sides }),
    }
}

fn operation(operator: Operator) -> Option<Operation> {
    Some(match operator {
        Operator::Plus => Operation::Add,
        Operator::Minus => Operation::Subtract,
        Operator::Multiply => Operation::Multiply,
        Operator::Divide => Operation::Divide,
        Operator::Modulo => Operation::Remainder,
        _ => return None,
    })
}

fn comparison(operator: Operator) -> Option<Comparison> {
    Some(match operator {
        Operator::Eq => Comparison::Equal,
        Operator::NotEq => Comparison::NotEqual,
        Operator::Lt => Comparison::Less,
        Operator::LtEq => Comparison::LessOrEqual,
        Operator::Gt => Comparison::Greater,
        Operator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// The kind of the result, if the operation on these types is one of integers or floats as they stand.
fn arithmetic_result(operation: Operation, types: &(DataType, DataType), result: &DataType) -> Option<Number> {
    use DataType::{Date32, Decimal128, Duration, Float32, Float64, Int64, Timestamp};
    match (types, operation) {
        ((left, right), _) if left == right && left == result && left.is_integer() => number(result),
        ((Float32, Float32), _) if *result == Float32 => Some(Number::Float32),
        ((Float64, Float64), _) if *result == Float64 => Some(Number::Float64),
        ((Decimal128(_, left), Decimal128(_, right)), Operation::Add | Operation::Subtract) if left == right => {
            Range::of(result).map(Number::Integer)
        }
        ((Decimal128(_, left), Decimal128(_, right)), Operation::Multiply) if matches!(result, Decimal128(_, scale) if i16::from(*scale) == i16::from(*left) + i16::from(*right)) => {
            Range::of(result).map(Number::Integer)
        }
        ((Date32, Date32), Operation::Subtract) if *result == Int64 => number(result),
        ((Timestamp(left, _), Timestamp(right, _)), Operation::Subtract) if left == right => match result {
            Duration(unit) if unit == left => Range::of(result).map(Number::Integer),
            _ => None,
        },
        ((Duration(left), Duration(right)), Operation::Add | Operation::Subtract) if left == right => {
            Range::of(result).map(Number::Integer)
        }
        _ => None,
    }
}

/// A timestamp and an interval of a fixed length.
fn compile_shift(binary: &BinaryExpr, data_type: &DataType, schema: &Schema) -> Option<Node> {
    // Elsewhere days are not of one length.
    let DataType::Timestamp(unit, None) = data_type else { return None };
    let interval = |expr: &Arc<dyn PhysicalExpr>| match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            Some(i128::from(interval.days) * 86_400_000_000_000 + i128::from(interval.nanoseconds))
        }
        ScalarValue::DurationSecond(duration) => duration.map(|seconds| i128::from(seconds) * 1_000_000_000),
        ScalarValue::DurationMillisecond(duration) => duration.map(|millis| i128::from(millis) * 1_000_000),
        ScalarValue::DurationMicrosecond(duration) => duration.map(|micros| i128::from(micros) * 1_000),
        ScalarValue::DurationNanosecond(duration) => duration.map(i128::from),
        _ => None,
    };
    let (timestamp, nanoseconds) = match (interval(binary.right()), interval(binary.left())) {
        (Some(nanoseconds), _) => (binary.left(), nanoseconds),
        (None, Some(nanoseconds)) if *binary.op() == Operator::Plus => (binary.right(), nanoseconds),
        _ => return None,
    };
    if timestamp.data_type(schema).ok()? != *data_type {
        return None;
    }
    let per_unit = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    if nanoseconds % per_unit != 0 {
        return None;
    }
    let plus = i64::try_from(nanoseconds / per_unit).ok()?;
    let plus = if *binary.op() == Operator::Minus { -plus } else { plus };
    // DataFusion computes with calendar dates, which end some 262,000 years from now.
    let range = Range::within((250_000 * 31_556_952 * 1_000_000_000_i128 / per_unit).try_into().unwrap_or(i64::MAX));
    Some(Node::Linear { operand: Box::new(compile(timestamp, schema)?), times: 1, plus, range })
}

/// The value of `operand`, of type `from`, as a `to`.
fn conversion(operand: Node, from: &DataType, to: &DataType) -> Option<Node> {
    use DataType::{Decimal128, Float32, Float64, LargeUtf8, Utf8, Utf8View};
    let text = |data_type: &DataType| matches!(data_type, Utf8 | LargeUtf8 | Utf8View);
    if from == to || *from == DataType::Null || text(from) && text(to) {
        return Some(operand);
    }
    let operand = Box::new(operand);
    let power = |exponent: i8| 10_i64.checked_pow(u32::try_from(exponent).ok()?);
    match (from, to) {
        (Float32, Float64) => Some(*operand),
        (Float64, Float32) => Some(Node::ToFloat { operand, divided_by: 1.0, result: Number::Float32 }),
        (from, to) if from.is_integer() && to.is_integer() => Some(Node::ToInteger { operand, range: Range::of(to)? }),
        (from, to) if from.is_integer() && to.is_floating() => {
            Some(Node::ToFloat { operand, divided_by: 1.0, result: number(to)? })
        }
        (Float32 | Float64, to) if to.is_integer() => Some(Node::ToInteger { operand, range: Range::of(to)? }),
        (Decimal128(_, scale), Float64) => {
            Some(Node::ToFloat { operand, divided_by: 10_f64.powi((*scale).into()), result: Number::Float64 })
        }
        (from, Decimal128(_, scale)) if from.is_integer() => {
            Some(Node::Linear { operand, times: power(*scale)?, plus: 0, range: Range::of(to)? })
        }
        (Decimal128(_, scale), Decimal128(_, wider)) => {
            Some(Node::Linear { operand, times: power(wider.checked_sub(*scale)?)?, plus: 0, range: Range::of(to)? })
        }
        _ => None,
    }
}

fn compile_list(list: &InListExpr, schema: &Schema) -> Option<Node> {
    let data_type = list.expr().data_type(schema).ok()?;
    // Of floats, IN has an order of its own.
    if data_type.is_floating() || list.list().is_empty() {
        return None;
    }
    let item = |item: &Arc<dyn PhysicalExpr>| {
        let item_type = item.data_type(schema).ok()?;
        let literal = item.downcast_ref::<Literal>()?;
        (item_type == data_type || item_type == DataType::Null).then(|| constant(literal.value())).flatten()
    };
    let items = list.list().iter().map(item).collect::<Option<_>>()?;
    Some(Node::InList { value: Box::new(compile(list.expr(), schema)?), list: items, negated: list.negated() })
}

fn compile_case(case: &CaseExpr, data_type: &DataType, schema: &Schema) -> Option<Node> {
    let subject = match case.expr() {
        None => None,
        Some(subject) => Some((compile(subject, schema)?, subject.data_type(schema).ok()?)),
    };
    let value = |expr: &Arc<dyn PhysicalExpr>| {
        let value_type = expr.data_type(schema).ok()?;
        (value_type == *data_type || value_type == DataType::Null).then(|| compile(expr, schema)).flatten()
    };
    let branch = |(when, then): &(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)| {
        let condition = match &subject {
            None => compile(when, schema)?,
            // Of floats, CASE has an order of its own.
            Some((_, subject_type)) if subject_type.is_floating() => return None,
            Some((subject, subject_type)) => {
                (when.data_type(schema).ok()? == *subject_type).then_some(Node::Compare {
                    comparison: Comparison::Equal,
                    sides: Box::new([subject.clone(), compile(when, schema)?]),
                })?
            }
        };
        Some((condition, value(then)?))
    };
    let branches = case.when_then_expr().iter().map(branch).collect::<Option<_>>()?;
    let otherwise = case.else_expr().map_or(Some(Node::Constant(Value::Null)), value)?;
    Some(Node::Case { branches, otherwise: Box::new(otherwise) })
}

fn number(data_type: &DataType) -> Option<Number> {
    match data_type {
        DataType::Float32 => Some(Number::Float32),
        DataType::Float64 => Some(Number::Float64),
        other if other.is_integer() => Range::of(other).map(Number::Integer),
        _ => None,
    }
}
