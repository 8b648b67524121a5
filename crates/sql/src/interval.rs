//! Intervals of several units, `INTERVAL '1:30' MINUTE TO SECOND`, in the form that DataFusion plans: `INTERVAL '1 MINUTE 30 SECOND'`.

use sqlparser::ast::{DateTimeField, Expr, Interval, Value};

/// The units from the largest to the smallest, each with the sign before it and how many make one of the next larger.
const UNITS: [(DateTimeField, char, u32); 6] = [
    (DateTimeField::Year, ' ', u32::MAX),
    (DateTimeField::Month, '-', 12),
    (DateTimeField::Day, ' ', u32::MAX),
    (DateTimeField::Hour, ' ', 24),
    (DateTimeField::Minute, ':', 60),
    (DateTimeField::Second, ':', 60),
];

/// The interval without its second unit and its precisions, which say nothing about its value; else what is wrong with it.
pub(crate) fn with_units_inside(interval: Interval) -> Result<Interval, String> {
    let plain = |value, leading_field| Interval {
        value,
        leading_field,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    };
    let (Some(first), Some(last)) = (&interval.leading_field, &interval.last_field) else {
        return Ok(plain(interval.value, interval.leading_field));
    };
    let units = between(first, last).ok_or_else(|| format!("there is no interval of {first} TO {last}"))?;
    let Expr::Value(text) = interval.value.as_ref() else {
        return Err("the length of an interval stands in single quotes".to_owned());
    };
    let mut value = text.clone();
    let Value::SingleQuotedString(length) = &mut value.value else {
        return Err("the length of an interval stands in single quotes".to_owned());
    };
    *length = in_words(length, units).ok_or_else(|| {
        let form = form(units);
        format!("'{length}' is no interval of {first} TO {last}: write '{form}'")
    })?;
    Ok(plain(Box::new(Expr::Value(value)), None))
}

/// The units of `first TO last`: years and months do not mix with the others.
fn between(first: &DateTimeField, last: &DateTimeField) -> Option<&'static [(DateTimeField, char, u32)]> {
    let place = |unit: &DateTimeField| UNITS.iter().position(|(known, ..)| known == unit);
    let (first, last) = (place(first)?, place(last)?);
    let is_range = first < last && (last < 2 || first >= 2);
    is_range.then(|| &UNITS[first..=last])
}

/// `-1 MINUTE -30.5 SECOND` of `-1:30.5`.
fn in_words(length: &str, units: &[(DateTimeField, char, u32)]) -> Option<String> {
    let length = length.trim();
    let (sign, mut rest) = match length.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", length.strip_prefix('+').unwrap_or(length)),
    };
    let mut words = Vec::new();
    for (index, (unit, _, most)) in units.iter().enumerate() {
        let number = match units.get(index + 1) {
            Some((_, separator, _)) => {
                let (number, behind) = rest.split_once(*separator)?;
                rest = behind;
                number
            }
            None => rest,
        };
        let (whole, fraction) = match (unit, number.split_once('.')) {
            (DateTimeField::Second, Some((whole, fraction))) => (whole, fraction),
            _ => (number, ""),
        };
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = !whole.is_empty() && are_digits(whole) && are_digits(fraction);
        let is_too_much = index > 0 && whole.parse::<u32>().is_ok_and(|whole| whole >= *most);
        if !is_number || is_too_much || whole.len() > 9 {
            return None;
        }
        words.push(format!("{sign}{number} {unit}"));
    }
    Some(words.join(" "))
}

/// What such an interval looks like.
fn form(units: &[(DateTimeField, char, u32)]) -> String {
    let mut form = String::new();
    for (index, (unit, separator, _)) in units.iter().enumerate() {
        if index > 0 {
            form.push(*separator);
        }
        form.push_str(&unit.to_string().to_lowercase());
    }
    form
}

#[cfg(test)]
mod tests {
    use sqlparser::ast::DateTimeField::{Day, Hour, Minute, Month, Second, Year};

    use super::*;

    #[test]
    fn each_unit_gets_its_number() {
        for (length, first, last, expected) in [
            ("1:30", Minute, Second, "1 MINUTE 30 SECOND"),
            ("-1:30.25", Minute, Second, "-1 MINUTE -30.25 SECOND"),
            ("100:00:05", Hour, Second, "100 HOUR 00 MINUTE 05 SECOND"),
            ("2 03:04:05.6", Day, Second, "2 DAY 03 HOUR 04 MINUTE 05.6 SECOND"),
            (" +2 3 ", Day, Hour, "2 DAY 3 HOUR"),
            ("1-11", Year, Month, "1 YEAR 11 MONTH"),
        ] {
            assert_eq!(between(&first, &last).and_then(|units| in_words(length, units)).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_no_interval_is_none() {
        for (length, first, last) in [
            ("1", Minute, Second),
            ("1:60", Minute, Second),
            ("1:2:3", Minute, Second),
            ("1:-2", Minute, Second),
            ("1.5:2", Minute, Second),
            ("1:2.5.5", Minute, Second),
            ("2 24:00", Day, Minute),
            (":", Hour, Minute),
            ("9999999999:1", Hour, Minute),
            ("1-12", Year, Month),
            ("1-2", Second, Minute),
            ("1 2", Month, Day),
        ] {
            let found = between(&first, &last).and_then(|units| in_words(length, units));
            assert_eq!(found, None, "{length}");
        }
    }
}
