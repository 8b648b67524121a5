//! Errors as gRPC knows them: a code for the program, a text for the person.

use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use dipper_types::{Error, ErrorKind};
use tonic::{Code, Status};

/// The text travels in a header, and clients refuse large ones.
const CHARACTERS_MAX: usize = 1_500;

/// What every call of this crate gives back.
pub(crate) type Result<T, E = Status> = std::result::Result<T, E>;

/// An error of ours, with its place in the SQL and the way to mend it in the text.
pub(crate) fn status(error: &Error) -> Status {
    let code = match error.kind() {
        ErrorKind::Invalid => Code::InvalidArgument,
        ErrorKind::Unsupported => Code::Unimplemented,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Fenced => Code::Aborted,
        ErrorKind::Corrupt => Code::DataLoss,
        ErrorKind::Cancelled => Code::Cancelled,
        _ => Code::Internal,
    };
    let place = error.span().map(|span| format!(" ({})", span.start)).unwrap_or_default();
    let hint = error.hint().map(|hint| format!("\nhint: {}", shortened(hint))).unwrap_or_default();
    Status::new(code, format!("{}{place}{hint}", shortened(&error.to_string())))
}

/// An error of Arrow's.
pub(crate) fn of_arrow(error: ArrowError) -> Status {
    status(&Error::from(error))
}

/// An error of Flight's, which may carry one of ours.
pub(crate) fn of_flight(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        FlightError::Arrow(error) => of_arrow(error),
        other => Status::invalid_argument(shortened(&other.to_string())),
    }
}

/// Something that is not there on purpose.
pub(crate) fn unsupported(message: impl Into<String>, hint: &str) -> Status {
    status(&Error::unsupported(message).with_hint(hint))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use dipper_types::{Position, Span};

    use super::*;

    #[test]
    fn the_text_says_where_and_how_to_mend_it() {
        let place = Position { line: 2, column: 7 };
        let error =
            Error::invalid("there is no column 'prise'").at(Span::new(place, place)).with_hint("did you mean 'price'?");
        let status = status(&error);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "there is no column 'prise' (line 2, column 7)\nhint: did you mean 'price'?");
    }

    #[test]
    fn a_long_text_is_cut() {
        let status = status(&Error::internal("é".repeat(100_000)));
        assert_eq!(status.message().chars().count(), CHARACTERS_MAX + 1);
    }
}
