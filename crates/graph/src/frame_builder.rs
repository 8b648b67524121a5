//! Frames under construction: each distinct thing that an expression reads from the match becomes one column.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::Expr;

use crate::{BoundExpr, Frame, FrameColumn, FrameExpr};

/// A frame.
#[derive(Debug, Default)]
pub struct FrameBuilder {
    columns: Vec<FrameColumn>,
    fields: Vec<Field>,
}

impl FrameBuilder {
    /// The name of the column that holds `column`: an existing one, or a new one called `text` or something like it.
    pub fn add(&mut self, column: FrameColumn, text: &str, data_type: DataType) -> String {
        if let Some(index) = self.columns.iter().position(|known| *known == column) {
            return self.fields[index].name().clone();
        }
        let mut name = text.to_owned();
        for number in 1.. {
            if !self.fields.iter().any(|field| *field.name() == name) {
                break;
            }
            name = format!("{text}#{number}");
        }
        self.columns.push(column);
        self.fields.push(Field::new(&name, data_type, true));
        name
    }

    /// What the columns so far hold.
    pub fn columns(&self) -> &[FrameColumn] {
        &self.columns
    }

    /// Names and types of the columns so far.
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.fields.clone()))
    }

    /// The finished expression, over the columns that it really reads.
    pub fn finish(self, expr: Expr, data_type: DataType) -> FrameExpr {
        let read = expr.column_refs();
        let kept = |field: &Field| read.iter().any(|column| column.name == *field.name());
        let (columns, fields): (Vec<FrameColumn>, Vec<Field>) =
            self.columns.into_iter().zip(self.fields).filter(|(_, field)| kept(field)).unzip();
        FrameExpr { frame: Frame { columns, schema: Arc::new(Schema::new(fields)) }, expr: BoundExpr(expr), data_type }
    }
}

/// What PREV or NEXT over so many rows looks like in SQL: `PREV(price, 2)` for -2.
pub fn shifted_text(inner: String, shift: i64) -> String {
    let function = if shift < 0 { "PREV" } else { "NEXT" };
    match shift.unsigned_abs() {
        0 => inner,
        1 => format!("{function}({inner})"),
        rows => format!("{function}({inner}, {rows})"),
    }
}
