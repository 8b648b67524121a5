//! Definitions, names and settings.
#![allow(clippy::unwrap_used, reason = "a test")]

use crate::ast::Statement;
use crate::parse_script;
use crate::test_catalog::TestSession;

use super::{Catalog, Settings, Table, sql_type_name};

fn table(sql: &str) -> Table {
    let parsed = parse_script(sql).unwrap();
    let Statement::CreateTable(create) = &parsed[0].statement else { panic!("no table") };
    Catalog::new().define_table(create, &parsed[0].text).unwrap()
}

#[test]
fn sql_types_become_arrow_types_and_back() {
    let table = table(
        "CREATE TABLE t (a TINYINT, b SMALLINT, c INT, d INTEGER, e BIGINT, f FLOAT, g DOUBLE, h DOUBLE PRECISION, i DECIMAL(10, 2),
           j DECIMAL, k STRING, l VARCHAR(2147483647), m CHAR, n BYTES, o BOOLEAN, p DATE, q TIME, r TIME(6), s TIMESTAMP, t0 TIMESTAMP(0),
           t3 TIMESTAMP(3), t9 TIMESTAMP(9), u TIMESTAMP_LTZ(3), v TIMESTAMP(6) WITH LOCAL TIME ZONE, w ARRAY<INT>, x VARBINARY)
         WITH ('connector' = 'x')",
    );
    let types: Vec<String> = table
        .schema
        .fields()
        .iter()
        .map(|field| format!("{} {} = {}", field.name(), sql_type_name(field.data_type()), field.data_type()))
        .collect();
    insta::assert_snapshot!(types.join("\n"), @r#"
    a TINYINT = Int8
    b SMALLINT = Int16
    c INT = Int32
    d INT = Int32
    e BIGINT = Int64
    f FLOAT = Float32
    g DOUBLE = Float64
    h DOUBLE = Float64
    i DECIMAL(10, 2) = Decimal128(10, 2)
    j DECIMAL(10, 0) = Decimal128(10, 0)
    k STRING = Utf8
    l STRING = Utf8
    m STRING = Utf8
    n BYTES = Binary
    o BOOLEAN = Boolean
    p DATE = Date32
    q TIME(3) = Time32(ms)
    r TIME(6) = Time64(µs)
    s TIMESTAMP(6) = Timestamp(µs)
    t0 TIMESTAMP(3) = Timestamp(ms)
    t3 TIMESTAMP(3) = Timestamp(ms)
    t9 TIMESTAMP(9) = Timestamp(ns)
    u TIMESTAMP_LTZ(3) = Timestamp(ms, "UTC")
    v TIMESTAMP_LTZ(6) = Timestamp(µs, "UTC")
    w ARRAY<INT> = List(Int32)
    x BYTES = Binary
    "#);
}

#[test]
fn a_table_describes_itself() {
    let table = table(
        "CREATE TABLE Orders (Id BIGINT NOT NULL, `Price` DOUBLE, text_time STRING, event_time AS TO_TIMESTAMP(text_time),
           f STRING METADATA FROM 'file.path' VIRTUAL, total AS price_cents / 100, price_cents AS CAST(`Price` * 100 AS BIGINT),
           WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND, PRIMARY KEY (Id) NOT ENFORCED)
         WITH ('connector' = 'filesystem', 'path' = 'x', 'scan.watermark.idle-timeout' = '2 s')",
    );
    assert_eq!(table.name(), "orders");
    assert_eq!(
        table.computed.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
        ["event_time", "price_cents", "total"]
    );
    assert_eq!(table.watermark.as_ref().unwrap().idle_timeout_ms, Some(2_000));
    assert_eq!(table.spec.options.keys().collect::<Vec<_>>(), ["connector", "path"]);
    let lines: Vec<String> = table.describe().iter().map(|column| format!("{column:?}")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    ColumnDescription { name: "id", data_type: "BIGINT", nullable: false, key: Some("PRI(id)"), extras: None, watermark: None }
    ColumnDescription { name: "Price", data_type: "DOUBLE", nullable: true, key: None, extras: None, watermark: None }
    ColumnDescription { name: "text_time", data_type: "STRING", nullable: true, key: None, extras: None, watermark: None }
    ColumnDescription { name: "event_time", data_type: "TIMESTAMP(9) *ROWTIME*", nullable: true, key: None, extras: Some("AS to_timestamp(text_time)"), watermark: Some("event_time - INTERVAL '5' SECOND") }
    ColumnDescription { name: "f", data_type: "STRING", nullable: true, key: None, extras: Some("METADATA FROM 'file.path' VIRTUAL"), watermark: None }
    ColumnDescription { name: "total", data_type: "BIGINT", nullable: true, key: None, extras: Some("AS price_cents / 100"), watermark: None }
    ColumnDescription { name: "price_cents", data_type: "BIGINT", nullable: true, key: None, extras: Some("AS CAST((Price * 100.0) AS BIGINT)"), watermark: None }
    "#);
}

#[test]
fn unquoted_names_are_the_same_in_any_case() {
    let mut session = TestSession::new();
    session.run("CREATE TABLE Mixed (Aa INT, \"Bb\" INT) WITH ('connector' = 'x')").unwrap();
    let plan = session.logical("SELECT AA, \"Bb\", `aa` AS again FROM MIXED");
    assert_eq!(plan.schema().field_names(), ["mixed.aa", "mixed.Bb", "again"]);
    assert!(session.run("SELECT Bb FROM mixed").is_err());
}

#[test]
fn tables_and_views_share_their_names() {
    let mut session = TestSession::new();
    assert!(session.run("CREATE VIEW ticks AS SELECT 1 AS one").is_err());
    session.run("CREATE VIEW IF NOT EXISTS ticks AS SELECT 1 AS one").unwrap();
    session.run("CREATE VIEW v AS SELECT 1 AS one").unwrap();
    assert!(session.run("CREATE VIEW v AS SELECT 2 AS two").is_err());
    session.run("CREATE OR REPLACE VIEW v AS SELECT 2 AS two").unwrap();
    assert_eq!(session.logical("SELECT * FROM v").schema().field_names(), ["v.two"]);
    session.run("DROP VIEW v; DROP VIEW IF EXISTS v; DROP TABLE ticks").unwrap();
    assert!(session.run("SELECT * FROM ticks").is_err());
}

#[test]
fn settings_have_defaults_values_and_a_way_back() {
    let mut settings = Settings::new();
    assert_eq!(settings.parallelism(), 1);
    settings.set("parallelism.default", " 4 ").unwrap();
    settings.set("EXECUTION.RUNTIME-MODE", "Batch").unwrap();
    assert_eq!(settings.parallelism(), 4);
    assert_eq!(settings.runtime_mode(), super::RuntimeMode::Batch);
    settings.reset(Some("parallelism.default")).unwrap();
    assert_eq!(settings.parallelism(), 1);
    settings.set("execution.checkpointing.interval", "1 s").unwrap();
    settings.set("execution.checkpointing.dir", "/data").unwrap();
    assert_eq!(settings.duration_ms_of("execution.checkpointing.interval"), Some(1_000));
    assert_eq!(settings.text_of("state.checkpoints.dir"), Some("/data"));
    assert!(settings.set("restart-strategy.exponential-delay.backoff-multiplier", "0.5").is_err());
    let error = settings.set("execution.checkpointing.timeout", "soon").unwrap_err();
    assert_eq!(error.to_string(), "setting 'execution.checkpointing.timeout': 'soon' is no duration");
    settings.reset(None).unwrap();
    assert!(settings.list().all(|(setting, value)| value == setting.default));
}

#[test]
fn durations_are_read_as_flink_writes_them() {
    let parse = super::duration::parse_duration_ms;
    assert_eq!(parse("500").unwrap(), 500);
    assert_eq!(parse("5s").unwrap(), 5_000);
    assert_eq!(parse(" 2 MIN ").unwrap(), 120_000);
    assert_eq!(parse("1 h").unwrap(), 3_600_000);
    assert!(
        parse("").is_err()
            && parse("1.5 s").is_err()
            && parse("99999999999999999999 d").is_err()
            && parse("-1 s").is_err()
    );
}
