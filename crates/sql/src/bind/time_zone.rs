//! `x AT TIME ZONE 'zone'`: the local time there of an instant, and the instant of a local time. DataFusion 55 makes an instant of either. The parser
//! writes a call of [`AT_TIME_ZONE`](crate::ast::AT_TIME_ZONE), which has the right type, and [`meant`] what computes it.

use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use arrow::array::timezone::Tz;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err, plan_err};
use datafusion::functions::datetime::to_local_time;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, cast,
};

use dipper_types::sql_type_name;

use crate::ast::AT_TIME_ZONE;

/// The zone that instants are held in.
const HELD: &str = "UTC";

/// The function that the parser calls.
pub(super) fn function() -> &'static Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(ScalarUDF::from(AtTimeZone { signature: Signature::any(2, Volatility::Immutable) })));
    &FUNCTION
}

/// What computes a call of it.
pub(super) fn meant(call: &ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let [time, Expr::Literal(zone, _)] = call.args.as_slice() else { return plan_err!("{WHICH}") };
    let zone = known(Some(zone))?;
    let there = |unit| cast(time.clone(), DataType::Timestamp(unit, Some(zone.as_str().into())));
    Ok(Transformed::yes(match time.get_type(schema)? {
        DataType::Timestamp(unit, Some(_)) => to_local_time().call(vec![there(unit)]),
        other => cast(there(unit_of(&other)), result(&other)),
    }))
}

const WHICH: &str = "AT TIME ZONE takes a name in quotes, as in AT TIME ZONE 'Europe/Berlin'";

fn known(zone: Option<&ScalarValue>) -> Result<String> {
    let Some(ScalarValue::Utf8(Some(zone))) = zone else { return plan_err!("{WHICH}") };
    if zone.eq_ignore_ascii_case(HELD) {
        return Ok(HELD.to_owned());
    }
    match Tz::from_str(zone) {
        Ok(_) => Ok(zone.clone()),
        Err(_) => plan_err!("unknown time zone '{zone}'"),
    }
}

fn unit_of(time: &DataType) -> TimeUnit {
    if let DataType::Timestamp(unit, _) = time { *unit } else { TimeUnit::Microsecond }
}

/// The type of the result for a time of this type.
fn result(time: &DataType) -> DataType {
    match time {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, None),
        local => DataType::Timestamp(unit_of(local), Some(HELD.into())),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AtTimeZone {
    signature: Signature,
}

impl ScalarUDFImpl for AtTimeZone {
    fn name(&self) -> &'static str {
        AT_TIME_ZONE
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        match arguments {
            [time, Expr::Literal(ScalarValue::Utf8(Some(zone)), _)] => {
                Ok(format!("{} AT TIME ZONE '{zone}'", time.schema_name()))
            }
            _ => plan_err!("{WHICH}"),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of a time in a zone follows from its field")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        known(arguments.scalar_arguments.get(1).copied().flatten())?;
        let Some(time) = arguments.arg_fields.first() else { return plan_err!("{WHICH}") };
        match time.data_type() {
            DataType::Timestamp(..) | DataType::Date32 | DataType::Utf8 | DataType::Null => {
                Ok(Arc::new(Field::new(self.name(), result(time.data_type()), true)))
            }
            other => plan_err!("AT TIME ZONE takes a timestamp, not {}", sql_type_name(other)),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("a time in a zone was not planned")
    }
}
