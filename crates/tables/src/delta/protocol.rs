//! What of the protocol we understand. A table that needs more is refused, and the feature is named.

use arrow::datatypes::Schema;
use dipper_types::{Error, Result};

use super::action::{Metadata, Protocol};
use super::schema::has_timestamp_without_zone;

const TIMESTAMP_NTZ: &str = "timestampNtz";
const DELETION_VECTORS: &str = "deletionVectors";

/// Features of readers, which are features of writers as well.
const KNOWN: [&str; 2] = [TIMESTAMP_NTZ, DELETION_VECTORS];

/// Features of writers that ask nothing of us as long as the table does not use them, which `check_writable` sees to.
const KNOWN_IF_UNUSED: [&str; 2] = ["appendOnly", "invariants"];

impl Protocol {
    /// The lowest that a table needs.
    pub(crate) fn of(schema: &Schema, deletion_vectors: bool) -> Self {
        Self { min_reader_version: 1, min_writer_version: 2, reader_features: None, writer_features: None }
            .raised(schema, deletion_vectors)
    }

    /// This one with what a table needs in addition.
    pub(crate) fn raised(&self, schema: &Schema, deletion_vectors: bool) -> Self {
        let needed = [(TIMESTAMP_NTZ, has_timestamp_without_zone(schema)), (DELETION_VECTORS, deletion_vectors)];
        let mut needed = needed.into_iter().filter_map(|(feature, needed)| needed.then_some(feature)).peekable();
        if needed.peek().is_none() {
            return self.clone();
        }
        let mut raised = self.clone();
        // What a lower version implies must be named once there are lists.
        let implied = if self.min_writer_version < 7 { &KNOWN_IF_UNUSED[..] } else { &[] };
        let writer = raised.writer_features.get_or_insert_default();
        writer.extend(implied.iter().map(|feature| (*feature).to_owned()));
        let reader = raised.reader_features.get_or_insert_default();
        for feature in needed {
            for features in [&mut *reader, &mut *writer] {
                if !features.iter().any(|known| known == feature) {
                    features.push(feature.to_owned());
                }
            }
        }
        (raised.min_reader_version, raised.min_writer_version) = (3, 7);
        raised
    }

    /// Refuses what we cannot read.
    pub(crate) fn check_readable(&self, metadata: &Metadata) -> Result<()> {
        if self.min_reader_version > 3 {
            return Err(unknown("reader", &format!("version {}", self.min_reader_version)));
        }
        if self.min_reader_version == 3 {
            let features = self.reader_features.iter().flatten();
            if let Some(feature) = features.into_iter().find(|feature| !KNOWN.contains(&feature.as_str())) {
                return Err(unknown("reader", &format!("feature '{feature}'")));
            }
        }
        let mapping = metadata.configuration.get("delta.columnMapping.mode").map_or("none", String::as_str);
        if mapping != "none" {
            return Err(unknown("reader", &format!("feature 'columnMapping' (mode '{mapping}')")));
        }
        if metadata.format.provider != "parquet" {
            return Err(Error::unsupported(format!("its files are in the format '{}'", metadata.format.provider)));
        }
        if !metadata.partition_columns.is_empty() {
            let columns = metadata.partition_columns.join(", ");
            return Err(Error::unsupported(format!("it is partitioned by {columns}"))
                .with_hint("Dipper reads and writes tables without partition columns"));
        }
        Ok(())
    }

    /// Refuses to write where a writer would have to do what we do not.
    pub(crate) fn check_writable(&self, metadata: &Metadata) -> Result<()> {
        match self.min_writer_version {
            ..=2 => {}
            7 => {
                let mut features = self.writer_features.iter().flatten();
                let known = |feature: &str| KNOWN.contains(&feature) || KNOWN_IF_UNUSED.contains(&feature);
                if let Some(feature) = features.find(|feature| !known(feature)) {
                    return Err(unknown("writer", &format!("feature '{feature}'")));
                }
            }
            version => return Err(unknown("writer", &format!("version {version}"))),
        }
        if metadata.configuration.get("delta.appendOnly").is_some_and(|set| set.eq_ignore_ascii_case("true")) {
            return Err(unknown("writer", "property 'delta.appendOnly'"));
        }
        if metadata.schema_string.contains("\"delta.invariants\"") {
            return Err(unknown("writer", "feature 'invariants'"));
        }
        Ok(())
    }
}

fn unknown(who: &str, what: &str) -> Error {
    let hint = match who {
        "reader" => "read it with the engine that has written it, or have that engine write it without the feature",
        _ => "Dipper can read this table; write to one that Dipper has created",
    };
    Error::unsupported(format!("it asks of a {who}: {what}, which Dipper does not have")).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, TimeUnit};

    use super::*;
    use crate::delta::action::Format;

    fn schema(data_type: DataType) -> Schema {
        Schema::new(vec![Field::new("a", data_type, true)])
    }

    fn metadata(configuration: &[(&str, &str)]) -> Metadata {
        Metadata {
            id: String::new(),
            name: None,
            description: None,
            format: Format::default(),
            schema_string: "{}".to_owned(),
            partition_columns: Vec::new(),
            configuration: configuration.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            created_time: None,
        }
    }

    #[test]
    fn a_table_asks_for_no_more_than_it_needs() {
        let plain = Protocol::of(&schema(DataType::Int32), false);
        assert_eq!((plain.min_reader_version, plain.min_writer_version, &plain.reader_features), (1, 2, &None));
        let timestamps = schema(DataType::Timestamp(TimeUnit::Microsecond, None));
        let raised = plain.raised(&timestamps, false);
        assert_eq!((raised.min_reader_version, raised.min_writer_version), (3, 7));
        assert_eq!(raised.reader_features.as_deref(), Some(&["timestampNtz".to_owned()][..]));
        assert_eq!(raised.writer_features.clone().unwrap(), ["appendOnly", "invariants", "timestampNtz"]);
        assert_eq!(raised.raised(&timestamps, true).reader_features.unwrap(), ["timestampNtz", "deletionVectors"]);
        raised.check_readable(&metadata(&[])).unwrap();
        raised.check_writable(&metadata(&[])).unwrap();
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let with = |reader: i32, writer: i32, features: &[&str]| Protocol {
            min_reader_version: reader,
            min_writer_version: writer,
            reader_features: Some(features.iter().map(|feature| (*feature).to_owned()).collect()),
            writer_features: Some(features.iter().map(|feature| (*feature).to_owned()).collect()),
        };
        let none = &metadata(&[]);
        let read = |protocol: Protocol, metadata: &Metadata| protocol.check_readable(metadata).unwrap_err().to_string();
        let write =
            |protocol: Protocol, metadata: &Metadata| protocol.check_writable(metadata).unwrap_err().to_string();
        for (message, part) in [
            (read(with(4, 7, &[]), none), "version 4"),
            (read(with(3, 7, &["v2Checkpoint"]), none), "feature 'v2Checkpoint'"),
            (read(with(2, 5, &[]), &metadata(&[("delta.columnMapping.mode", "name")])), "feature 'columnMapping'"),
            (read(with(1, 2, &[]), &Metadata { partition_columns: vec!["day".to_owned()], ..none.clone() }), "by day"),
            (write(with(1, 4, &[]), none), "version 4"),
            (write(with(3, 7, &["rowTracking"]), none), "feature 'rowTracking'"),
            (write(with(1, 2, &[]), &metadata(&[("delta.appendOnly", "true")])), "'delta.appendOnly'"),
        ] {
            assert!(message.contains(part), "{message}");
        }
    }
}
