//! The program: a tree of operations on values, and its evaluation.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::physical_expr::PhysicalExpr;

use super::compile::compile;
use super::value::{Range, Undecided, Value};

/// An expression compiled for one row at a time.
#[derive(Debug)]
pub(in super::super) struct Program(Node);

/// What a program reads: the columns of the expression's schema, on one row.
pub(in super::super) trait Inputs<'a> {
    /// The value of a column. Asked for only where the expression's value depends on it.
    fn input(&mut self, column: usize) -> Result<Value<'a>, Undecided>;
}

/// One operation. Operands stand in the order in which DataFusion evaluates them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Input(usize),
    Constant(Value<'static>),
    Text(Box<str>),
    Not(Box<Node>),
    IsNull {
        operand: Box<Node>,
        negated: bool,
    },
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Compare {
        comparison: Comparison,
        sides: Box<[Node; 2]>,
    },
    /// `IS [NOT] DISTINCT FROM`.
    Distinct {
        sides: Box<[Node; 2]>,
        negated: bool,
    },
    /// Of integers, or of floats; the result is of the operands' kind.
    Arithmetic {
        operation: Operation,
        sides: Box<[Node; 2]>,
        result: Number,
    },
    Negate {
        operand: Box<Node>,
        result: Number,
    },
    /// An integer times a power of ten, or a timestamp and a fixed time more: both the operand and the result are in range.
    Linear {
        operand: Box<Node>,
        times: i64,
        plus: i64,
        range: Range,
    },
    /// Conversions that are neither the identity nor a change of range.
    ToFloat {
        operand: Box<Node>,
        divided_by: f64,
        result: Number,
    },
    ToInteger {
        operand: Box<Node>,
        range: Range,
    },
    /// `value IN (list)`; the list has constants only.
    InList {
        value: Box<Node>,
        list: Box<[Node]>,
        negated: bool,
    },
    /// Conditions and what they yield, then what ELSE yields.
    Case {
        branches: Box<[(Node, Node)]>,
        otherwise: Box<Node>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// The type of a number, as far as results depend on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Integer(Range),
    Float32,
    Float64,
}

impl Program {
    /// Compiles an expression over columns of `schema`; `None` if that is DataFusion's alone.
    pub(in super::super) fn new(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Self> {
        compile(expr, schema).map(Self)
    }

    /// The value on one row: DataFusion's, where it is not undecided.
    pub(in super::super) fn evaluate<'a>(&'a self, inputs: &mut impl Inputs<'a>) -> Result<Value<'a>, Undecided> {
        self.0.evaluate(inputs)
    }
}

impl Node {
    fn evaluate<'a>(&'a self, inputs: &mut impl Inputs<'a>) -> Result<Value<'a>, Undecided> {
        match self {
            Self::Input(column) => inputs.input(*column),
            Self::Constant(value) => Ok(*value),
            Self::Text(text) => Ok(Value::Text(text)),
            Self::Not(operand) => Ok(match truth(operand.evaluate(inputs)?)? {
                Some(holds) => Value::Bool(!holds),
                None => Value::Null,
            }),
            Self::IsNull { operand, negated } => {
                Ok(Value::Bool((operand.evaluate(inputs)? == Value::Null) != *negated))
            }
            Self::And(sides) => connect(sides, inputs, false),
            Self::Or(sides) => connect(sides, inputs, true),
            Self::Compare { comparison, sides } => {
                let ordering = compare(sides[0].evaluate(inputs)?, sides[1].evaluate(inputs)?)?;
                Ok(ordering.map_or(Value::Null, |ordering| Value::Bool(comparison.holds(ordering))))
            }
            Self::Distinct { sides, negated } => {
                let (left, right) = (sides[0].evaluate(inputs)?, sides[1].evaluate(inputs)?);
                let distinct = match compare(left, right)? {
                    Some(ordering) => ordering.is_ne(),
                    None => left != right,
                };
                Ok(Value::Bool(distinct != *negated))
            }
            Self::Arithmetic { operation, sides, result } => {
                match (sides[0].evaluate(inputs)?, sides[1].evaluate(inputs)?, result) {
                    (Value::Null, _, _) | (_, Value::Null, _) => Ok(Value::Null),
                    (Value::Int(left), Value::Int(right), Number::Integer(range)) => {
                        range.fit(operation.of_integers(left, right)).map(Value::Int)
                    }
                    (Value::Float(left), Value::Float(right), _) => Ok(result.float(operation.of_floats(left, right))),
                    _ => Err(Undecided),
                }
            }
            Self::Negate { operand, result } => match (operand.evaluate(inputs)?, result) {
                (Value::Null, _) => Ok(Value::Null),
                (Value::Int(value), Number::Integer(range)) => range.fit(value.checked_neg()).map(Value::Int),
                (Value::Float(value), _) => Ok(Value::Float(-value)),
                _ => Err(Undecided),
            },
            Self::Linear { operand, times, plus, range } => match operand.evaluate(inputs)? {
                Value::Null => Ok(Value::Null),
                Value::Int(value) => {
                    let product = range.fit(Some(value))?.checked_mul(*times);
                    range.fit(product.and_then(|product| product.checked_add(*plus))).map(Value::Int)
                }
                _ => Err(Undecided),
            },
            Self::ToFloat { operand, divided_by, result } => match operand.evaluate(inputs)? {
                Value::Null => Ok(Value::Null),
                Value::Int(value) if *result == Number::Float32 => Ok(Value::Float(f64::from(value as f32))),
                Value::Int(value) => Ok(Value::Float(value as f64 / divided_by)),
                Value::Float(value) => Ok(result.float(value)),
                _ => Err(Undecided),
            },
            Self::ToInteger { operand, range } => match operand.evaluate(inputs)? {
                Value::Null => Ok(Value::Null),
                Value::Int(value) => range.fit(Some(value)).map(Value::Int),
                // From here on `as` would saturate. NaN is not less either.
                Value::Float(value) if value.abs() < 9.2e18 => range.fit(Some(value as i64)).map(Value::Int),
                _ => Err(Undecided),
            },
            Self::InList { value, list, negated } => {
                let value = value.evaluate(inputs)?;
                if value == Value::Null {
                    return Ok(Value::Null);
                }
                let mut has_null = false;
                for item in list {
                    match compare(value, item.evaluate(inputs)?)? {
                        Some(Ordering::Equal) => return Ok(Value::Bool(!negated)),
                        Some(_) => {}
                        None => has_null = true,
                    }
                }
                Ok(if has_null { Value::Null } else { Value::Bool(*negated) })
            }
            Self::Case { branches, otherwise } => {
                for (condition, value) in branches {
                    if truth(condition.evaluate(inputs)?)? == Some(true) {
                        return value.evaluate(inputs);
                    }
                }
                otherwise.evaluate(inputs)
            }
        }
    }
}

/// AND and OR: the first side alone decides if it is `decisive`.
fn connect<'a>(sides: &'a [Node; 2], inputs: &mut impl Inputs<'a>, decisive: bool) -> Result<Value<'a>, Undecided> {
    let left = truth(sides[0].evaluate(inputs)?)?;
    if left == Some(decisive) {
        return Ok(Value::Bool(decisive));
    }
    let right = truth(sides[1].evaluate(inputs)?)?;
    Ok(match (left, right) {
        (_, Some(right)) if right == decisive => Value::Bool(decisive),
        (Some(_), Some(_)) => Value::Bool(!decisive),
        _ => Value::Null,
    })
}

fn truth(value: Value<'_>) -> Result<Option<bool>, Undecided> {
    match value {
        Value::Bool(holds) => Ok(Some(holds)),
        Value::Null => Ok(None),
        _ => Err(Undecided),
    }
}

/// The order of two values of one type, `None` if one is NULL: that of the IEEE 754 total order for floats, with but one zero.
fn compare(left: Value<'_>, right: Value<'_>) -> Result<Option<Ordering>, Undecided> {
    Ok(Some(match (left, right) {
        (Value::Null, _) | (_, Value::Null) => return Ok(None),
        (Value::Int(left), Value::Int(right)) => left.cmp(&right),
        // 0.0 + -0.0 is 0.0.
        (Value::Float(left), Value::Float(right)) => (0.0 + left).total_cmp(&(0.0 + right)),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(&right),
        _ => return Err(Undecided),
    }))
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl Operation {
    fn of_integers(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            Self::Remainder => left.checked_rem(right),
        }
    }

    fn of_floats(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Remainder => left % right,
        }
    }
}

impl Number {
    /// A result computed in double precision. For one operation on floats of single precision, rounding twice is rounding once.
    fn float(self, value: f64) -> Value<'static> {
        Value::Float(if self == Self::Float32 { f64::from(value as f32) } else { value })
    }
}
