//! From a `CREATE TABLE` to a table: names, types, computed columns, watermark, key and the options that are the planner's.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use dipper_graph::{BoundExpr, ComputedColumn, TableSpec, WatermarkSpec};
use dipper_types::{Error, Result};
use sqlparser::ast::{DataType as SqlType, Expr, Ident, Spanned, visit_expressions};

use super::data_type::arrow_type;
use super::duration::parse_duration_ms;
use super::watermark::is_ahead;
use super::{OptionPlace, Table, column_name, relation_name, sql_type_name};
use crate::ast::{ColumnDef, ColumnKind, CreateTable, TableOption, WatermarkDef};
use crate::bind::bind_column_expression;
use crate::source_text::span;

const IDLE_TIMEOUT: &str = "scan.watermark.idle-timeout";
const WATERMARK_OPTIONS: &str = "scan.watermark.";

/// Checks a definition.
pub(super) fn define(create: &CreateTable, ddl: &str) -> Result<Table> {
    let name = relation_name(&create.name)?;
    refuse_unsupported(create)?;
    unique_names(create)?;
    let stored = stored_columns(create)?;
    let computed = computed_columns(create, &stored.schema)?;
    let schema = whole_schema(create, &stored.schema, &computed);
    let options = split_options(create)?;
    let watermark = match &create.watermark {
        Some(definition) => Some(watermark(definition, &schema, options.idle_timeout_ms)?),
        None => None,
    };
    let spec = TableSpec { name, columns: stored.schema, metadata: stored.metadata, options: options.of_connector };
    Ok(Table {
        spec,
        primary_key: primary_key(create, &schema, &computed)?,
        schema,
        computed: computed.into_iter().map(|(column, _)| column).collect(),
        watermark,
        not_written: stored.not_written,
        is_managed: !create.options.iter().any(|option| option.key.eq_ignore_ascii_case("connector")),
        comment: create.comment.clone(),
        column_comments: create
            .columns
            .iter()
            .filter_map(|column| Some((column_name(&column.name), column.comment.clone()?)))
            .collect(),
        unbounded: false,
        ddl: ddl.to_owned(),
        option_places: options.places,
    })
}

fn refuse_unsupported(create: &CreateTable) -> Result<()> {
    if let Some(column) = create.partitioned_by.first() {
        return Err(Error::unsupported("PARTITIONED BY is not supported yet").at(span(column.span)));
    }
    if !create.options.iter().any(|option| option.key.eq_ignore_ascii_case("connector")) {
        let is_near = |option: &&TableOption| super::nearest(&option.key.to_lowercase(), ["connector"]).is_some();
        if let Some(option) = create.options.iter().find(is_near) {
            return Err(Error::invalid(format!("unknown option '{}'", option.key))
                .at(option.key_span)
                .with_hint("did you mean 'connector'?"));
        }
        if create.temporary {
            return Err(Error::invalid(format!("table {} is TEMPORARY and has no 'connector' option", create.name))
                .at(span(create.name.span()))
                .with_hint("say where its rows are, WITH ('connector' = 'filesystem', …), or leave TEMPORARY out"));
        }
        let is_metadata = |column: &&ColumnDef| matches!(column.kind, ColumnKind::Metadata { .. });
        if let Some(column) = create.columns.iter().find(is_metadata) {
            let error = Error::invalid(format!("column {}: a table without a connector has no metadata", column.name));
            return Err(error.at(span(column.name.span)));
        }
    }
    if create.columns.is_empty() {
        return Err(Error::invalid(format!("table {} has no columns", create.name)).at(span(create.name.span())));
    }
    Ok(())
}

fn unique_names(create: &CreateTable) -> Result<()> {
    for (index, column) in create.columns.iter().enumerate() {
        let name = column_name(&column.name);
        if create.columns[..index].iter().any(|earlier| column_name(&earlier.name) == name) {
            let error = Error::invalid(format!("column '{name}' is defined twice")).at(span(column.name.span));
            return Err(error.with_hint("unquoted names are the same in any case"));
        }
    }
    Ok(())
}

/// The columns that come from the connector.
struct Stored {
    schema: SchemaRef,
    metadata: Vec<(usize, String)>,
    not_written: Vec<usize>,
}

fn stored_columns(create: &CreateTable) -> Result<Stored> {
    let mut fields: Vec<Field> = Vec::new();
    let mut metadata = Vec::new();
    let mut not_written = Vec::new();
    for column in &create.columns {
        let name = column_name(&column.name);
        let field = |data_type: &SqlType, type_span, not_null: bool| {
            arrow_type(data_type)
                .map(|data_type| Field::new(&name, data_type, !not_null))
                .map_err(|error| error.at(type_span))
        };
        match &column.kind {
            ColumnKind::Computed(_) => {}
            ColumnKind::Physical { data_type, type_span, not_null } => {
                fields.push(field(data_type, *type_span, *not_null)?);
            }
            ColumnKind::Metadata { data_type, type_span, not_null, key, is_virtual } => {
                metadata.push((fields.len(), key.clone().unwrap_or_else(|| name.clone())));
                if *is_virtual {
                    not_written.push(fields.len());
                }
                fields.push(field(data_type, *type_span, *not_null)?);
            }
        }
    }
    Ok(Stored { schema: Arc::new(Schema::new(fields)), metadata, not_written })
}

/// Binds the computed columns, each after those that it reads.
fn computed_columns(create: &CreateTable, stored: &SchemaRef) -> Result<Vec<(ComputedColumn, Field)>> {
    let mut waiting: Vec<(String, &Expr, &Ident)> = Vec::new();
    for column in &create.columns {
        if let ColumnKind::Computed(expr) = &column.kind {
            waiting.push((column_name(&column.name), expr, &column.name));
        }
    }
    let mut bound: Vec<(ComputedColumn, Field)> = Vec::new();
    while !waiting.is_empty() {
        let is_ready = |expr: &Expr| waiting.iter().all(|(name, ..)| !reads(expr, name));
        let Some(next) = waiting.iter().position(|(_, expr, _)| is_ready(expr)) else {
            let names: Vec<String> = waiting.iter().map(|(name, ..)| format!("'{name}'")).collect();
            return Err(Error::invalid(format!("computed columns depend on each other: {}", names.join(", ")))
                .at(span(waiting[0].2.span)));
        };
        let (name, expr, _) = waiting.remove(next);
        let (expr, data_type, nullable) = bind_column_expression(expr, &with_computed(stored, &bound))
            .map_err(|error| error.context(format!("computed column '{name}'")))?;
        bound.push((
            ComputedColumn { name: name.clone(), expr: BoundExpr(expr) },
            Field::new(name, data_type, nullable),
        ));
    }
    Ok(bound)
}

/// Whether an expression mentions a column.
fn reads(expr: &Expr, column: &str) -> bool {
    let found = visit_expressions(expr, |part| match part {
        Expr::Identifier(ident) if column_name(ident) == column => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

fn with_computed(stored: &SchemaRef, computed: &[(ComputedColumn, Field)]) -> SchemaRef {
    let fields = stored.fields().iter().map(|field| field.as_ref().clone());
    Arc::new(Schema::new(fields.chain(computed.iter().map(|(_, field)| field.clone())).collect::<Vec<_>>()))
}

/// All columns in the order of the definition.
fn whole_schema(create: &CreateTable, stored: &SchemaRef, computed: &[(ComputedColumn, Field)]) -> SchemaRef {
    let all = with_computed(stored, computed);
    let in_order =
        create.columns.iter().filter_map(|column| all.field_with_name(&column_name(&column.name)).ok().cloned());
    Arc::new(Schema::new(in_order.collect::<Vec<_>>()))
}

fn watermark(definition: &WatermarkDef, schema: &SchemaRef, idle_timeout_ms: Option<u64>) -> Result<WatermarkSpec> {
    let column = column_name(&definition.column);
    let here = span(definition.column.span);
    let field = schema.field_with_name(&column).map_err(|_| {
        let error = Error::invalid(format!("watermark on unknown column '{column}'")).at(here);
        match super::nearest(&column, schema.fields().iter().map(|field| field.name().as_str())) {
            Some(meant) => error.with_hint(format!("did you mean '{meant}'?")),
            None => error,
        }
    })?;
    if !matches!(field.data_type(), DataType::Timestamp(..)) {
        let kind = sql_type_name(field.data_type());
        return Err(Error::invalid(format!("watermark on column '{column}' of type {kind}: it must be a TIMESTAMP"))
            .at(here)
            .with_hint(format!(
                "declare it TIMESTAMP(3), or add a computed column, such as event_time AS TO_TIMESTAMP({column})"
            )));
    }
    let (expr, data_type, _) = bind_column_expression(&definition.expr, schema)
        .map_err(|error| error.context("watermark").at(definition.span))?;
    if !matches!(data_type, DataType::Timestamp(..)) {
        let kind = sql_type_name(&data_type);
        return Err(Error::invalid(format!("the watermark is of type {kind}: it must be a TIMESTAMP"))
            .at(span(definition.expr.span()))
            .with_hint(format!("for instance: {column} - INTERVAL '5' SECOND")));
    }
    if is_ahead(&expr, &column) {
        return Err(Error::invalid(format!(
            "the watermark is ahead of '{column}': each row would be late when it comes"
        ))
        .at(span(definition.expr.span()))
        .with_hint(format!("subtract the time that rows may be late: {column} - INTERVAL '5' SECOND")));
    }
    Ok(WatermarkSpec { column, expr: BoundExpr(expr), idle_timeout_ms })
}

fn primary_key(create: &CreateTable, schema: &SchemaRef, computed: &[(ComputedColumn, Field)]) -> Result<Vec<String>> {
    let mut key: Vec<String> = Vec::new();
    for ident in &create.primary_key {
        let name = column_name(ident);
        let problem = if schema.field_with_name(&name).is_err() {
            "is not a column"
        } else if computed.iter().any(|(column, _)| column.name == name) {
            "is a computed column"
        } else if key.contains(&name) {
            "is named twice"
        } else {
            key.push(name);
            continue;
        };
        return Err(Error::invalid(format!("primary key: '{name}' {problem}")).at(span(ident.span)));
    }
    Ok(key)
}

/// The options, divided among the planner and the connector.
struct Options {
    of_connector: BTreeMap<String, String>,
    places: BTreeMap<String, OptionPlace>,
    idle_timeout_ms: Option<u64>,
}

fn split_options(create: &CreateTable) -> Result<Options> {
    let mut options = Options { of_connector: BTreeMap::new(), places: BTreeMap::new(), idle_timeout_ms: None };
    for option in &create.options {
        if option.key.eq_ignore_ascii_case(IDLE_TIMEOUT) {
            if create.watermark.is_none() {
                let error = Error::invalid(format!("option '{IDLE_TIMEOUT}' without a WATERMARK"));
                return Err(error.at(option.key_span).with_hint("add WATERMARK FOR column AS expression"));
            }
            let timeout = parse_duration_ms(&option.value)
                .map_err(|error| error.context(format!("option '{IDLE_TIMEOUT}'")).at(option.value_span))?;
            // As in Flink, zero switches it off.
            options.idle_timeout_ms = Some(timeout).filter(|timeout| *timeout > 0);
        } else if option.key.to_lowercase().starts_with(WATERMARK_OPTIONS) {
            return Err(Error::unsupported(format!("option '{}' is not supported yet", option.key)).at(option.key_span));
        } else {
            options.of_connector.insert(option.key.clone(), option.value.clone());
            options.places.insert(option.key.clone(), OptionPlace { key: option.key_span, value: option.value_span });
        }
    }
    Ok(options)
}
