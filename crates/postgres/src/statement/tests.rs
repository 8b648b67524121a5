//! Which statement a text is.

use super::*;
use crate::sqlstate;

fn parse(text: &str) -> Result<Statement> {
    Statement::parse(text, 0, |name| matches!(name, "timezone" | "search_path" | "transaction_isolation"))
}

fn refused(text: &str) -> Failure {
    parse(text).expect_err(text)
}

#[test]
fn settings_are_set_in_all_their_forms() {
    for (text, name, value, is_local) in [
        ("SET search_path TO a, \"B\"", "search_path", Some("a, B"), false),
        ("set session TimeZone = 'UTC'", "timezone", Some("UTC"), false),
        ("SET LOCAL statement_timeout = 100", "statement_timeout", Some("100"), true),
        ("SET TIME ZONE 'UTC'", "TimeZone", Some("UTC"), false),
        ("SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE", "TimeZone", Some("+00:00"), false),
        ("SET NAMES 'UTF8'", "client_encoding", Some("UTF8"), false),
        ("SET extra_float_digits = -3", "extra_float_digits", Some("-3"), false),
        ("SET a.b TO DEFAULT", "a.b", None, false),
        ("RESET search_path", "search_path", None, false),
    ] {
        let Statement::Set(set) = parse(text).unwrap() else { panic!("{text}") };
        let (name, value) = (name.to_owned(), value.map(str::to_owned));
        assert_eq!(set, Set::One { name, value, is_local }, "{text}");
    }
}

#[test]
fn what_is_not_of_the_protocol_is_for_the_session() {
    for text in
        ["SET 'a' = 'b'", "SET", "RESET 'a'", "RESET", "SHOW TABLES", "EXECUTE STATEMENT SET BEGIN END", "DESCRIBE t"]
    {
        assert!(matches!(parse(text).unwrap(), Statement::Sql(Sql { is_system: false, .. })), "{text}");
    }
    assert!(matches!(parse("SHOW TimeZone").unwrap(), Statement::Show(Some(name)) if name == "timezone"));
    assert!(matches!(parse("SHOW ALL").unwrap(), Statement::Show(None)));
    assert!(matches!(parse(" -- nothing").unwrap(), Statement::Empty));
}

#[test]
fn transactions_have_modes() {
    let Statement::Transact(begin) = parse("START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").unwrap()
    else {
        panic!("not a transaction")
    };
    let modes = vec![("transaction_isolation", "repeatable read"), ("transaction_read_only", "on")];
    assert_eq!(begin, Transact::Begin(modes));
    for (text, transact) in [
        ("END WORK", Transact::Commit),
        ("COMMIT AND NO CHAIN", Transact::Commit),
        ("ABORT", Transact::RollBack),
        ("ROLLBACK TO SAVEPOINT A", Transact::RollBackTo("a".to_owned())),
        ("RELEASE \"A\"", Transact::Release("A".to_owned())),
    ] {
        assert!(matches!(parse(text).unwrap(), Statement::Transact(found) if found == transact), "{text}");
    }
    assert_eq!(refused("BEGIN NOW").position, Some(7));
}

#[test]
fn cursors_go_forward() {
    let Statement::Declare(declare) = parse("DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1").unwrap() else {
        panic!("not a cursor")
    };
    assert_eq!((declare.name.as_str(), declare.is_held, declare.sql.before), ("c", true, 41));
    for (text, count, cursor) in [
        ("FETCH c", Some(1), "c"),
        ("FETCH NEXT FROM c", Some(1), "c"),
        ("FETCH FORWARD 5 IN c", Some(5), "c"),
        ("FETCH ALL FROM c", None, "c"),
        ("FETCH FORWARD ALL c", None, "c"),
        ("FETCH 0 \"C\"", Some(0), "C"),
        ("FETCH first", Some(1), "first"),
    ] {
        let Statement::Fetch(fetch) = parse(text).unwrap() else { panic!("{text}") };
        assert_eq!((fetch.count, fetch.cursor.as_str()), (count, cursor), "{text}");
    }
    for text in
        ["FETCH -1 FROM c", "FETCH BACKWARD 1 FROM c", "DECLARE c SCROLL CURSOR FOR SELECT 1", "MOVE LAST FROM c"]
    {
        assert_eq!(refused(text).code, sqlstate::FEATURE_NOT_SUPPORTED, "{text}");
    }
}

#[test]
fn statements_are_prepared_with_types() {
    let Statement::Prepare(prepare) =
        parse("PREPARE p (int, double precision, numeric(10, 2), text[]) AS SELECT $1").unwrap()
    else {
        panic!("not prepared")
    };
    assert_eq!(prepare.types, [23, 701, 1700, 1009]);
    let Statement::Execute { arguments: Some(sql), .. } = parse("EXECUTE p (1, f(2), ')')").unwrap() else {
        panic!("not executed")
    };
    assert_eq!((sql.text.as_str(), sql.before), ("SELECT 1, f(2), ')'", 4));
    assert_eq!(refused("PREPARE p (nothing) AS SELECT 1").code, sqlstate::UNDEFINED_OBJECT);
}

#[test]
fn rows_are_copied_in_the_format_that_is_asked_for() {
    let copy = |text: &str| match parse(text) {
        Ok(Statement::Copy(copy)) => copy,
        other => panic!("{text}: {other:?}"),
    };
    let layout = |delimiter, null: &str, has_header| Layout { delimiter, null: null.to_owned(), has_header };
    let found = copy("COPY t (a, \"B\") TO STDOUT");
    assert_eq!(
        (found.sql.text.as_str(), found.format),
        ("SELECT a, \"B\" FROM t", CopyFormat::Text(layout(b'\t', "\\N", false)))
    );
    let csv = CopyFormat::Csv { layout: layout(b';', "-", true), quote: b'\'', escape: b'\'', quotes_all: false };
    let new = copy("COPY (SELECT ')') TO STDOUT WITH (FORMAT csv, HEADER, DELIMITER ';', NULL '-', QUOTE '''')");
    assert_eq!((new.sql.text.as_str(), new.sql.before, &new.format), ("SELECT ')'", 6, &csv));
    assert_eq!(copy("COPY x.t TO STDOUT WITH CSV HEADER DELIMITER AS ';' NULL '-' QUOTE ''''").format, csv);
    for text in ["COPY t TO STDOUT (FORMAT \"binary\")", "COPY BINARY t TO STDOUT", "COPY t TO STDOUT WITH BINARY"] {
        assert_eq!(copy(text).format, CopyFormat::Binary, "{text}");
    }
    for (text, code) in [
        ("COPY t FROM STDIN", sqlstate::FEATURE_NOT_SUPPORTED),
        ("COPY t TO '/etc/passwd'", sqlstate::FEATURE_NOT_SUPPORTED),
        ("COPY (DROP TABLE t) TO STDOUT", sqlstate::SYNTAX_ERROR),
        ("COPY t TO STDOUT (FORMAT xml)", sqlstate::INVALID_PARAMETER_VALUE),
        ("COPY t TO STDOUT (FORMAT csv, QUOTE 'ab')", sqlstate::INVALID_PARAMETER_VALUE),
        ("COPY t TO STDOUT (FORMAT binary, HEADER)", sqlstate::SYNTAX_ERROR),
    ] {
        assert_eq!(refused(text).code, code, "{text}");
    }
}

#[test]
fn what_other_servers_do_is_refused_by_name() {
    for text in ["LISTEN a", "LOCK TABLE t", "SET ROLE other", "COMMIT AND CHAIN", "PREPARE TRANSACTION 'x'"] {
        assert_eq!(refused(text).code, sqlstate::FEATURE_NOT_SUPPORTED, "{text}");
    }
}

#[test]
fn no_beginning_of_a_statement_does_harm() {
    for text in [
        "COPY (SELECT ')') TO STDOUT WITH (FORMAT csv, HEADER, DELIMITER ';', NULL '-', QUOTE '''')",
        "PREPARE p (numeric(10, 2), text[]) AS SELECT $1 /* a /* b */ */, $x$ü$x$, E'\\n\\'' -- c",
        "EXECUTE p (1, f(2), ')')",
        "DECLARE c BINARY NO SCROLL CURSOR WITH HOLD FOR SELECT 'ä' COLLATE \"C\"",
        "FETCH FORWARD -5 FROM \"c\"\"",
        "SET LOCAL search_path TO \"a\", 'b', -1.5e-3",
        "SELECT 1 WHERE ctid BETWEEN '(0,0)'::tid AND '(4294967295,0)'::tid AND 2",
        "START TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
    ] {
        for (end, _) in text.char_indices() {
            let _ = parse(&text[..end]);
            let _ = parse(&text[end..]);
            let _ = crate::lexer::statements(&text[end..]);
        }
    }
}
