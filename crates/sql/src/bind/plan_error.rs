//! DataFusion's planning errors in our words and with their place.

use datafusion::common::{DataFusionError, Diagnostic};
use dipper_graph::{FromDataFusion, in_sql_words};
use dipper_types::{Error, ErrorKind, Position, Span};

use super::function_names;
use crate::catalog::nearest;

/// Functions that exist only inside the clause.
const CLAUSE_FUNCTIONS: &[&str] =
    &["prev", "next", "first", "last", "classifier", "match_number", "match_rowtime", "match_proctime", "match_status"];

/// A diagnostic that says less than its error.
const SAYS_LESS: &str = "expressions have incompatible types";

/// Ours as it was; DataFusion's with its diagnostic's words and place.
pub(crate) fn plan_error(error: DataFusionError) -> Error {
    let diagnostic = error.diagnostic().cloned();
    let is_ours = is_ours(&error);
    let Err(converted) = Err::<(), _>(error).or_plan_error() else {
        return Error::internal("planning failed without an error");
    };
    // Whatever DataFusion calls an internal error while it plans, the user's text has caused.
    let converted = if !is_ours && converted.kind() == ErrorKind::Internal {
        let invalid = Error::invalid(converted.to_string());
        match converted.span() {
            Some(place) => invalid.at(place),
            None => invalid,
        }
    } else {
        converted
    };
    if is_ours {
        return match place(diagnostic.as_ref()) {
            Some(place) => converted.at(place),
            None => converted,
        };
    }
    let (kind, message) = match &diagnostic {
        Some(diagnostic) if !diagnostic.message.starts_with(SAYS_LESS) => (converted.kind(), tidy(&diagnostic.message)),
        _ => match argument_types(&converted.to_string()) {
            Some(message) => (ErrorKind::Invalid, message),
            None => (converted.kind(), tidy(&converted.to_string())),
        },
    };
    let mut error = Error::new(kind, in_sql_words(&message));
    let function = unknown_function(&error.to_string());
    if let Some(function) = &function {
        error = unknown_function_error(function);
    }
    if let Some(place) = converted.span().or_else(|| place(diagnostic.as_ref())) {
        error = error.at(place);
    }
    match diagnostic.as_ref().and_then(advice) {
        Some(advice) if error.hint().is_none() && function.is_none() && !advice.starts_with("has type") => {
            error.with_hint(advice)
        }
        _ => error,
    }
}

fn is_ours(error: &DataFusionError) -> bool {
    match error {
        DataFusionError::External(inner) => inner.is::<Error>(),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => is_ours(inner),
        DataFusionError::Shared(inner) => is_ours(inner),
        DataFusionError::Collection(errors) => errors.first().is_some_and(is_ours),
        _ => false,
    }
}

/// `t.price` for DataFusion's "possible column t.price".
fn advice(diagnostic: &Diagnostic) -> Option<String> {
    let first = diagnostic
        .notes
        .iter()
        .map(|note| &note.message)
        .chain(diagnostic.helps.iter().map(|help| &help.message))
        .next()?;
    let lower = tidy(first);
    Some(match lower.strip_prefix("possible column ") {
        Some(name) => format!("did you mean {name}?"),
        None => lower,
    })
}

/// A call with arguments that its function does not take: DataFusion lists every signature that it has tried.
fn argument_types(message: &str) -> Option<String> {
    if let Some((function, rest)) = message.split_once(" failed to match any signature") {
        let function = function.rsplit('\'').nth(1)?;
        let received = rest.split_once("but received ")?.1;
        let received = received.split([' ', '(', '.', ',']).next()?;
        return Some(format!("{} does not take a {received}", function.to_uppercase()));
    }
    let (_, rest) = message.split_once("No function matches the given name and argument types '")?;
    let (call, _) = rest.split_once('\'')?;
    Some(format!("no function takes these arguments: {call}"))
}

/// The sentence without its frame, begun in lower case.
fn tidy(message: &str) -> String {
    let mut text = message.trim();
    for frame in [
        "Error during planning: ",
        "Schema error: ",
        "Execution error: ",
        "Internal error: ",
        "Parser error: ",
        "External error: ",
        "Cast error: ",
        "cast error: ",
        "Optimizer rule ",
        "type_coercion\ncaused by\n",
    ] {
        text = text.strip_prefix(frame).unwrap_or(text);
    }
    if text.starts_with("Unsupported ast node") || text.starts_with("Unsupported SQL ast node") {
        // What follows is a dump of the syntax tree.
        return "this form of SQL is not supported".to_owned();
    }
    let text = without_dump(text);
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}

/// The message up to a dump of the syntax tree.
fn without_dump(text: &str) -> &str {
    if !text.contains("ValueWithSpan") && !text.contains("Span(Location(") {
        return text;
    }
    let end = text.find(['{', '(']).unwrap_or(text.len());
    // The word before the bracket is the node's name.
    text[..end].trim_end().rsplit_once(' ').map_or(text, |(before, _)| before)
}

fn unknown_function(message: &str) -> Option<String> {
    let rest = message.strip_prefix("invalid function '")?;
    rest.split_once('\'').map(|(name, _)| name.to_owned())
}

fn unknown_function_error(name: &str) -> Error {
    let lower = name.to_lowercase();
    match lower.as_str() {
        "__running" | "__final" | "running" | "final" => outside_the_clause(lower.trim_start_matches('_')),
        "proctime" => Error::unsupported("PROCTIME(): processing time is not supported yet")
            .with_hint("use event time: WATERMARK FOR a timestamp column"),
        _ if CLAUSE_FUNCTIONS.contains(&lower.as_str()) => outside_the_clause(&lower),
        _ if function_names().contains(&lower) => Error::invalid(format!("{} needs OVER (…)", lower.to_uppercase())),
        _ => {
            let error = Error::invalid(format!("unknown function '{name}'"));
            match nearest(&lower, function_names().iter().map(String::as_str)) {
                Some(meant) => error.with_hint(format!("did you mean {meant}?")),
                None => error.with_hint("SHOW FUNCTIONS lists the functions"),
            }
        }
    }
}

fn outside_the_clause(word: &str) -> Error {
    let word = word.to_uppercase();
    Error::invalid(format!("{word} stands outside of MATCH_RECOGNIZE"))
        .with_hint("it belongs in MEASURES or DEFINE of MATCH_RECOGNIZE (…)")
}

fn place(diagnostic: Option<&Diagnostic>) -> Option<Span> {
    let span = diagnostic?.span?;
    let position = |at: datafusion::common::Location| Position { line: at.line, column: at.column };
    Some(Span::new(position(span.start), position(span.end)))
}
