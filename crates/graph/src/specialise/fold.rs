//! A condition with what is known of the match at one place put in.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use dipper_pattern::{Answer, Navigation, Place, RowBefore, SymbolId};
use dipper_types::Result;

use super::navigation;
use super::null_rejection::rejects_null;
use crate::{
    Define, FrameBuilder, FrameColumn, FrameExpr, FromDataFusion, Logical, MatchRecognizeSpec, Target, shifted_text,
    simplify_checked,
};

/// The conditions of a clause, ready to be folded.
pub(super) struct Fold<'a> {
    spec: &'a MatchRecognizeSpec,
    /// By variable: what the answers of a place are to.
    navigations: &'a [Vec<Navigation>],
}

/// Where a target lies.
enum Reached {
    /// At a fixed distance: rows forward or, negative, backward.
    At(i64),
    /// There is no such row.
    Nowhere,
    /// That depends on more than the place.
    Unknown,
}

impl<'a> Fold<'a> {
    pub(super) fn new(spec: &'a MatchRecognizeSpec, navigations: &'a [Vec<Navigation>]) -> Self {
        Self { spec, navigations }
    }

    /// What is left of a condition at a place. It is as true there as the whole is; it may be false for NULL.
    pub(super) fn condition(&self, define: &Define, place: &Place) -> Result<FrameExpr> {
        let written = &define.condition.frame;
        let columns = written.columns.iter().zip(written.schema.fields());
        let known = columns.map(|(column, field)| Ok((field, self.known(column, field, place)?)));
        let mut known = known.collect::<Result<Vec<_>>>()?;
        // In one order, so that conditions that read the same are the same.
        known.sort_by(|(_, left), (_, right)| left.text().cmp(right.text()));
        let mut frame = FrameBuilder::default();
        let mut values: HashMap<&str, Expr> = HashMap::new();
        for (field, known) in known {
            let value = match known {
                Known::Value(value) => Expr::Literal(value, None),
                Known::Column(column, text) => by_name(frame.add(column, &text, field.data_type().clone())),
            };
            values.insert(field.name(), value);
        }
        let put_in = |part: Expr| match &part {
            Expr::Column(column) => {
                Ok(values.get(column.name.as_str()).cloned().map_or_else(|| Transformed::no(part), Transformed::yes))
            }
            _ => Ok(Transformed::no(part)),
        };
        let expr = define.condition.expr.0.clone().transform_up(put_in).or_plan_error()?.data;
        let schema = self.with_nullability(&frame, place);
        let expr = simplified(null_is_false(simplified(expr, &schema)?), &schema)?;
        Ok(frame.finish(expr, DataType::Boolean))
    }

    fn reached(&self, target: &Target, place: &Place) -> Reached {
        if target.logical == Logical::Current {
            return Reached::At(target.shift);
        }
        let navigations = self.navigations.get(place.symbol.index()).into_iter().flatten();
        let mut answers = navigations.zip(&place.answers);
        let answer = answers.find(|(known, _)| navigation(&target.logical).as_ref() == Some(known));
        match answer.map(|(_, answer)| *answer) {
            Some(Answer::Back(distance)) => Reached::At(target.shift.saturating_sub(i64::from(distance))),
            Some(Answer::Unmapped) => Reached::Nowhere,
            Some(Answer::Unknown) | None => Reached::Unknown,
        }
    }

    /// What takes the place of a frame column.
    fn known(&self, column: &FrameColumn, field: &Field, place: &Place) -> Result<Known> {
        let as_written = || Known::Column(column.clone(), field.name().clone());
        let Some(target) = column.target() else { return Ok(as_written()) };
        let shift = match self.reached(target, place) {
            Reached::At(shift) => Some(shift),
            Reached::Nowhere => None,
            Reached::Unknown => return Ok(as_written()),
        };
        let fixed = |shift| Target { logical: Logical::Current, shift };
        Ok(match (column, shift) {
            (FrameColumn::Exists { .. }, None) => Known::Value(ScalarValue::from(false)),
            (_, None) => Known::Value(ScalarValue::try_from(field.data_type()).or_plan_error()?),
            (FrameColumn::Exists { .. }, Some(shift)) if shift == 0 || row_before(place, shift).is_some_and(within) => {
                Known::Value(ScalarValue::from(true))
            }
            (FrameColumn::Exists { .. }, Some(shift)) => {
                let text = format!("EXISTS({})", shifted_text("*".to_owned(), shift));
                Known::Column(FrameColumn::Exists { target: fixed(shift) }, text)
            }
            (FrameColumn::Classifier { .. }, Some(shift)) => match self.classifier(place, shift) {
                Some(name) => Known::Value(name.cast_to(field.data_type()).or_plan_error()?),
                None => as_written(),
            },
            (FrameColumn::Input { column, .. }, Some(shift)) => {
                let text = shifted_text(self.spec.input_schema.field(*column).name().clone(), shift);
                Known::Column(FrameColumn::Input { column: *column, target: fixed(shift) }, text)
            }
            _ => as_written(),
        })
    }

    /// CLASSIFIER() of a row, which may be NULL, if the place tells.
    fn classifier(&self, place: &Place, shift: i64) -> Option<ScalarValue> {
        let name = |symbol: SymbolId| ScalarValue::Utf8(self.spec.variables.get(symbol.index()).cloned());
        if shift >= 0 {
            return Some(if shift == 0 { name(place.symbol) } else { ScalarValue::Utf8(None) });
        }
        let row = row_before(place, shift)?;
        let mut symbols = row.symbols.iter();
        match (symbols.next(), symbols.next()) {
            (None, _) => Some(ScalarValue::Utf8(None)),
            (Some(only), None) if !row.outside => Some(name(only)),
            _ => None,
        }
    }

    /// The frame's columns, with those marked that cannot be NULL at the place: some row of the match has been accepted there by a
    /// condition that is not true of NULL.
    fn with_nullability(&self, frame: &FrameBuilder, place: &Place) -> SchemaRef {
        let never_null = |column: &FrameColumn| {
            let FrameColumn::Input { column, target } = column else { return false };
            let row = target.fixed_distance().and_then(|shift| row_before(place, shift));
            row.is_some_and(|row| within(row) && row.symbols.iter().all(|symbol| self.rejects_null(symbol, *column)))
        };
        let schema = frame.schema();
        let fields = frame.columns().iter().zip(schema.fields());
        let fields = fields.map(|(column, field)| field.as_ref().clone().with_nullable(!never_null(column)));
        Arc::new(Schema::new(fields.collect::<Vec<Field>>()))
    }

    fn rejects_null(&self, symbol: SymbolId, column: usize) -> bool {
        let define = self.spec.defines.iter().find(|define| define.symbol == symbol);
        define.is_some_and(|define| rejects_null(define, column))
    }
}

/// What a frame column has become.
enum Known {
    Value(ScalarValue),
    /// A column, and what to call it.
    Column(FrameColumn, String),
}

impl Known {
    fn text(&self) -> &str {
        match self {
            Self::Value(_) => "",
            Self::Column(_, text) => text,
        }
    }
}

/// What is known of the row at a distance, if it lies before the row under test and near enough.
fn row_before(place: &Place, shift: i64) -> Option<RowBefore> {
    let distance = usize::try_from(shift.checked_neg()?).ok()?;
    place.before.get(distance.checked_sub(1)?).copied()
}

/// Whether a row belongs to the match on every path.
fn within(row: RowBefore) -> bool {
    !row.outside
}

fn by_name(name: String) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// The expression simplified. One in which that meets an error stays as it is: the error counts only where a row is tested.
fn simplified(expr: Expr, schema: &SchemaRef) -> Result<Expr> {
    let schema = Arc::new(DFSchema::try_from(Arc::clone(schema)).or_plan_error()?);
    let context = SimplifyContext::builder().with_schema(Arc::clone(&schema)).build();
    Ok(simplify_checked(expr.clone(), &schema, &ExprSimplifier::new(context)).unwrap_or(expr))
}

/// A condition with FALSE for NULL where that makes no difference to whether it is true.
fn null_is_false(expr: Expr) -> Expr {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (null_is_false(*left), null_is_false(*right));
            Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
        }
        Expr::Literal(value, _) if value.is_null() => lit(false),
        other => other,
    }
}
