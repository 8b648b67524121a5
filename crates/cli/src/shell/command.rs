//! The shell's own commands: those that begin with a backslash.

use std::path::PathBuf;

use dipper_types::{Error, Result};

/// A command of the shell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `\q`
    Leave,
    /// `\?`
    Help,
    /// `\timing`
    Timing,
    /// `\d`
    Relations,
    /// One that is short for a statement.
    Sql(String),
    /// `\i file`
    Include(PathBuf),
}

impl Command {
    /// The command that the line is, or nothing for SQL.
    pub(super) fn parse(line: &str) -> Option<Result<Self>> {
        let rest = line.trim().strip_prefix('\\')?;
        let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let argument = argument.trim().trim_end_matches(';').trim_end();
        Some(match (name.trim_end_matches(';'), argument) {
            ("q" | "quit", "") => Ok(Self::Leave),
            ("?" | "h" | "help", "") => Ok(Self::Help),
            ("timing", "") => Ok(Self::Timing),
            ("d", "") => Ok(Self::Relations),
            ("dt", "") => Ok(Self::Sql("SHOW TABLES;".to_owned())),
            ("d", name) => Ok(Self::Sql(format!("DESCRIBE {name};"))),
            ("i", "") => Err(Error::invalid("\\i needs the name of a file")),
            ("i", file) => Ok(Self::Include(PathBuf::from(file.trim_matches('\'')))),
            ("q" | "quit" | "?" | "h" | "help" | "timing" | "dt", _) => {
                Err(Error::invalid(format!("\\{name} takes no argument")))
            }
            _ => Err(Error::invalid(format!("unknown command '\\{name}'")).with_hint("\\? lists the commands")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_begin_with_a_backslash() {
        assert!(Command::parse("SELECT 1;").is_none());
        let parsed = |line| Command::parse(line).unwrap().unwrap();
        assert_eq!(parsed("\\q"), Command::Leave);
        assert_eq!(parsed("  \\d ticks;"), Command::Sql("DESCRIBE ticks;".to_owned()));
        assert_eq!(parsed("\\d"), Command::Relations);
        assert_eq!(parsed("\\i 'my file.sql'"), Command::Include("my file.sql".into()));
    }

    #[test]
    fn an_unknown_command_is_an_error() {
        let error = Command::parse("\\zz top").unwrap().unwrap_err();
        assert_eq!(error.to_string(), "unknown command '\\zz'");
        let error = Command::parse("\\q now").unwrap().unwrap_err();
        assert_eq!(error.to_string(), "\\q takes no argument");
    }
}
