//! What the value of a setting may be, and how it is kept.

use std::str::FromStr;

use arrow::array::timezone::Tz;

use crate::failure::{Failure, Result};
use crate::sqlstate;

/// No value is longer.
const BYTES_MAX: usize = 10_000;

/// What a value may be.
pub(super) enum Check {
    Any,
    Boolean,
    /// A whole number from the one to the other.
    Number(i64, i64),
    /// A time, in milliseconds if it has no unit.
    Time,
    Choice(&'static [&'static str]),
    /// Nobody sets it.
    Fixed,
    Encoding,
    DateStyle,
    TimeZone,
}

impl Check {
    /// The value as it is kept.
    pub(super) fn checked(&self, name: &str, value: &str) -> Result<String> {
        let trimmed = value.trim();
        if value.len() > BYTES_MAX {
            return Err(Failure::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("the value for parameter \"{name}\" is too long"),
            ));
        }
        let wrong = || invalid(name, value);
        let kept = match self {
            Self::Any => Some(value.to_owned()),
            Self::Boolean => boolean(trimmed).map(str::to_owned),
            Self::Number(min, max) => trimmed
                .parse::<i64>()
                .ok()
                .filter(|number| (min..=max).contains(&number))
                .map(|number| number.to_string()),
            Self::Time => milliseconds(trimmed).map(|_| trimmed.to_owned()),
            Self::Choice(choices) => {
                let choice = choices.iter().find(|choice| choice.eq_ignore_ascii_case(trimmed));
                return choice
                    .map(|choice| (*choice).to_owned())
                    .ok_or_else(|| wrong().with_hint(format!("it can be: {}", choices.join(", "))));
            }
            Self::Fixed => {
                let message = format!("parameter \"{name}\" cannot be changed");
                return Err(Failure::new(sqlstate::CANNOT_CHANGE_NOW, message));
            }
            Self::Encoding => {
                let plain: String = trimmed.chars().filter(char::is_ascii_alphanumeric).collect();
                let is_known = ["UTF8", "UNICODE"].iter().any(|known| plain.eq_ignore_ascii_case(known));
                if !is_known {
                    return Err(wrong().with_hint("clients and server speak UTF8"));
                }
                Some("UTF8".to_owned())
            }
            Self::DateStyle => {
                return date_style(trimmed).ok_or_else(|| wrong().with_hint("dates are written as in ISO"));
            }
            Self::TimeZone => time_zone(trimmed),
        };
        kept.ok_or_else(wrong)
    }
}

fn invalid(name: &str, value: &str) -> Failure {
    Failure::new(sqlstate::INVALID_PARAMETER_VALUE, format!("invalid value for parameter \"{name}\": \"{value}\""))
}

fn boolean(value: &str) -> Option<&'static str> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "t" | "yes" | "y" | "1" => Some("on"),
        "off" | "false" | "f" | "no" | "n" | "0" => Some("off"),
        _ => None,
    }
}

/// A time with its unit, or in milliseconds.
pub(super) fn milliseconds(value: &str) -> Option<u64> {
    let end = value.find(|character: char| !character.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|millis| i32::try_from(*millis).is_ok())
}

/// ISO, and the order in which the parts of a date are read.
fn date_style(value: &str) -> Option<String> {
    let mut order = "MDY";
    for part in value.split(',').map(str::trim) {
        match part.to_ascii_uppercase().as_str() {
            "ISO" | "DEFAULT" => {}
            "MDY" | "US" | "NONEURO" | "NONEUROPEAN" => order = "MDY",
            "DMY" | "EURO" | "EUROPEAN" => order = "DMY",
            "YMD" => order = "YMD",
            _ => return None,
        }
    }
    Some(format!("ISO, {order}"))
}

/// A zone that Arrow knows.
fn time_zone(value: &str) -> Option<String> {
    let is_universal = ["UTC", "GMT", "Etc/UTC", "Z", "Zulu", "DEFAULT", "LOCAL", "0"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(value));
    if is_universal {
        return Some("UTC".to_owned());
    }
    Tz::from_str(value).ok().map(|_| value.to_owned())
}
