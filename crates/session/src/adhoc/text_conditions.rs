//! Conditions on texts that can be tested on views of them as well.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, in_list,
};

/// The text columns of `schema` that a condition compares with constants, and uses in no other way.
pub(super) fn compared(condition: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<BTreeSet<String>> {
    let is_text = |name: &str| schema.field_with_name(name).is_ok_and(|field| *field.data_type() == DataType::Utf8);
    let (mut compared, mut used) = (BTreeSet::new(), BTreeSet::new());
    condition.apply(|expr| {
        let children = expr.children();
        let columns = children.iter().filter_map(|child| child.downcast_ref::<Column>());
        let texts: Vec<String> = columns.map(|column| column.name().to_owned()).filter(|name| is_text(name)).collect();
        let constants = children.iter().filter(|child| text(child).is_some()).count();
        if is_comparison(expr) && texts.len() == 1 && 1 + constants == children.len() {
            compared.extend(texts);
        } else {
            used.extend(texts);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(&compared - &used)
}

/// The condition for rows of `schema`, in which these columns, which it compares with constants, are views.
pub(super) fn by_views(
    condition: Arc<dyn PhysicalExpr>,
    texts: &BTreeSet<String>,
    schema: &Schema,
) -> Result<Arc<dyn PhysicalExpr>> {
    let is_view = |expr: &&Arc<dyn PhysicalExpr>| {
        expr.downcast_ref::<Column>().is_some_and(|column| texts.contains(column.name()))
    };
    let by_view = |expr: Arc<dyn PhysicalExpr>| {
        if !expr.children().iter().any(is_view) {
            return Ok(Transformed::no(expr));
        }
        let as_view = |expr: &Arc<dyn PhysicalExpr>| -> Arc<dyn PhysicalExpr> {
            text(expr)
                .map_or_else(|| Arc::clone(expr), |text| Arc::new(Literal::new(ScalarValue::Utf8View(text.clone()))))
        };
        // A list is looked up in a set, which is of the type of its members.
        let compared = if let Some(list) = expr.downcast_ref::<InListExpr>() {
            let members = list.list().iter().map(as_view).collect();
            in_list(as_view(list.expr()), members, &list.negated(), schema)?
        } else {
            let children = expr.children().into_iter().map(as_view).collect();
            expr.with_new_children(children)?
        };
        Ok(Transformed::yes(compared))
    };
    condition.transform_up(by_view).map(|condition| condition.data)
}

/// Whether an expression compares its operands, with a pattern too: `supports_propagation` is so of all such operators.
fn is_comparison(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.downcast_ref::<BinaryExpr>().is_some_and(|binary| binary.op().supports_propagation())
        || expr.is::<LikeExpr>()
        || expr.is::<InListExpr>()
        || expr.is::<IsNullExpr>()
        || expr.is::<IsNotNullExpr>()
}

/// The text that an expression stands for; nothing if it is no constant text.
fn text(expr: &Arc<dyn PhysicalExpr>) -> Option<&Option<String>> {
    match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Utf8(text) => Some(text),
        _ => None,
    }
}
