//! JSON as clients make it of what they read.

use dipper_types::{Error, Result};

use super::{Function, lenient, strict};
use crate::cell::Cell;
use crate::kind::Kind::Text;
use crate::snapshot::Snapshot;

pub(super) const FUNCTIONS: &[Function] = &[
    lenient("json_build_object", 0..=usize::MAX, Text, object),
    lenient("jsonb_build_object", 0..=usize::MAX, Text, object),
    lenient("json_build_array", 0..=usize::MAX, Text, |_, arguments| Ok(array(arguments).into())),
    lenient("jsonb_build_array", 0..=usize::MAX, Text, |_, arguments| Ok(array(arguments).into())),
    strict("to_json", 1..=1, Text, |_, arguments| Ok(value(&arguments[0]).into())),
    strict("to_jsonb", 1..=1, Text, |_, arguments| Ok(value(&arguments[0]).into())),
    strict("array_to_json", 1..=1, Text, |_, arguments| Ok(value(&arguments[0]).into())),
];

fn object(_: &Snapshot, arguments: &[Cell]) -> Result<Cell> {
    if !arguments.len().is_multiple_of(2) {
        return Err(Error::invalid("argument list must have even number of elements")
            .with_hint("give names and values by turns"));
    }
    let mut members = Vec::new();
    for pair in arguments.chunks_exact(2) {
        let name = pair[0].print().ok_or_else(|| Error::invalid("a name in json_build_object must not be null"))?;
        members.push(format!("{} : {}", string(&name), value(&pair[1])));
    }
    Ok(format!("{{{}}}", members.join(", ")).into())
}

fn array(items: &[Cell]) -> String {
    format!("[{}]", items.iter().map(value).collect::<Vec<_>>().join(", "))
}

fn value(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Text(text) => string(text),
        Cell::List(items) => format!("[{}]", items.iter().map(value).collect::<Vec<_>>().join(",")),
        other => other.print().unwrap_or_default(),
    }
}

fn string(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\t' => json.push_str("\\t"),
            '\r' => json.push_str("\\r"),
            letter if letter < ' ' => json.extend(["\\u", &format!("{:04x}", letter as u32)]),
            letter => json.push(letter),
        }
    }
    json.push('"');
    json
}
