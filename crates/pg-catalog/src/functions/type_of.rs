//! `pg_typeof`: what Postgres calls the type of a value. It asks the type of its argument and not the values.

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::types::{format_type, pg_type_of};

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TypeOf {
    signature: Signature,
}

impl Default for TypeOf {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &'static str {
        "pg_typeof"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [field] = args.arg_fields.as_slice() else { return plan_err!("pg_typeof takes one value") };
        let name = if *field.data_type() == DataType::Null {
            "unknown".to_owned()
        } else {
            // Without the digits, as Postgres says it.
            let known = pg_type_of(field);
            format_type(known.oid, None).unwrap_or_else(|| known.name.to_owned())
        };
        Ok(ColumnarValue::Scalar(ScalarValue::from(name)))
    }
}
