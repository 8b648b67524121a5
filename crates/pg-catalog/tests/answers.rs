//! The answers clients depend on, to the letter.
#![allow(clippy::unwrap_used, reason = "a test")]

mod system;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use dipper_pg_catalog::{Backend, Column, Relation, SystemCatalog, pg_type_of};
use dipper_types::ErrorKind;
use system::{catalog, rows, table};

/// The rows of a query, the columns of a row with bars between.
async fn ask(sql: &str) -> Vec<String> {
    let table = rows(&catalog(), sql, &[]).await.unwrap();
    let lines = table.lines().skip(3).filter(|line| line.starts_with('|'));
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join("|")).collect()
}

#[tokio::test]
async fn columns_of_a_table_have_their_types() {
    let sql = "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attnum, \
               pg_catalog.col_description(a.attrelid, a.attnum) \
               FROM pg_catalog.pg_attribute a WHERE a.attrelid = 'orders'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
    assert_eq!(
        ask(sql).await,
        [
            "id|bigint|true|1|",
            "customer|text|false|2|",
            "amount|numeric(12,2)|false|3|in euros",
            "at|timestamp(3) without time zone|false|4|",
            "tags|text[]|false|5|",
        ]
    );
    let sql = "SELECT column_name, data_type, udt_name, is_nullable, numeric_precision, numeric_scale, datetime_precision \
               FROM information_schema.columns WHERE table_name = 'orders' ORDER BY ordinal_position";
    assert_eq!(
        ask(sql).await,
        [
            "id|bigint|int8|NO|64|0|",
            "customer|text|text|YES|||",
            "amount|numeric|numeric|YES|12|2|",
            "at|timestamp without time zone|timestamp|YES|||3",
            "tags|ARRAY|_text|YES|||",
        ]
    );
}

#[tokio::test]
async fn a_primary_key_shows_wherever_clients_look() {
    let sql = "SELECT conname, contype, conkey, pg_get_constraintdef(oid), pg_get_indexdef(conindid), pg_get_indexdef(conindid, 2, true) \
               FROM pg_constraint WHERE conrelid = '\"Sales Lines\"'::regclass";
    let index = "CREATE UNIQUE INDEX \"Sales Lines_pkey\" ON public.\"Sales Lines\" USING btree (\"order\", line)";
    assert_eq!(ask(sql).await, [format!("Sales Lines_pkey|p|[1, 2]|PRIMARY KEY (\"order\", line)|{index}|line")]);
    let sql =
        "SELECT indkey, indisprimary, indisunique, indnatts FROM pg_index WHERE indrelid = '\"Sales Lines\"'::regclass";
    assert_eq!(ask(sql).await, ["1 2|true|true|2"]);
    let sql = "SELECT k.column_name, k.ordinal_position FROM information_schema.table_constraints c \
               JOIN information_schema.key_column_usage k USING (constraint_schema, constraint_name) \
               WHERE c.constraint_type = 'PRIMARY KEY' AND c.table_name = 'Sales Lines' ORDER BY 2";
    assert_eq!(ask(sql).await, ["order|1", "line|2"]);
    let sql = "SELECT a.attname FROM pg_attribute a, pg_index i, pg_attribute b WHERE i.indrelid = 'orders'::regclass \
               AND b.attrelid = i.indexrelid AND a.attrelid = i.indrelid AND a.attnum = i.indkey[b.attnum - 1]";
    assert_eq!(ask(sql).await, ["id"]);
}

#[tokio::test]
async fn relations_are_listed_with_their_kinds() {
    let sql = "SELECT c.relname, c.relkind, c.reltuples, pg_get_viewdef(c.oid), obj_description(c.oid, 'pg_class') FROM pg_class c \
               JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' ORDER BY 1";
    assert_eq!(
        ask(sql).await,
        [
            "Sales Lines|r|1000.0||",
            "Sales Lines_pkey|i|1000.0||",
            "amounts|v|0.0|SELECT id, amount FROM orders|",
            "clicks|r|1000.0||",
            "orders|r|1000.0||what was ordered",
            "orders_pkey|i|1000.0||",
        ]
    );
}

#[tokio::test]
async fn names_and_identifiers_are_cast_to_each_other() {
    assert_eq!(
        ask("SELECT 'pg_class'::regclass::oid, 1259::regclass, 23::regtype::text, 'text[]'::regtype::oid").await,
        ["1259|pg_class|integer|1009"]
    );
    assert_eq!(
        ask("SELECT to_regclass('no_such'), to_regclass('public.orders'), 'public'::regnamespace::oid").await,
        ["|orders|2200"]
    );
    let sql = "SELECT 'orders'::regclass::oid = (SELECT oid FROM pg_class WHERE relname = 'orders'), 'orders'::regclass::oid::regclass::text";
    assert_eq!(ask(sql).await, ["true|orders"]);
}

#[tokio::test]
async fn columns_are_called_as_postgres_calls_them() {
    let sql = "SELECT count(*), 1 + 1, relname::text, CASE WHEN true THEN 1 END, NULL, version(), 'x'::name, EXISTS (SELECT 1), oid, oid \
               FROM pg_class GROUP BY relname, oid";
    let query = catalog().prepare(sql, &[]).await.unwrap();
    let names: Vec<_> = query.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["count", "?column?", "relname", "case", "?column?", "version", "name", "exists", "oid", "oid"]);
}

#[tokio::test]
async fn identifiers_and_names_keep_their_types() {
    let query = catalog()
        .prepare("SELECT oid, relname, relkind, relnatts, relhasindex, NULL FROM pg_class", &[])
        .await
        .unwrap();
    let types: Vec<_> = query.schema().fields().iter().map(|field| pg_type_of(field).name).collect();
    assert_eq!(types, ["oid", "name", "char", "int2", "bool", "text"]);
}

/// psqlODBC reads the columns of an index only of what is a vector by its type.
#[tokio::test]
async fn vectors_keep_their_types() {
    let sql = "SELECT i.indkey, indclass, indoption::text, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid ORDER BY c.relname";
    let query = catalog().prepare(sql, &[]).await.unwrap();
    let types: Vec<_> = query.schema().fields().iter().map(|field| pg_type_of(field).name).collect();
    assert_eq!(types, ["int2vector", "oidvector", "text", "name"]);
}

#[tokio::test]
async fn a_value_tells_its_type() {
    let sql = "SELECT pg_typeof(oid), pg_typeof(relname), pg_typeof(reltuples), pg_typeof(reloptions), pg_typeof(NULL), \
               pg_catalog.pg_typeof(1.5::numeric(5, 1)) FROM pg_class WHERE relname = 'orders'";
    assert_eq!(ask(sql).await, ["oid|name|real|text[]|unknown|numeric"]);
}

/// ADBC asks so for the columns of a key.
#[tokio::test]
async fn a_condition_on_several_relations_is_kept() {
    let sql = "SELECT con.conname, array_agg(attr.attname ORDER BY conkeys) FROM pg_constraint AS con CROSS JOIN UNNEST(conkey) AS conkeys \
               INNER JOIN pg_class AS cls ON cls.oid = con.conrelid \
               INNER JOIN pg_attribute AS attr ON attr.attnum = conkeys AND cls.oid = attr.attrelid GROUP BY conname ORDER BY conname";
    assert_eq!(ask(sql).await, ["Sales Lines_pkey|[order, line]", "orders_pkey|[id]"]);
}

#[tokio::test]
async fn parameters_get_the_types_their_use_tells() {
    let catalog = catalog();
    let sql = "SELECT relname FROM pg_class WHERE oid = $1 AND relname = $2 AND relkind = ANY ($3) AND relnatts > $4::int8 LIMIT $5";
    let query = catalog.prepare(sql, &[None, Some(DataType::Utf8)]).await.unwrap();
    let text = DataType::List(arrow::datatypes::Field::new_list_field(DataType::Utf8, true).into());
    assert_eq!(query.parameter_types(), [DataType::Int32, DataType::Utf8, text, DataType::Int64, DataType::Int64]);
    let kinds = ScalarValue::List(ScalarValue::new_list(&["r".into(), "v".into()], &DataType::Utf8, true));
    let values = ["1259".into(), "pg_class".into(), kinds, ScalarValue::Int16(Some(3)), ScalarValue::Int64(Some(1))];
    let (_, batches) = catalog.run(&query, &values).await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    assert!(catalog.run(&query, &values[..2]).await.is_err());
}

#[tokio::test]
async fn a_prepared_query_sees_the_catalog_it_is_run_on() {
    let query = catalog().prepare("SELECT count(*) FROM pg_class WHERE relname = 'later'", &[]).await.unwrap();
    let column =
        Column { name: "a".to_owned(), data_type: DataType::Int32, is_nullable: true, is_key: false, comment: None };
    let later: Vec<Relation> = vec![table("later", vec![column])];
    let later = SystemCatalog::new(later, Backend { database: "dipper".to_owned(), ..Backend::default() }).unwrap();
    let (_, batches) = later.run(&query, &[]).await.unwrap();
    assert_eq!(ScalarValue::try_from_array(batches[0].column(0), 0).unwrap(), ScalarValue::Int64(Some(1)));
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_words_of_postgres() {
    let cases = [
        ("SELECT nothing FROM pg_class", ErrorKind::Invalid, "column nothing does not exist"),
        ("SELECT * FROM pg_catalog.no_such", ErrorKind::Invalid, "relation \"no_such\" does not exist"),
        ("SELECT pg_no_such(1)", ErrorKind::Invalid, "function pg_no_such does not exist"),
        ("SELECT 'no_such'::regclass", ErrorKind::Invalid, "relation \"no_such\" does not exist"),
        ("SELECT current_setting('no.such')", ErrorKind::Invalid, "unrecognized configuration parameter \"no.such\""),
        (
            "SELECT generate_series(1, 1000000000)",
            ErrorKind::Unsupported,
            "a series of 1000000000 rows is too long here, the most is 100000",
        ),
        (
            "SELECT n FROM pg_namespace, generate_series(1, oid) AS s(n) WHERE nspname = 'public'",
            ErrorKind::Unsupported,
            "2200 rows beside another are too many here, the most is 256",
        ),
        (
            "SELECT * FROM pg_class, orders",
            ErrorKind::Unsupported,
            "relation \"orders\" cannot be read together with relations of the system",
        ),
        ("DELETE FROM pg_class", ErrorKind::Unsupported, "only queries are answered about the system"),
        ("SELECT $0 FROM pg_class", ErrorKind::Invalid, "there is no parameter $0"),
    ];
    let catalog = catalog();
    for (sql, kind, message) in cases {
        let error = match catalog.prepare(sql, &[]).await {
            Ok(query) => catalog.run(&query, &[]).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, message), "{sql}");
    }
}

#[tokio::test]
async fn patterns_and_positions_are_those_of_postgres() {
    let sql = "SELECT relname FROM pg_class WHERE relnamespace = 2200 AND relkind = 'r' AND relname ILIKE ANY (ARRAY['ORD%', 'cl%']) ORDER BY 1";
    assert_eq!(ask(sql).await, ["clicks", "orders"]);
    let sql =
        "SELECT relname FROM pg_class WHERE relnamespace = 2200 AND relname LIKE 'orders/_%' ESCAPE '/' ORDER BY 1";
    assert_eq!(ask(sql).await, ["orders_pkey"]);
    let sql = "SELECT relname FROM pg_class WHERE relnamespace = 2200 AND relkind = ANY ('{\"v\", \"i\"}') ORDER BY 1";
    assert_eq!(ask(sql).await, ["Sales Lines_pkey", "amounts", "orders_pkey"]);
    let sql = "SELECT indkey[0], indkey[1], array_position(indkey, 2), generate_subscripts(indkey, 1) FROM pg_index \
               WHERE indrelid = '\"Sales Lines\"'::regclass";
    assert_eq!(ask(sql).await, ["1|2|1|0", "1|2|1|1"]);
}

/// What DataFusion cannot join is evaluated row by row, also where one subquery is within another.
#[tokio::test]
async fn correlated_subqueries_answer_wherever_they_stand() {
    let sql = "SELECT c.relname, CASE WHEN EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN \
               (SELECT b.attname FROM pg_attribute b WHERE b.attrelid <> c.oid AND b.atttypid = a.atttypid AND b.attrelid >= 16384)) \
               THEN 'shares' ELSE 'alone' END FROM pg_class c WHERE c.relnamespace = 2200 AND c.relkind IN ('r', 'v') ORDER BY 1";
    assert_eq!(ask(sql).await, ["Sales Lines|shares", "amounts|shares", "clicks|alone", "orders|shares"]);
}
