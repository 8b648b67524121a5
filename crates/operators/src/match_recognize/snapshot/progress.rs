//! How far event time has come: un-keyed state. Every subtask of an operator behind an exchange has seen the same watermark at a barrier.

use dipper_state::ListItem;
use dipper_types::{Error, Result, Timestamp, Watermark};
use serde_json::{Value, json};

use super::tables::does_not_fit;

/// How far event time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Progress {
    /// The greatest time, in the unit of the time column, that a watermark has passed.
    pub(in super::super) passed: i64,
    /// The watermark that has been forwarded.
    pub(in super::super) forwarded: Watermark,
}

impl Progress {
    /// The name of its list.
    pub(in super::super) const LIST: &str = "progress";

    /// As an item of the list.
    pub(in super::super) fn to_item(self) -> ListItem {
        let state = json!({ "passed": self.passed, "forwarded_us": self.forwarded.0.0 });
        ListItem { id: "watermark".to_owned(), state }
    }

    /// The least of what all subtasks have stored: none of their rows is taken for late that was not.
    pub(in super::super) fn of_items(items: &[ListItem]) -> Result<Option<Self>> {
        let number = |item: &ListItem, name: &str| -> Result<i64> {
            let number = item.state.get(name).and_then(Value::as_i64);
            number.ok_or_else(|| -> Error { does_not_fit(format_args!("the progress {} has no '{name}'", item.state)) })
        };
        let mut least: Option<Self> = None;
        for item in items {
            let (passed, forwarded) = (number(item, "passed")?, number(item, "forwarded_us")?);
            let forwarded = Watermark(Timestamp(forwarded));
            least = Some(least.map_or(Self { passed, forwarded }, |least| Self {
                passed: least.passed.min(passed),
                forwarded: least.forwarded.min(forwarded),
            }));
        }
        Ok(least)
    }
}
