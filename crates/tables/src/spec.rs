//! What a table is created with: columns, primary key, options. What a table cannot hold is refused here, by name.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use dipper_types::{Error, Result, sql_type_name};

/// The field metadata that holds a column's SQL type, such as `TIMESTAMP(3)`.
pub const SQL_TYPE: &str = "dipper.type";

/// What a column name may not contain: Parquet and other engines stumble over it.
const FORBIDDEN: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

/// A table that is to be created.
#[derive(Debug, Clone)]
pub struct TableSpec {
    pub(crate) name: Option<String>,
    pub(crate) schema: SchemaRef,
    pub(crate) primary_key: Vec<String>,
    pub(crate) options: TableOptions,
}

/// How a table is kept. All of it is stored with the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOptions {
    /// A file that is full is about this large, in bytes.
    pub target_file_bytes: u64,
    /// A checkpoint of the log is written after so many commits.
    pub checkpoint_interval: u64,
    /// How long a data file stays after a commit has taken it out of the table: the longest query, and how far one can travel back.
    pub file_retention_ms: i64,
    /// How long commits stay in the log.
    pub log_retention_ms: i64,
    /// How long a file stays that no commit has named. It must be longer than a job can be down between staging a file and committing it.
    pub leftover_retention_ms: i64,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            target_file_bytes: 128 << 20,
            checkpoint_interval: 100,
            file_retention_ms: 3_600_000,
            log_retention_ms: 86_400_000,
            leftover_retention_ms: 7 * 86_400_000,
        }
    }
}

impl TableSpec {
    /// A table with these columns. Types become those that files hold (timestamps of microseconds, unsigned integers the next larger signed
    /// ones); the SQL name of each type stays in the field's metadata under [`SQL_TYPE`], taken from there if it is there already.
    ///
    /// ```
    /// use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
    /// use dipper_tables::{SQL_TYPE, TableSpec};
    /// let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    /// let spec = TableSpec::new(&Schema::new(vec![Field::new("at", time, true)])).unwrap();
    /// assert_eq!(spec.schema().field(0).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, None));
    /// assert_eq!(spec.schema().field(0).metadata()[SQL_TYPE], "TIMESTAMP(3)");
    ///
    /// let time = Schema::new(vec![Field::new("at", DataType::Time32(TimeUnit::Second), true)]);
    /// assert_eq!(TableSpec::new(&time).unwrap_err().to_string(), "column 'at': a table cannot hold the type TIME(0)");
    /// ```
    pub fn new(columns: &Schema) -> Result<Self> {
        if columns.fields().is_empty() {
            return Err(Error::invalid("a table needs at least one column"));
        }
        let fields = columns.fields().iter().map(|field| stored_field(field)).collect::<Result<Vec<_>>>()?;
        check_names(fields.iter().map(|field| field.name().as_str()))?;
        let schema = Arc::new(Schema::new(fields));
        Ok(Self { name: None, schema, primary_key: Vec::new(), options: TableOptions::default() })
    }

    /// Names the table, for those who read its log.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Makes it a table with one row per key. The columns become NOT NULL.
    pub fn with_primary_key<S: AsRef<str>>(mut self, columns: &[S]) -> Result<Self> {
        let mut key = Vec::with_capacity(columns.len());
        for name in columns.iter().map(AsRef::as_ref) {
            let Some((_, field)) = self.schema.fields().find(name) else {
                return Err(Error::invalid(format!("primary key: there is no column '{name}'")));
            };
            // What is equal must be equal byte by byte.
            if matches!(field.data_type(), DataType::Float32 | DataType::Float64 | DataType::List(_)) {
                let sql_type = sql_type_name(field.data_type());
                return Err(Error::invalid(format!("primary key: column '{name}' has the type {sql_type}"))
                    .with_hint("a key may have any type but FLOAT, DOUBLE and ARRAY"));
            }
            if key.iter().any(|known| known == name) {
                return Err(Error::invalid(format!("primary key: column '{name}' is named twice")));
            }
            key.push(name.to_owned());
        }
        let fields = self.schema.fields().iter().map(|field| {
            let nullable = field.is_nullable() && !key.contains(field.name());
            Arc::new(field.as_ref().clone().with_nullable(nullable))
        });
        self.schema = Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>()));
        self.primary_key = key;
        Ok(self)
    }

    /// Sets how the table is kept.
    #[must_use]
    pub fn with_options(mut self, options: TableOptions) -> Self {
        self.options = options;
        self
    }

    /// The columns, with the types that files hold.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns of the primary key; none if there is no key.
    pub fn primary_key(&self) -> &[String] {
        &self.primary_key
    }
}

/// The SQL type of a column of a table, which another engine may not have noted.
pub fn stored_sql_type(column: &Field) -> String {
    column.metadata().get(SQL_TYPE).cloned().unwrap_or_else(|| sql_type_name(column.data_type()))
}

/// A column as files hold it.
pub(crate) fn stored_field(field: &Field) -> Result<FieldRef> {
    let name = field.name();
    let Some(stored) = stored_type(field.data_type()) else {
        let hint = "cast it to a type that a table can hold; times have at most six digits of a second";
        return Err(Error::unsupported(format!(
            "column '{name}': a table cannot hold the type {}",
            sql_type_name(field.data_type())
        ))
        .with_hint(hint));
    };
    let metadata = [(SQL_TYPE.to_owned(), stored_sql_type(field))].into();
    Ok(Arc::new(Field::new(name, stored, field.is_nullable()).with_metadata(metadata)))
}

/// The type that files hold values of `data_type` in; none if a table cannot hold them.
fn stored_type(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32 => data_type.clone(),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale)
            if *precision <= 38 && (0..=*precision as i8).contains(scale) =>
        {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Timestamp(unit, zone) if *unit != TimeUnit::Nanosecond => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
        }
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
            let stored = stored_type(element.data_type())?;
            DataType::List(Arc::new(Field::new("element", stored, element.is_nullable())))
        }
        DataType::Dictionary(_, value) => return stored_type(value),
        _ => return None,
    })
}

/// Refuses names that other engines cannot take, and names that they cannot tell apart.
pub(crate) fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() || name.contains(FORBIDDEN) {
            return Err(Error::invalid(format!("column '{name}': a table cannot have a column of this name"))
                .with_hint("a name has no spaces and none of , ; { } ( ) ="));
        }
        if !seen.insert(name.to_lowercase()) {
            return Err(Error::invalid(format!("column '{name}': there is another one of this name"))
                .with_hint("names must differ in more than upper and lower case"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, data_type: DataType) -> Schema {
        Schema::new(vec![Field::new(name, data_type, true)])
    }

    #[test]
    fn types_become_those_that_files_hold() {
        for (given, stored, name) in [
            (DataType::UInt32, DataType::Int64, "INT UNSIGNED"),
            (DataType::Utf8View, DataType::Utf8, "STRING"),
            (DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)), DataType::Utf8, "STRING"),
            (
                DataType::Timestamp(TimeUnit::Second, Some("+01:00".into())),
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                "TIMESTAMP_LTZ(0)",
            ),
            (DataType::Decimal256(38, 2), DataType::Decimal128(38, 2), "DECIMAL(38, 2)"),
        ] {
            let spec = TableSpec::new(&column("c", given)).unwrap();
            assert_eq!(spec.schema().field(0).data_type(), &stored);
            assert_eq!(spec.schema().field(0).metadata()[SQL_TYPE], name);
        }
    }

    #[test]
    fn what_a_table_cannot_hold_is_refused_by_name() {
        for (name, data_type, message) in [
            ("a", DataType::UInt64, "column 'a': a table cannot hold the type BIGINT UNSIGNED"),
            (
                "a",
                DataType::Timestamp(TimeUnit::Nanosecond, None),
                "column 'a': a table cannot hold the type TIMESTAMP(9)",
            ),
            ("a", DataType::Decimal128(10, -2), "column 'a': a table cannot hold the type DECIMAL(10, -2)"),
            ("a b", DataType::Int32, "column 'a b': a table cannot have a column of this name"),
        ] {
            assert_eq!(TableSpec::new(&column(name, data_type)).unwrap_err().to_string(), message);
        }
        let twice = Schema::new(vec![Field::new("a", DataType::Int32, true), Field::new("A", DataType::Int32, true)]);
        assert_eq!(TableSpec::new(&twice).unwrap_err().to_string(), "column 'A': there is another one of this name");
    }

    #[test]
    fn a_key_is_of_columns_that_exist_and_can_be_compared_byte_by_byte() {
        let spec = || TableSpec::new(&column("f", DataType::Float64)).unwrap();
        assert_eq!(spec().with_primary_key(&["g"]).unwrap_err().to_string(), "primary key: there is no column 'g'");
        let error = spec().with_primary_key(&["f"]).unwrap_err();
        assert_eq!(error.to_string(), "primary key: column 'f' has the type DOUBLE");
        let spec = TableSpec::new(&column("k", DataType::Utf8)).unwrap().with_primary_key(&["k"]).unwrap();
        assert!(!spec.schema().field(0).is_nullable());
    }
}
