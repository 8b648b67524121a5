//! Which input columns the operator keeps: those that a condition, a measure, the order or the output reads.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use dipper_types::{Error, Result};

/// The kept columns; a *slot* is an index into them.
#[derive(Debug)]
pub(super) struct KeptColumns {
    schema: SchemaRef,
    inputs: Vec<usize>,
    slots: Vec<Option<usize>>,
}

impl KeptColumns {
    /// Keeps nothing yet.
    pub(super) fn new(schema: SchemaRef) -> Self {
        let slots = vec![None; schema.fields().len()];
        Self { schema, inputs: Vec::new(), slots }
    }

    /// Keeps an input column and says where.
    pub(super) fn keep(&mut self, input: usize) -> Result<usize> {
        let slot =
            self.slots.get_mut(input).ok_or_else(|| Error::internal(format!("there is no input column {input}")))?;
        Ok(*slot.get_or_insert_with(|| {
            self.inputs.push(input);
            self.inputs.len() - 1
        }))
    }

    /// Keeps an input column by its name.
    pub(super) fn keep_named(&mut self, name: &str) -> Result<usize> {
        let found =
            self.schema.index_of(name).map_err(|_| Error::internal(format!("there is no input column '{name}'")))?;
        self.keep(found)
    }

    /// The type of a kept column.
    pub(super) fn data_type(&self, slot: usize) -> &DataType {
        self.schema.field(self.inputs[slot]).data_type()
    }

    /// The types of the kept columns.
    pub(super) fn data_types(&self) -> Vec<DataType> {
        (0..self.inputs.len()).map(|slot| self.data_type(slot).clone()).collect()
    }

    /// The input's columns.
    pub(super) fn input(&self) -> &SchemaRef {
        &self.schema
    }

    /// The slots in the order of the input's columns: an order that does not depend on who asked for which first.
    pub(super) fn in_order(&self) -> Vec<usize> {
        self.slots.iter().copied().flatten().collect()
    }

    /// The name of a kept column.
    pub(super) fn name(&self, slot: usize) -> &str {
        self.schema.field(self.inputs[slot]).name()
    }

    /// The kept columns of a batch of the input.
    pub(super) fn of(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.inputs.iter().map(|input| ArrayRef::clone(batch.column(*input))).collect()
    }
}
