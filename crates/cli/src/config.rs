//! `--config FILE`: a file that says what could be said on the command line.
//!
//! What it says takes the place of the defaults, so an option of the command line wins over it, and so does a variable of the environment.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use clap::error::{Error, ErrorKind};
use clap::{ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::{Table, Value};

use crate::args::Arguments;
use crate::security::TOKEN;

/// The option itself.
const CONFIG: &str = "config";

/// What has been said on the command line, and in the file that it names. If it makes no sense this ends the process, as clap does.
pub(crate) fn arguments() -> Arguments {
    parse(std::env::args_os().collect()).unwrap_or_else(|error| error.exit())
}

fn parse(words: Vec<OsString>) -> Result<Arguments, Error> {
    let mut command = Arguments::command();
    let named = named_file(&command, &words);
    if let Some((path, file)) = &named {
        let wrong = |error: &dyn std::fmt::Display| {
            Error::raw(ErrorKind::Io, format!("--config: '{}': {error}\n", file.display()))
        };
        let table: Table =
            fs::read_to_string(file).map_err(|error| wrong(&error))?.parse().map_err(|error| wrong(&error))?;
        for (key, value) in table {
            command = change(command, path, &mut |command| with_default(command, &key, &value))
                .map_err(|error| wrong(&error))?;
        }
    }
    let matches = command.try_get_matches_from(words).map_err(|error| match &named {
        // The command line alone has been taken.
        Some((_, file)) if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) => {
            let message = error.render().to_string();
            Error::raw(
                error.kind(),
                format!("--config: '{}': {}", file.display(), message.trim_start_matches("error: ")),
            )
        }
        _ => error,
    });
    Arguments::from_arg_matches(&matches?)
}

/// The subcommand that is run, and the file that it is given. Nothing if the command line makes no sense, which is said later.
fn named_file(command: &Command, words: &[OsString]) -> Option<(Vec<String>, PathBuf)> {
    let matches = without_required(command.clone()).try_get_matches_from(words).ok()?;
    let mut path = Vec::new();
    let mut deepest: &ArgMatches = &matches;
    while let Some((name, matches)) = deepest.subcommand() {
        path.push(name.to_owned());
        deepest = matches;
    }
    let file = deepest.try_get_one::<PathBuf>(CONFIG).ok()??;
    Some((path, file.clone()))
}

/// What the command line lacks may stand in the file.
fn without_required(command: Command) -> Command {
    command.mut_args(|arg| arg.required(false)).mut_subcommands(without_required)
}

/// Changes the subcommand at a path.
fn change(
    command: Command,
    path: &[String],
    how: &mut dyn FnMut(Command) -> Result<Command, String>,
) -> Result<Command, String> {
    let Some((name, rest)) = path.split_first() else { return how(command) };
    let mut wrong = None;
    let command = command.mut_subcommand(name, |inner| {
        change(inner.clone(), rest, how).unwrap_or_else(|error| {
            wrong = Some(error);
            inner
        })
    });
    wrong.map_or(Ok(command), Err)
}

/// The command with the value as the default of its option `key`.
fn with_default(command: Command, key: &str, value: &Value) -> Result<Command, String> {
    let options = || command.get_arguments().filter(|arg| arg.get_long().is_some_and(|long| long != CONFIG));
    let Some(option) = options().find(|arg| arg.get_long() == Some(key)) else {
        let known: Vec<&str> = options().filter_map(|arg| arg.get_long()).collect();
        return Err(format!("there is no key '{key}'; there are {}", known.join(", ")));
    };
    // The token of the environment wins over that of a file of which the environment says nothing.
    if key == "token-file" && std::env::var_os(TOKEN).is_some() {
        return Ok(command);
    }
    let id = option.get_id().clone();
    let values = match value {
        Value::Array(values) if matches!(option.get_action(), ArgAction::Append) => values.iter().map(text).collect(),
        value => text(value).map(|value| vec![value]),
    };
    let values: Vec<String> = values.ok_or_else(|| format!("'{key}' takes no {}", value.type_str()))?;
    Ok(command.mut_arg(id, |arg| arg.required(false).default_values(values)))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(is_so) => Some(is_so.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
