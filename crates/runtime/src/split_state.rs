//! How far the splits of a source have been read, as it stands in a checkpoint: every split goes to one subtask, whatever the
//! parallelism, and none that has been read to its end is read again.

use dipper_operator_api::{Split, SplitPosition};
use dipper_state::{ListItem, Redistribution, StateReader, StateWriter};
use dipper_types::{Error, Result, Timestamp, Watermark};
use serde_json::{Value, json};

/// The list in the state of a source.
pub(crate) const SPLITS: &str = "splits";

/// A split and how far it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitProgress {
    pub(crate) split: Split,
    /// Behind the last batch that has been read; `None` before the first.
    pub(crate) position: Option<SplitPosition>,
    /// The highest that its rows have given.
    pub(crate) watermark: Watermark,
    pub(crate) finished: bool,
}

impl SplitProgress {
    /// A split of which nothing has been read.
    pub(crate) fn unread(split: Split) -> Self {
        Self { split, position: None, watermark: Watermark::MIN, finished: false }
    }

    fn to_item(&self) -> ListItem {
        let state = if self.finished {
            json!({ "finished": true })
        } else {
            let watermark = Some(self.watermark.0.0).filter(|_| self.watermark > Watermark::MIN);
            json!({
                "split": self.split.description,
                "position": self.position.as_ref().map(|position| &position.0),
                "watermark": watermark,
            })
        };
        ListItem { id: self.split.id.clone(), state }
    }

    fn of_item(item: ListItem) -> Result<Self> {
        let ListItem { id, state } = item;
        if state["finished"] == true {
            let split = Split { id, description: String::new() };
            return Ok(Self { finished: true, ..Self::unread(split) });
        }
        let description = state["split"].as_str();
        let description = description.ok_or_else(|| Error::internal(format!("split '{id}' without description")))?;
        let position = Some(state["position"].clone()).filter(|position| *position != Value::Null);
        let watermark = state["watermark"].as_i64().map_or(Watermark::MIN, |us| Watermark(Timestamp(us)));
        let split = Split { id, description: description.to_owned() };
        Ok(Self { position: position.map(SplitPosition), watermark, ..Self::unread(split) })
    }
}

/// Hands the splits of a subtask over.
pub(crate) fn put_splits<'a>(state: &mut StateWriter, splits: impl Iterator<Item = &'a SplitProgress>) {
    state.put_list(SPLITS, Redistribution::BySplit, splits.map(SplitProgress::to_item).collect());
}

/// The splits that come to a subtask.
pub(crate) fn take_splits(state: &mut StateReader) -> Result<Vec<SplitProgress>> {
    state.take_list(SPLITS).into_iter().map(SplitProgress::of_item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_comes_back_as_it_was() {
        let split = Split { id: "a.csv".to_owned(), description: "{}".to_owned() };
        let read = SplitProgress {
            position: Some(SplitPosition(json!({ "offset": 7 }))),
            watermark: Watermark(Timestamp(5)),
            ..SplitProgress::unread(split.clone())
        };
        for progress in [SplitProgress::unread(split.clone()), read] {
            assert_eq!(SplitProgress::of_item(progress.to_item()).unwrap(), progress);
        }
        let finished = SplitProgress { finished: true, ..SplitProgress::unread(split) };
        assert!(SplitProgress::of_item(finished.to_item()).unwrap().finished);
    }
}
