//! Completion of words: SQL's and the pattern clause's key words, tables and columns, the shell's commands.

use std::collections::BTreeSet;

use dipper_session::Table;

const KEYWORDS: &[&str] = &[
    "AFTER MATCH SKIP",
    "ALL ROWS PER MATCH",
    "AND",
    "AS",
    "ASC",
    "AVG",
    "BEGIN",
    "BETWEEN",
    "BIGINT",
    "BOOLEAN",
    "CASE",
    "CAST",
    "CLASSIFIER()",
    "COUNT",
    "CREATE",
    "DATE",
    "DECIMAL",
    "DEFINE",
    "DESC",
    "DESCRIBE",
    "DESCRIPTOR",
    "DISTINCT",
    "DOUBLE",
    "DROP",
    "ELSE",
    "END",
    "EXECUTE STATEMENT SET",
    "EXISTS",
    "EXPLAIN",
    "FINAL",
    "FIRST",
    "FORMAT",
    "FROM",
    "GROUP BY",
    "HAVING",
    "HOP",
    "INSERT INTO",
    "INTERVAL",
    "INT",
    "JOIN",
    "LAST",
    "LEFT",
    "LIMIT",
    "MATCH_NUMBER()",
    "MATCH_RECOGNIZE",
    "MATCH_ROWTIME()",
    "MATCH_STATUS()",
    "MAX",
    "MEASURES",
    "MIN",
    "MINUTE",
    "NEXT",
    "NOT",
    "NULL",
    "OMIT EMPTY MATCHES",
    "ONE ROW PER MATCH",
    "ONLY TIMEOUT MATCHES",
    "ORDER BY",
    "PARTITION BY",
    "PAST LAST ROW",
    "PATTERN",
    "PERMUTE",
    "PREV",
    "PRIMARY KEY",
    "RESET",
    "RUNNING",
    "SECOND",
    "SELECT",
    "SET",
    "SHOW CREATE TABLE",
    "SHOW EMPTY MATCHES",
    "SHOW TABLES",
    "SHOW TIMEOUT MATCHES",
    "SHOW VIEWS",
    "STRING",
    "SUBSET",
    "SUM",
    "TABLE",
    "TIMESTAMP",
    "TO NEXT ROW",
    "TUMBLE",
    "UNION",
    "VALUES",
    "VIEW",
    "WATERMARK FOR",
    "WHERE",
    "WITH",
    "WITH UNMATCHED ROWS",
    "WITHIN",
];

const COMMANDS: &[&str] = &["\\?", "\\d", "\\dt", "\\i", "\\q", "\\timing"];

/// Everything that a word could become.
#[derive(Default)]
pub(super) struct Words {
    tables: BTreeSet<String>,
    columns: BTreeSet<String>,
}

impl Words {
    /// The names of these tables and their columns.
    pub(super) fn of(tables: &[Table]) -> Self {
        let columns = tables.iter().flat_map(|table| &table.columns).map(|column| column.name.clone());
        Self { tables: tables.iter().map(|table| table.name.clone()).collect(), columns: columns.collect() }
    }

    /// Where the word at the cursor begins, and what it could be.
    pub(super) fn complete(&self, line: &str, pos: usize) -> (usize, Vec<String>) {
        let before = line.get(..pos).unwrap_or(line);
        if before.starts_with('\\') && !before.contains(char::is_whitespace) {
            return (
                0,
                COMMANDS.iter().filter(|name| name.starts_with(before)).map(|name| (*name).to_owned()).collect(),
            );
        }
        let is_name = |character: char| character.is_alphanumeric() || character == '_';
        let start =
            before.char_indices().rev().take_while(|(_, c)| is_name(*c)).last().map_or(before.len(), |(at, _)| at);
        let word = &before[start..];
        let names =
            |names: &BTreeSet<String>| names.iter().filter(|name| begins(name, word)).cloned().collect::<Vec<_>>();
        let mut found = names(&self.tables);
        if before.starts_with('\\') {
            return (start, found);
        }
        found.extend(names(&self.columns));
        if !word.is_empty() {
            let lower = word.chars().all(|c| !c.is_uppercase());
            let keywords = KEYWORDS.iter().filter(|keyword| begins(keyword, word));
            found.extend(keywords.map(|keyword| if lower { keyword.to_lowercase() } else { (*keyword).to_owned() }));
        }
        found.dedup();
        (start, found)
    }
}

fn begins(name: &str, word: &str) -> bool {
    name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Words { tables: set(&["ticks", "trades"]), columns: set(&["price", "symbol"]) }
    }

    #[test]
    fn tables_columns_and_keywords_complete_a_word() {
        let line = "SELECT pri";
        assert_eq!(words().complete(line, line.len()), (7, vec!["price".into(), "primary key".into()]));
        let line = "SELECT * FROM TR";
        assert_eq!(words().complete(line, line.len()), (14, vec!["trades".into()]));
        let line = "x MATCH_RE";
        assert_eq!(words().complete(line, line.len()), (2, vec!["MATCH_RECOGNIZE".into()]));
    }

    #[test]
    fn a_command_takes_tables_only() {
        assert_eq!(words().complete("\\d", 2), (0, vec!["\\d".into(), "\\dt".into()]));
        assert_eq!(words().complete("\\d t", 4), (3, vec!["ticks".into(), "trades".into()]));
        assert_eq!(words().complete("\\d p", 4), (3, vec![]));
    }
}
