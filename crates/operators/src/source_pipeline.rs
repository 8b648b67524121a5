//! What a source node does to the rows of its connector: NOT NULL checks, computed columns, watermarks, projection.

mod watermark_column;

use std::collections::BTreeSet;

use std::sync::Arc;

use arrow::array::Array;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use dipper_graph::{SourceSpec, TableSpec};
use dipper_operator_api::OperatorMetrics;
use dipper_types::{Error, Result, Watermark};

use crate::expression::Expression;
use watermark_column::WatermarkColumn;

/// Turns what a connector reads into what the table is: computed columns added, only the wanted columns kept, and the
/// watermark that the rows give. A column passes through without a copy.
#[derive(Debug)]
pub struct SourcePipeline {
    table: String,
    /// Indices into the connector's schema.
    read: Vec<usize>,
    /// Places among the read columns that may not be NULL.
    not_null: Vec<usize>,
    /// In the order of evaluation, each over the read columns and the computed ones before it.
    computed: Vec<Computed>,
    watermark: Option<WatermarkColumn>,
    /// Whether the table's format leaves out bad records, as which rows without a time count.
    skips_bad_records: bool,
    /// Places among the read and then the computed columns.
    output: Vec<usize>,
    output_schema: SchemaRef,
}

#[derive(Debug)]
struct Computed {
    expression: Expression,
    /// The read columns and the computed ones up to this one.
    schema: SchemaRef,
}

impl SourcePipeline {
    /// Binds the spec to the schema of the connector ([`dipper_operator_api::Source::schema`]).
    pub fn new(spec: &SourceSpec, source_schema: &SchemaRef) -> Result<Self> {
        let table = &spec.table.name;
        Self::bind(spec, source_schema).map_err(|error| error.context(format!("table '{table}'")))
    }

    fn bind(spec: &SourceSpec, source_schema: &SchemaRef) -> Result<Self> {
        check_columns(spec, source_schema)?;
        let needed = needed_columns(spec)?;
        let mut read: Vec<usize> = (0..source_schema.fields().len())
            .filter(|column| needed.contains(source_schema.field(*column).name()))
            .collect();
        if read.is_empty() {
            // The number of rows must not hang on how a connector takes an empty projection.
            read.push(cheapest_column(source_schema)?);
        }
        let mut fields: Vec<FieldRef> = Vec::new();
        for column in &read {
            fields.push(declared(spec, source_schema.field(*column)));
        }
        let not_null = (0..fields.len()).filter(|column| !fields[*column].is_nullable()).collect();
        let mut computed = Vec::new();
        for column in spec.computed.iter().filter(|column| needed.contains(&column.name)) {
            let before = SchemaRef::new(Schema::new(fields.clone()));
            let expression = Expression::new(&column.expr, &before)?;
            let (data_type, nullable) = (expression.data_type(&before)?, expression.nullable(&before)?);
            fields.push(FieldRef::new(Field::new(&column.name, data_type, nullable)));
            computed.push(Computed { expression, schema: SchemaRef::new(Schema::new(fields.clone())) });
        }
        let all = SchemaRef::new(Schema::new(fields));
        let watermark = spec.watermark.as_ref().map(|watermark| WatermarkColumn::new(watermark, &all)).transpose()?;
        let output = spec.output.iter().map(|name| Ok(all.index_of(name)?)).collect::<Result<Vec<_>>>()?;
        let output_schema = SchemaRef::new(all.project(&output)?);
        Ok(Self {
            table: spec.table.name.clone(),
            read,
            not_null,
            computed,
            watermark,
            skips_bad_records: skips_bad_records(&spec.table),
            output,
            output_schema,
        })
    }

    /// The columns to ask of the connector, as indices into its schema, in the order in which [`Self::process`] wants them:
    /// those that the output, the watermark and the computed columns used by either need, at least one.
    pub fn read_columns(&self) -> Vec<usize> {
        self.read.clone()
    }

    /// The columns that [`Self::process`] yields.
    pub fn output_schema(&self) -> &SchemaRef {
        &self.output_schema
    }

    /// The output columns for a batch of the read columns, and the highest watermark that its rows give, if the table has one.
    /// Fails when a NOT NULL column or the watermark is NULL somewhere, or an expression cannot be evaluated.
    pub fn process(&self, batch: &RecordBatch) -> Result<(RecordBatch, Option<Watermark>)> {
        self.run(batch, None).map_err(|error| error.context(format!("table '{}'", self.table)))
    }

    /// [`Self::process`] for a batch of a split, which errors name. Where the table leaves out bad records, rows without a
    /// watermark are left out as well, and counted as skipped; then there may be no row left.
    pub fn process_split(
        &self,
        batch: &RecordBatch,
        split: &str,
        metrics: &OperatorMetrics,
    ) -> Result<(RecordBatch, Option<Watermark>)> {
        let skipped = self.skips_bad_records.then_some(metrics);
        self.run(batch, skipped).map_err(|error| error.context(format!("table '{}', {split}", self.table)))
    }

    /// Leaves out rows without a watermark if there is somewhere to count them.
    fn run(&self, batch: &RecordBatch, skipped: Option<&OperatorMetrics>) -> Result<(RecordBatch, Option<Watermark>)> {
        if batch.num_columns() != self.read.len() {
            return Err(Error::internal(format!(
                "the connector delivered {} columns of {} it was asked for",
                batch.num_columns(),
                self.read.len()
            )));
        }
        for &column in &self.not_null {
            if batch.column(column).null_count() > 0 {
                let name = batch.schema_ref().field(column).name().clone();
                return Err(Error::invalid(format!("column '{name}' is NOT NULL, but NULL in a row"))
                    .with_hint("drop NOT NULL from the column's definition"));
            }
        }
        let mut rows = batch.clone();
        for column in &self.computed {
            let values = column.expression.evaluate(&rows)?;
            let (_, mut columns, _) = rows.into_parts();
            columns.push(values);
            rows = RecordBatch::try_new(SchemaRef::clone(&column.schema), columns)?;
        }
        if let (Some(watermark), Some(metrics)) = (&self.watermark, skipped)
            && let Some(with_time) = watermark.rows_with_time(&rows)?
        {
            OperatorMetrics::add(&metrics.skipped_records, with_time.false_count());
            rows = filter_record_batch(&rows, &with_time)?;
        }
        let watermark = self.watermark.as_ref().map(|watermark| watermark.highest(&rows)).transpose()?;
        let columns = self.output.iter().map(|column| Arc::clone(rows.column(*column))).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let output = RecordBatch::try_new_with_options(SchemaRef::clone(&self.output_schema), columns, &options)?;
        Ok((output, watermark.flatten()))
    }
}

/// What the option `<format>.on-error`, or Flink's name for it, says.
fn skips_bad_records(table: &TableSpec) -> bool {
    let option = |key: &str| {
        let found = table.options.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value.trim().to_lowercase())
    };
    let Some(format) = option("format") else { return false };
    option(&format!("{format}.on-error")).is_some_and(|value| value == "skip")
        || option(&format!("{format}.ignore-parse-errors")).is_some_and(|value| value == "true")
}

/// Every table column must be the connector's, with its type.
fn check_columns(spec: &SourceSpec, source_schema: &Schema) -> Result<()> {
    for field in spec.table.columns.fields() {
        let name = field.name();
        let Some((_, found)) = source_schema.fields().find(name) else {
            return Err(Error::internal(format!("the connector has no column '{name}'")));
        };
        if !found.data_type().equals_datatype(field.data_type()) {
            let (wanted, found) = (field.data_type(), found.data_type());
            return Err(Error::internal(format!(
                "column '{name}' is declared as {wanted}, the connector reads {found}"
            )));
        }
    }
    Ok(())
}

/// The columns, by name, that the output and the watermark read, through computed columns.
fn needed_columns(spec: &SourceSpec) -> Result<BTreeSet<String>> {
    let mut needed: BTreeSet<String> = spec.output.iter().cloned().collect();
    let read_by =
        |expr: &dipper_graph::BoundExpr| expr.0.column_refs().into_iter().map(|column| column.name.clone()).collect();
    if let Some(watermark) = &spec.watermark {
        let columns: Vec<String> = read_by(&watermark.expr);
        needed.extend(columns);
    }
    // A computed column reads only those before it, so that one pass backwards finds all.
    for column in spec.computed.iter().rev() {
        if needed.contains(&column.name) {
            let columns: Vec<String> = read_by(&column.expr);
            needed.extend(columns);
        }
    }
    let is_known = |name: &&String| {
        spec.table.columns.fields().find(name).is_some() || spec.computed.iter().any(|column| column.name == **name)
    };
    match needed.iter().find(|name| !is_known(name)) {
        Some(name) => Err(Error::internal(format!("there is no column '{name}'"))),
        None => Ok(needed),
    }
}

/// The field as the table declares it, NOT NULL included; a connector may know less.
fn declared(spec: &SourceSpec, field: &Field) -> FieldRef {
    match spec.table.columns.fields().find(field.name()) {
        Some((_, declared)) => FieldRef::clone(declared),
        None => FieldRef::new(field.clone()),
    }
}

fn cheapest_column(schema: &Schema) -> Result<usize> {
    let fixed = schema.fields().iter().position(|field| field.data_type().primitive_width().is_some());
    match fixed {
        Some(column) => Ok(column),
        None if schema.fields().is_empty() => Err(Error::invalid("the table has no column that can be read")),
        None => Ok(0),
    }
}

#[cfg(test)]
mod tests;
