//! Which statements are about the system.

use std::ops::ControlFlow;

use sqlparser::ast::{DataType, Expr, ObjectName, Query, SetExpr, Statement, TableFactor, Visit, Visitor};

use crate::{functions, rewrite, tables};

/// Whether a statement (one) is about nothing but the system: it is a query that reads a system relation, or one that reads no relation at all
/// and calls a function only this crate knows, or names one of Postgres's types of identifiers.
///
/// ```
/// use dipper_pg_catalog::is_about_system;
/// assert!(is_about_system("SELECT relname FROM pg_class"));
/// assert!(is_about_system("SELECT version()"));
/// assert!(!is_about_system("SELECT * FROM orders"));
/// assert!(!is_about_system("SELECT 1"));
/// ```
pub fn is_about_system(sql: &str) -> bool {
    // Nearly all statements are not; those are not worth a second parsing.
    if !may_be_about_system(sql) {
        return false;
    }
    let Ok(Statement::Query(query)) = rewrite::parse(sql) else {
        return false;
    };
    let mut mentions = Mentions::default();
    let _ = query.visit(&mut mentions);
    mentions.system_relation || (!mentions.other_relation && mentions.system_function)
}

/// Whether the text has a word that a statement about the system cannot do without.
fn may_be_about_system(sql: &str) -> bool {
    const WORDS: &[&str] = &[
        "pg_",
        "information_schema",
        "current_",
        "session_user",
        "user",
        "version",
        "has_",
        "description",
        "format_type",
        "set_config",
        "regclass",
        "regtype",
        "regproc",
        "regnamespace",
        "regrole",
        "to_reg",
        "oid",
        "txid_",
        "inet_",
    ];
    let lower = sql.to_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

/// What a query mentions.
#[derive(Default)]
struct Mentions {
    system_relation: bool,
    other_relation: bool,
    system_function: bool,
    /// The names of its common table expressions.
    common: Vec<String>,
}

impl Visitor for Mentions {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            self.common.extend(with.cte_tables.iter().map(|table| rewrite::folded(&table.alias.name)));
        }
        // `TABLE t` has no table factor.
        if matches!(query.body.as_ref(), SetExpr::Table(_)) {
            self.other_relation = true;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: None, .. } => self.relation(name),
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => self.function(name),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.function(&function.name),
            Expr::Identifier(ident) if ident.quote_style.is_none() => {
                let word = ident.value.to_lowercase();
                self.system_function |=
                    matches!(word.as_str(), "current_schema" | "current_role" | "session_user" | "user");
            }
            Expr::Cast { data_type: DataType::Regclass, .. } => self.system_function = true,
            Expr::Cast { data_type: DataType::Custom(name, _), .. } => {
                let name = rewrite::last(name).unwrap_or_default().to_lowercase();
                self.system_function |= name == "oid" || name.starts_with("reg");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Mentions {
    fn relation(&mut self, name: &ObjectName) {
        let parts: Vec<_> = name.0.iter().filter_map(|part| part.as_ident()).map(rewrite::folded).collect();
        match parts.as_slice() {
            [name] if self.common.contains(name) => {}
            [name] if tables::find(None, name).is_some() => self.system_relation = true,
            [.., schema, _] if schema == "pg_catalog" || schema == "information_schema" => self.system_relation = true,
            _ => self.other_relation = true,
        }
    }

    fn function(&mut self, name: &ObjectName) {
        let is_qualified =
            name.0.len() > 1 && name.0[0].as_ident().is_some_and(|part| rewrite::folded(part) == "pg_catalog");
        let name = rewrite::last(name).unwrap_or_default().to_lowercase();
        let is_word = matches!(name.as_str(), "user" | "current_role" | "current_catalog" | "_pg_expandarray");
        // Also one that is not there: the error is to be that of Postgres.
        self.system_function |= is_qualified || is_word || name.starts_with("pg_") || functions::is_of_system(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_about_the_system_are_told_from_others() {
        let about = [
            "select pg_catalog.version()",
            "SELECT current_schema",
            "select current_user, session_user",
            "SELECT * FROM information_schema.tables",
            "SELECT * FROM mydb.information_schema.columns",
            "WITH t AS (SELECT oid FROM pg_class) SELECT * FROM t",
            "SELECT 'orders'::regclass",
            "SELECT set_config('search_path', '', false)",
            "SELECT t.relname FROM pg_catalog.pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace",
            "SELECT pg_is_in_recovery(), (SELECT count(*) FROM pg_stat_wal_receiver)",
            "SELECT current_database()",
        ];
        for sql in about {
            assert!(is_about_system(sql), "{sql}");
        }
        let other = [
            "SELECT 1",
            "SELECT now()",
            "SELECT user_id FROM users",
            "SELECT * FROM pg_orders",
            "SELECT version FROM releases",
            "INSERT INTO t SELECT oid FROM pg_class",
            "SHOW TABLES",
            "SET 'a' = 'pg_class'",
            "SELECT 'pg_class'",
            "SELECT * FROM public.pg_class",
            "WITH pg_class AS (SELECT 1) SELECT * FROM pg_class",
            "this is no sql about pg_class",
        ];
        for sql in other {
            assert!(!is_about_system(sql), "{sql}");
        }
    }
}
