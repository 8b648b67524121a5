//! The operator's state at a barrier: a row for each group of each open window, its keys and what its aggregates have come to.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt16Array, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use dipper_operator_api::{key_groups, timestamp_values};
use dipper_state::{ListItem, Redistribution, StateReader, StateRows, StateWriter, TableSpec};
use dipper_types::{Error, ErrorKind, Result, Timestamp, Watermark};
use serde_json::{Value, json};

use super::open_window::OpenWindow;
use super::{WindowAggregate, rows_by_end};

/// The list that holds the watermark, and what its item says.
const PROGRESS: &str = "progress";
const WATERMARK_US: &str = "watermark_us";

impl WindowAggregate {
    /// Hands over the groups that have changed since the last time, and the keys of those whose windows have closed.
    pub(super) fn hand_over(&mut self, state: &mut StateWriter) -> Result<()> {
        let table = self.table();
        let is_first = self.closed.is_none();
        if is_first {
            state.replace(&table);
        }
        for keys in self.closed.replace(Vec::new()).unwrap_or_default() {
            let rows = RecordBatch::try_new(table.key_schema(), keys)?;
            let groups = key_groups_of(&self.keys, rows.columns(), state.key_groups())?;
            state.delete(&table, groups, rows)?;
        }
        for window in self.windows.values_mut() {
            if let Some(columns) = window.hand_over(&self.group_schema, &self.aggregates)? {
                let rows = RecordBatch::try_new(SchemaRef::clone(&table.schema), columns)?;
                let keys = &rows.columns()[..table.key_columns];
                let groups = key_groups_of(&self.keys, keys, state.key_groups())?;
                state.upsert(&table, groups, rows)?;
            }
        }
        let watermark = ListItem { id: "watermark".to_owned(), state: json!({ WATERMARK_US: self.watermark.0.0 }) };
        state.put_list(PROGRESS, Redistribution::Union, vec![watermark]);
        Ok(())
    }

    /// Takes what was handed over of the subtask's key groups.
    pub(super) fn take_over(&mut self, state: &mut StateReader) -> Result<()> {
        let Some(watermark) = least_watermark(&state.take_list(PROGRESS))? else { return Ok(()) };
        self.watermark = watermark;
        let table = self.table();
        // The group columns have the window's end among them.
        let end = self.group_by.iter().position(|column| *column == self.window_end);
        let end = end.ok_or_else(|| Error::internal("the window's end is no group column"))?;
        for StateRows { rows, .. } in state.take_table(&table)? {
            for (end, places) in rows_by_end(timestamp_values(rows.column(end))?) {
                let groups = take_record_batch(&rows, &UInt32Array::from(places))?;
                if !self.windows.contains_key(&end) {
                    self.windows.insert(end, OpenWindow::new(&self.group_schema, &self.aggregates)?);
                }
                if let Some(window) = self.windows.get_mut(&end) {
                    window.take_over(groups.columns().to_vec(), &self.group_schema)?;
                }
            }
        }
        self.closed = Some(Vec::new());
        Ok(())
    }

    /// Its key are the group columns.
    fn table(&self) -> TableSpec {
        let key = |field: &Arc<Field>| Field::new(format!("by.{}", field.name()), field.data_type().clone(), true);
        let mut fields: Vec<Field> = self.group_schema.fields().iter().map(key).collect();
        let key_columns = fields.len();
        for aggregate in &self.aggregates {
            fields.extend(aggregate.state_fields().iter().cloned());
        }
        TableSpec::new("groups", Arc::new(Schema::new(fields)), key_columns)
    }
}

/// The key group of each group, by those of its columns that the exchange hashes.
fn key_groups_of(keys: &[usize], group_columns: &[ArrayRef], groups: u16) -> Result<UInt16Array> {
    let rows = group_columns.first().map_or(0, |column| column.len());
    let keys: Vec<ArrayRef> = keys.iter().map(|key| ArrayRef::clone(&group_columns[*key])).collect();
    Ok(key_groups(&keys, rows, groups)?.into_iter().map(|group| Some(group.0)).collect())
}

/// The least of what all subtasks have stored: behind an exchange, at a barrier, all have seen the same.
fn least_watermark(items: &[ListItem]) -> Result<Option<Watermark>> {
    let mut least: Option<Watermark> = None;
    for item in items {
        let watermark = item.state.get(WATERMARK_US).and_then(Value::as_i64);
        let watermark = watermark.map(|us| Watermark(Timestamp(us))).ok_or_else(|| {
            let message = format!("the stored progress {} of a window aggregate has no '{WATERMARK_US}'", item.state);
            Error::new(ErrorKind::Corrupt, message).with_hint("restore an older checkpoint")
        })?;
        least = Some(least.map_or(watermark, |least| least.min(watermark)));
    }
    Ok(least)
}
