//! DataFusion's messages in the words of SQL: its types and literals are Arrow's.

/// The message with `Float64` as DOUBLE, `Timestamp(ms)` as TIMESTAMP(3) and `Int64(1)` as 1.
pub fn in_sql_words(message: &str) -> String {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(is_part) {
        let (before, from_word) = rest.split_at(start);
        out.push_str(before);
        let end = from_word.find(|character| !is_part(character)).unwrap_or(from_word.len());
        let (word, behind) = from_word.split_at(end);
        let in_quotes = out.ends_with(['\'', '"', '.']);
        let arguments = behind.strip_prefix('(').and_then(|inside| inside.split_once(')'));
        rest = behind;
        match (sql_type(word), arguments) {
            _ if in_quotes => out.push_str(word),
            (Some(_), Some((literal, after))) => {
                out.push_str(&literal.replace('"', "'"));
                rest = after;
            }
            (Some(name), None) => out.push_str(name),
            (None, Some((arguments, after))) => match parameterised(word, arguments) {
                Some(name) => {
                    out.push_str(&name);
                    rest = after;
                }
                None => out.push_str(word),
            },
            (None, None) => out.push_str(word),
        }
    }
    out.push_str(rest);
    out
}

fn sql_type(word: &str) -> Option<&'static str> {
    Some(match word {
        "Utf8" | "LargeUtf8" | "Utf8View" | "String" => "STRING",
        "Int8" => "TINYINT",
        "Int16" => "SMALLINT",
        "Int32" => "INT",
        "Int64" => "BIGINT",
        "UInt8" => "TINYINT UNSIGNED",
        "UInt16" => "SMALLINT UNSIGNED",
        "UInt32" => "INT UNSIGNED",
        "UInt64" => "BIGINT UNSIGNED",
        "Float32" => "FLOAT",
        "Float64" => "DOUBLE",
        "Boolean" => "BOOLEAN",
        "Date32" => "DATE",
        _ => return None,
    })
}

fn parameterised(word: &str, arguments: &str) -> Option<String> {
    match word {
        "Interval" | "IntervalMonthDayNano" => Some("INTERVAL".to_owned()),
        "Decimal128" | "Decimal256" => Some(format!("DECIMAL({arguments})")),
        "Timestamp" => {
            let (unit, zone) = arguments.split_once(',').map_or((arguments, ""), |(unit, zone)| (unit, zone.trim()));
            let digits = match unit {
                "s" => 0,
                "ms" => 3,
                "us" | "µs" => 6,
                "ns" => 9,
                _ => return None,
            };
            let name = if zone.is_empty() || zone == "None" { "TIMESTAMP" } else { "TIMESTAMP_LTZ" };
            Some(format!("{name}({digits})"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::in_sql_words;

    #[test]
    fn types_and_literals_read_as_sql() {
        for (message, expected) in [
            ("cannot coerce Float64 + Utf8", "cannot coerce DOUBLE + STRING"),
            ("a.price > Int64(1) and Utf8(\"x\")", "a.price > 1 and 'x'"),
            ("upper(Utf8, Int64)", "upper(STRING, BIGINT)"),
            ("Timestamp(ms) to Timestamp(ns, \"UTC\")", "TIMESTAMP(3) to TIMESTAMP_LTZ(9)"),
            ("Interval(MonthDayNano), Decimal128(10, 2)", "INTERVAL, DECIMAL(10, 2)"),
            ("column 'Utf8' of t.Int64 (é", "column 'Utf8' of t.Int64 (é"),
            ("an Int64(", "an BIGINT("),
        ] {
            assert_eq!(in_sql_words(message), expected);
        }
    }
}
