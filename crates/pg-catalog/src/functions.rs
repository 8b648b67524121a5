//! The functions of Postgres that clients call about the system, a value at a time over a snapshot.

mod array;
pub(crate) mod cast;
pub(crate) mod definition;
mod json;
mod object;
mod privilege;
mod session;
mod size;
mod text;
mod type_of;

use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result as DataFusionResult, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use dipper_types::Result;

use crate::cell::Cell;
use crate::kind::Kind;
use crate::snapshot::Snapshot;
pub(crate) use array::POSITIONS_MAX;
use type_of::TypeOf;

/// A function: how it is called, what it returns, and how a value is made of its arguments.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// How many arguments it may have.
    arguments: RangeInclusive<usize>,
    returns: Kind,
    /// Null as soon as an argument is.
    is_strict: bool,
    body: fn(&Snapshot, &[Cell]) -> Result<Cell>,
}

impl Function {
    /// The type of its values.
    pub(crate) fn data_type(&self) -> DataType {
        self.returns.data_type()
    }
}

/// A function that is null as soon as an argument is.
const fn strict(
    name: &'static str,
    arguments: RangeInclusive<usize>,
    returns: Kind,
    body: fn(&Snapshot, &[Cell]) -> Result<Cell>,
) -> Function {
    Function { name, arguments, returns, is_strict: true, body }
}

/// A function that is asked about nulls, too.
const fn lenient(
    name: &'static str,
    arguments: RangeInclusive<usize>,
    returns: Kind,
    body: fn(&Snapshot, &[Cell]) -> Result<Cell>,
) -> Function {
    Function { name, arguments, returns, is_strict: false, body }
}

/// All functions.
pub(crate) fn all() -> impl Iterator<Item = &'static Function> {
    let groups = [
        array::FUNCTIONS,
        cast::FUNCTIONS,
        definition::FUNCTIONS,
        json::FUNCTIONS,
        object::FUNCTIONS,
        privilege::FUNCTIONS,
        session::FUNCTIONS,
        size::FUNCTIONS,
        text::FUNCTIONS,
    ];
    groups.into_iter().flatten()
}

/// Whether only this crate knows the function, so that a statement that calls it is about the system.
pub(crate) fn is_of_system(name: &str) -> bool {
    let groups = [
        cast::FUNCTIONS,
        definition::FUNCTIONS,
        object::FUNCTIONS,
        privilege::FUNCTIONS,
        session::FUNCTIONS,
        size::FUNCTIONS,
    ];
    groups.into_iter().flatten().any(|function| function.name == name)
}

/// The functions over a snapshot, for DataFusion.
pub(crate) fn over(snapshot: &Arc<Snapshot>) -> Vec<Arc<ScalarUDF>> {
    let function = |function: &'static Function| {
        let most = *function.arguments.end();
        let counts = function.arguments.clone().take_while(|_| most != usize::MAX);
        let mut shapes: Vec<_> =
            counts.map(|count| if count == 0 { TypeSignature::Nullary } else { TypeSignature::Any(count) }).collect();
        if most == usize::MAX {
            shapes = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        }
        let signature = Signature::one_of(shapes, Volatility::Stable);
        Arc::new(ScalarUDF::new_from_impl(OverSnapshot { function, signature, snapshot: Arc::clone(snapshot) }))
    };
    all().map(function).chain([Arc::new(ScalarUDF::new_from_impl(TypeOf::default()))]).collect()
}

/// A function and the snapshot it reads.
struct OverSnapshot {
    function: &'static Function,
    signature: Signature,
    snapshot: Arc<Snapshot>,
}

impl ScalarUDFImpl for OverSnapshot {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
        Ok(self.function.returns.data_type())
    }

    /// A vector says that it is one: clients read its numbers only then.
    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> DataFusionResult<FieldRef> {
        let (name, returns) = (self.function.name, self.function.returns);
        let is_vector = matches!(returns, Kind::Int2Vector | Kind::OidVector);
        Ok(Arc::new(if is_vector { returns.field(name) } else { Field::new(name, returns.data_type(), true) }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        // Of nothing but constants one value is enough.
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|arg| arg.to_array(rows)).collect::<DataFusionResult<Vec<_>>>()?;
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            let arguments =
                columns.iter().map(|column| Cell::read(column, row)).collect::<Result<Vec<_>>>().map_err(external)?;
            let is_null = self.function.is_strict && arguments.iter().any(Cell::is_null);
            values.push(if is_null {
                Cell::Null
            } else {
                (self.function.body)(&self.snapshot, &arguments).map_err(external)?
            });
        }
        let array = self.function.returns.array(values.iter());
        Ok(if is_constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
        } else {
            ColumnarValue::Array(array)
        })
    }
}

fn external(error: dipper_types::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl std::fmt::Debug for OverSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.function.name)
    }
}

impl PartialEq for OverSnapshot {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && Arc::ptr_eq(&self.snapshot, &other.snapshot)
    }
}

impl Eq for OverSnapshot {}

impl Hash for OverSnapshot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}
