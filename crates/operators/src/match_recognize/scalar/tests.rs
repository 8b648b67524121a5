//! A program computes what DataFusion computes from the same expression, or says that it does not know.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator, binary_expr, cast, when};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::{ident, in_list, lit};
use dipper_graph::BoundExpr;

use super::super::tests::dice::Dice;
use super::*;

const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// The types of the columns; there are two of each, `a` and `b` with its index.
pub(in crate::match_recognize) const TYPES: [DataType; 17] = [
    DataType::Boolean,
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::UInt8,
    DataType::UInt32,
    DataType::UInt64,
    DataType::Float32,
    DataType::Float64,
    DataType::Utf8,
    DataType::Utf8View,
    DataType::Date32,
    MICROS,
    DataType::Decimal128(5, 2),
    DataType::Decimal128(20, 2),
    DataType::Decimal128(38, 4),
];

const INTEGERS: std::ops::Range<usize> = 1..8;
const NUMBERS: std::ops::Range<usize> = 1..10;
const DECIMALS: std::ops::Range<usize> = 14..17;

fn schema() -> SchemaRef {
    let fields = ["a", "b"].iter().flat_map(|name| {
        TYPES
            .iter()
            .enumerate()
            .map(move |(index, data_type)| Field::new(format!("{name}{index}"), data_type.clone(), true))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A value of a type, now and then at an end of its range.
pub(in crate::match_recognize) fn value(data_type: &DataType, dice: &mut Dice) -> ScalarValue {
    if dice.roll(9) == 0 {
        return ScalarValue::try_from(data_type).unwrap();
    }
    let small = dice.roll(9) as i64 - 4;
    let far = dice.pick(&[i64::MIN, i64::MIN + 1, i64::MAX, i64::MAX - 1, 1 << 53, (1 << 53) + 1, 300, -1]);
    let far_or_small = if dice.roll(4) == 0 { far } else { small };
    // What is out of range is cut off, which is as random as anything.
    match data_type {
        DataType::Boolean => ScalarValue::Boolean(Some(small > 0)),
        DataType::Int8 => ScalarValue::Int8(Some(far_or_small as i8)),
        DataType::Int16 => ScalarValue::Int16(Some(far_or_small as i16)),
        DataType::Int32 => ScalarValue::Int32(Some(far_or_small as i32)),
        DataType::Int64 => ScalarValue::Int64(Some(far_or_small)),
        DataType::UInt8 => ScalarValue::UInt8(Some(far_or_small as u8)),
        DataType::UInt32 => ScalarValue::UInt32(Some(far_or_small as u32)),
        DataType::UInt64 => ScalarValue::UInt64(Some(if dice.roll(2) == 0 { 3 } else { far_or_small as u64 })),
        DataType::Float32 => ScalarValue::Float32(Some(float(small, dice) as f32)),
        DataType::Float64 => ScalarValue::Float64(Some(float(small, dice))),
        DataType::Utf8 => ScalarValue::Utf8(Some(text(dice))),
        DataType::Utf8View => ScalarValue::Utf8View(Some(text(dice))),
        DataType::Date32 => ScalarValue::Date32(Some(far_or_small as i32)),
        DataType::Timestamp(..) => ScalarValue::TimestampMicrosecond(Some(far_or_small), None),
        DataType::Decimal128(precision, scale) => {
            let far = dice.pick(&[1, -1]) * (10_i128.pow((*precision).into()) - 1);
            let value = if dice.roll(4) == 0 { far } else { small.into() };
            ScalarValue::Decimal128(Some(value), *precision, *scale)
        }
        other => panic!("{other}"),
    }
}

fn float(small: i64, dice: &mut Dice) -> f64 {
    let odd =
        [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 9.3e18, 0.1];
    if dice.roll(3) == 0 { dice.pick(&odd) } else { small as f64 / 2.0 }
}

fn text(dice: &mut Dice) -> String {
    dice.pick(&["", "a", "b", "ab", "é"]).to_owned()
}

/// A column or a literal of a type.
fn leaf(index: usize, dice: &mut Dice) -> Expr {
    match dice.roll(5) {
        0 => Expr::Literal(value(&TYPES[index], dice), None),
        1 | 2 => ident(format!("a{index}")),
        _ => ident(format!("b{index}")),
    }
}

/// An expression of the type of that index.
fn expression(index: usize, depth: u64, dice: &mut Dice) -> Expr {
    if depth == 0 || dice.roll(6) == 0 {
        return leaf(index, dice);
    }
    let data_type = &TYPES[index];
    if dice.roll(8) == 0 {
        let condition = expression(0, depth - 1, dice);
        let mut case = when(condition, expression(index, depth - 1, dice));
        return if dice.roll(2) == 0 { case.end() } else { case.otherwise(expression(index, depth - 1, dice)) }
            .unwrap();
    }
    match index {
        0 => condition(depth, dice),
        _ if NUMBERS.contains(&index) => match dice.roll(8) {
            0 => cast(expression(1 + dice.roll(9) as usize, depth - 1, dice), data_type.clone()),
            1 if !data_type.is_unsigned_integer() => Expr::Negative(Box::new(expression(index, depth - 1, dice))),
            2 if *data_type == DataType::Float64 => cast(leaf(14 + dice.roll(3) as usize, dice), data_type.clone()),
            3 if *data_type == DataType::Int64 => leaf(12, dice) - leaf(12, dice),
            _ => arithmetic(index, depth, dice),
        },
        13 => {
            let micros = dice.pick(&[0_i64, 1, 60_000_000, 3_600_000_000]);
            let days = dice.pick(&[0, 0, 1, 40]);
            let interval =
                lit(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(0, days, micros * 1000))));
            let timestamp = expression(index, depth - 1, dice);
            match dice.roll(3) {
                0 => timestamp - interval,
                1 => interval + timestamp,
                _ => timestamp + interval,
            }
        }
        _ if DECIMALS.contains(&index) => match dice.roll(2) {
            0 => cast(expression(INTEGERS.start + dice.roll(7) as usize, depth - 1, dice), data_type.clone()),
            _ => cast(leaf(14 + dice.roll(3) as usize, dice), data_type.clone()),
        },
        10 | 11 => cast(leaf(21 - index, dice), data_type.clone()),
        _ => leaf(index, dice),
    }
}

fn arithmetic(index: usize, depth: u64, dice: &mut Dice) -> Expr {
    let operators =
        [Operator::Plus, Operator::Minus, Operator::Multiply, Operator::Divide, Operator::Modulo, Operator::Plus];
    let (left, right) = (expression(index, depth - 1, dice), expression(index, depth - 1, dice));
    binary_expr(left, dice.pick(&operators), right)
}

fn condition(depth: u64, dice: &mut Dice) -> Expr {
    let any = dice.roll(TYPES.len() as u64) as usize;
    let compared = |left: Expr, right: Expr, dice: &mut Dice| {
        use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
        let operators = [Eq, NotEq, Lt, LtEq, Gt, GtEq, Lt, GtEq, IsDistinctFrom, IsNotDistinctFrom];
        binary_expr(left, dice.pick(&operators), right)
    };
    match dice.roll(12) {
        0 | 1 => expression(0, depth - 1, dice).and(expression(0, depth - 1, dice)),
        2 | 3 => expression(0, depth - 1, dice).or(expression(0, depth - 1, dice)),
        4 => Expr::Not(Box::new(expression(0, depth - 1, dice))),
        5 => expression(any, depth - 1, dice).is_null(),
        6 => {
            let list = (0..=dice.roll(4)).map(|_| Expr::Literal(value(&TYPES[any], dice), None)).collect();
            in_list(expression(any, depth - 1, dice), list, dice.roll(2) == 0)
        }
        7 => expression(any, depth - 1, dice).between(leaf(any, dice), leaf(any, dice)),
        8 => {
            let (left, right) = (leaf(15, dice), leaf(15, dice));
            let operator = dice.pick(&[Operator::Plus, Operator::Minus, Operator::Multiply]);
            compared(binary_expr(left.clone(), operator, right.clone()), binary_expr(right, operator, left), dice)
        }
        9 => {
            let difference = |dice: &mut Dice| leaf(13, dice) - leaf(13, dice);
            compared(difference(dice), difference(dice), dice)
        }
        _ => compared(expression(any, depth - 1, dice), expression(any, depth - 1, dice), dice),
    }
}

/// The row's values, as a batch for DataFusion and one by one for a program.
struct Row(RecordBatch);

impl Row {
    fn random(schema: &SchemaRef, dice: &mut Dice) -> Self {
        let columns = schema.fields().iter().map(|field| value(field.data_type(), dice).to_array().unwrap());
        Self(RecordBatch::try_new(Arc::clone(schema), columns.collect()).unwrap())
    }

    fn by_datafusion(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<ArrayRef> {
        expr.evaluate(&self.0).and_then(|value| value.into_array(1)).ok()
    }
}

impl<'a> Inputs<'a> for &'a Row {
    fn input(&mut self, column: usize) -> Result<Value<'a>, Undecided> {
        read(self.0.column(column).as_ref(), 0)
    }
}

pub(in crate::match_recognize) fn same(left: Value<'_>, right: Value<'_>) -> bool {
    match (left, right) {
        // Of two NaNs the processor keeps one, and which is the compiler's choice.
        (Value::Float(left), Value::Float(right)) => {
            left.to_bits() == right.to_bits() || left.is_nan() && right.is_nan()
        }
        _ => left == right,
    }
}

#[test]
fn programs_compute_what_datafusion_computes() {
    let schema = schema();
    let (mut planned, mut compiled, mut values, mut decided, mut failed) = (0, 0, 0, 0, 0);
    for seed in 0..2000_u64 {
        let mut dice = Dice(seed);
        let index = if dice.roll(2) == 0 { 0 } else { dice.roll(TYPES.len() as u64) as usize };
        let depth = 1 + dice.roll(4);
        let expr = BoundExpr(expression(index, depth, &mut dice));
        let Ok(physical) = expr.physical(&schema) else { continue };
        planned += 1;
        let Some(program) = Program::new(&physical, &schema) else { continue };
        compiled += 1;
        for _ in 0..12 {
            let row = Row::random(&schema, &mut dice);
            let expected = row.by_datafusion(&physical);
            let found = program.evaluate(&mut &row);
            values += 1;
            decided += usize::from(found.is_ok());
            failed += usize::from(expected.is_none());
            match (&expected, found) {
                (Some(expected), Ok(found)) => {
                    let read_back = read(expected.as_ref(), 0);
                    assert!(
                        read_back.is_ok_and(|expected| same(expected, found)),
                        "seed {seed}: {expr} is {expected:?}, not {found:?}, on {:?}",
                        row.0
                    );
                    assert_eq!(to_array(found, expected.data_type()).unwrap().len(), 1);
                }
                (None, Ok(found)) => panic!("seed {seed}: {expr} fails, and is not {found:?}, on {:?}", row.0),
                (_, Err(Undecided)) => {}
            }
        }
    }
    assert!(planned > 1800 && compiled * 10 > planned * 8, "{compiled} of {planned} compiled");
    assert!(decided * 10 > values * 8, "{decided} of {values} decided");
    assert!(failed > 400, "{failed} failed");
}
