//! The types of the columns of system tables and of the values of system functions.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float32Builder, Int16Builder, Int32Builder, Int64Builder, ListBuilder, StringBuilder,
    StructBuilder,
};
use arrow::datatypes::{DataType, Field, Fields};

use crate::cell::Cell;

/// The key of a field's metadata under which the name stands of the Postgres type that its Arrow type does not tell, as in `oid`.
pub const PG_TYPE: &str = "pg_type";

/// A type of Postgres as system tables have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Bool,
    Char,
    Name,
    Text,
    Int2,
    Int4,
    Int8,
    Oid,
    Xid,
    Float4,
    /// `name[]`
    Names,
    /// `text[]`, also for `aclitem[]`.
    Texts,
    /// `int2[]`, also for `int2vector`.
    Int2s,
    /// `int4[]`
    Int4s,
    /// `oid[]`, also for `oidvector`.
    Oids,
    /// `int2vector` as it is shown.
    Int2Vector,
    /// `oidvector` as it is shown.
    OidVector,
    /// `(x, n)[]`, what `_pg_expandarray` returns the rows of.
    Pairs,
}

impl Kind {
    /// How Arrow holds it. An identifier is below 2³¹, so it fits an `int4`.
    pub(crate) fn data_type(self) -> DataType {
        let list = |kind: Self| DataType::List(Arc::new(Field::new_list_field(kind.data_type(), true)));
        match self {
            Self::Bool => DataType::Boolean,
            Self::Char | Self::Name | Self::Text | Self::Int2Vector | Self::OidVector => DataType::Utf8,
            Self::Int2 => DataType::Int16,
            Self::Int4 | Self::Oid | Self::Xid => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Float4 => DataType::Float32,
            Self::Names | Self::Texts => list(Self::Text),
            Self::Int2s => list(Self::Int2),
            Self::Int4s => list(Self::Int4),
            Self::Oids => list(Self::Oid),
            Self::Pairs => DataType::List(Arc::new(Field::new_list_field(DataType::Struct(pair()), true))),
        }
    }

    /// The name of the Postgres type.
    pub(crate) fn pg_name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Char => "char",
            Self::Name => "name",
            Self::Text => "text",
            Self::Int2 => "int2",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Oid => "oid",
            Self::Xid => "xid",
            Self::Float4 => "float4",
            Self::Names => "_name",
            Self::Texts => "_text",
            Self::Int2s => "_int2",
            Self::Int4s => "_int4",
            Self::Oids => "_oid",
            Self::Int2Vector => "int2vector",
            Self::OidVector => "oidvector",
            Self::Pairs => "json",
        }
    }

    /// The type of a name, as [`Self::pg_name`] has it.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        use Kind::{Bool, Char, Float4, Int2, Int2s, Int4, Int4s, Int8, Name, Names, Oid, Oids, Text, Texts, Xid};

        let all = [Bool, Char, Name, Text, Int2, Int4, Int8, Oid, Xid, Float4, Names, Texts, Int2s, Int4s, Oids];
        all.into_iter().find(|kind| kind.pg_name() == name)
    }

    /// A field of this type.
    pub(crate) fn field(self, name: &str) -> Field {
        let field = Field::new(name, self.data_type(), true);
        match self {
            Self::Char
            | Self::Name
            | Self::Oid
            | Self::Xid
            | Self::Names
            | Self::Oids
            | Self::Int2Vector
            | Self::OidVector => field.with_metadata(HashMap::from([(PG_TYPE.to_owned(), self.pg_name().to_owned())])),
            _ => field,
        }
    }

    /// An array of values, each of this type or null.
    pub(crate) fn array<'a>(self, cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
        match self {
            Self::Bool => {
                let mut builder = BooleanBuilder::new();
                cells.for_each(|cell| builder.append_option(cell.boolean()));
                Arc::new(builder.finish())
            }
            Self::Char | Self::Name | Self::Text | Self::Int2Vector | Self::OidVector => {
                let mut builder = StringBuilder::new();
                cells.for_each(|cell| builder.append_option(cell.text()));
                Arc::new(builder.finish())
            }
            Self::Int2 => {
                let mut builder = Int16Builder::new();
                cells.for_each(|cell| builder.append_option(cell.integer().map(|value| value as i16)));
                Arc::new(builder.finish())
            }
            Self::Int4 | Self::Oid | Self::Xid => {
                let mut builder = Int32Builder::new();
                cells.for_each(|cell| builder.append_option(cell.integer().map(|value| value as i32)));
                Arc::new(builder.finish())
            }
            Self::Int8 => {
                let mut builder = Int64Builder::new();
                cells.for_each(|cell| builder.append_option(cell.integer()));
                Arc::new(builder.finish())
            }
            Self::Float4 => {
                let mut builder = Float32Builder::new();
                cells.for_each(|cell| builder.append_option(cell.float().map(|value| value as f32)));
                Arc::new(builder.finish())
            }
            Self::Names | Self::Texts => {
                let mut builder = ListBuilder::new(StringBuilder::new());
                cells.for_each(|cell| {
                    builder.append_option(
                        cell.list().map(|items| items.iter().map(|item| item.text().map(str::to_owned))),
                    );
                });
                Arc::new(builder.finish())
            }
            Self::Int2s => {
                let mut builder = ListBuilder::new(Int16Builder::new());
                cells.for_each(|cell| {
                    builder.append_option(
                        cell.list().map(|items| items.iter().map(|item| item.integer().map(|value| value as i16))),
                    );
                });
                Arc::new(builder.finish())
            }
            Self::Int4s | Self::Oids => {
                let mut builder = ListBuilder::new(Int32Builder::new());
                cells.for_each(|cell| {
                    builder.append_option(
                        cell.list().map(|items| items.iter().map(|item| item.integer().map(|value| value as i32))),
                    );
                });
                Arc::new(builder.finish())
            }
            Self::Pairs => pairs(cells),
        }
    }
}

/// What `_pg_expandarray` gives of an element: itself, and its place from 1.
fn pair() -> Fields {
    Fields::from(vec![Field::new("x", DataType::Int32, true), Field::new("n", DataType::Int32, true)])
}

fn pairs<'a>(cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
    let mut builder = ListBuilder::new(StructBuilder::from_fields(pair(), 0));
    for cell in cells {
        let items = cell.list();
        for (place, item) in items.unwrap_or_default().iter().enumerate() {
            let record = builder.values();
            let values = [item.integer().map(|value| value as i32), Some(place as i32 + 1)];
            for (column, value) in values.into_iter().enumerate() {
                if let Some(column) = record.field_builder::<Int32Builder>(column) {
                    column.append_option(value);
                }
            }
            record.append(true);
        }
        builder.append(items.is_some());
    }
    Arc::new(builder.finish())
}
