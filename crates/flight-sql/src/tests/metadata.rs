//! Tables, keys, and what the server can do.

use arrow_flight::Action;
use arrow_flight::sql::{
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetTables, CommandGetXdbcTypeInfo, SqlInfo,
};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_is_listed() {
    let served = Served::to_anybody().await;
    let mut client = served.client_with_a_table().await;
    update(&mut client, "CREATE VIEW named AS SELECT id FROM totals WHERE shop IS NOT NULL").await;
    let info = client.get_catalogs().await.unwrap();
    assert_eq!(text(&rows(&mut client, info).await.unwrap()), "dipper");
    let schemas = CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: Some("pub%".to_owned()) };
    let info = client.get_db_schemas(schemas).await.unwrap();
    assert_eq!(text(&rows(&mut client, info).await.unwrap()), "dipper,public");
    let info = client.get_table_types().await.unwrap();
    assert_eq!(text(&rows(&mut client, info).await.unwrap()), "TABLE\nVIEW");
    let info = client.get_tables(CommandGetTables::default()).await.unwrap();
    let tables = text(&rows(&mut client, info).await.unwrap());
    assert_eq!(tables, "dipper,public,named,VIEW\ndipper,public,totals,TABLE");
    let tables = CommandGetTables {
        include_schema: true,
        table_name_filter_pattern: Some("tot%".to_owned()),
        ..CommandGetTables::default()
    };
    let info = client.get_tables(tables).await.unwrap();
    assert_eq!(rows(&mut client, info).await.unwrap()[0].num_columns(), 5);
    let keys = CommandGetPrimaryKeys { catalog: None, db_schema: None, table: "totals".to_owned() };
    let info = client.get_primary_keys(keys).await.unwrap();
    assert_eq!(text(&rows(&mut client, info).await.unwrap()), "dipper,public,totals,id,totals_pkey,1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_not_is_empty() {
    let served = Served::to_anybody().await;
    let mut client = served.client().await;
    let infos = [
        client.get_exported_keys(CommandGetExportedKeys::default()).await.unwrap(),
        client.get_imported_keys(CommandGetImportedKeys::default()).await.unwrap(),
        client.get_cross_reference(CommandGetCrossReference::default()).await.unwrap(),
    ];
    for info in infos {
        let batches = rows(&mut client, info).await.unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_what_it_can_do() {
    let served = Served::to_anybody().await;
    let mut client = served.client().await;
    let info = client.get_sql_info(vec![SqlInfo::FlightSqlServerName]).await.unwrap();
    assert_eq!(rows(&mut client, info).await.unwrap()[0].num_rows(), 1);
    let info = client.get_xdbc_type_info(CommandGetXdbcTypeInfo::default()).await.unwrap();
    assert_eq!(rows(&mut client, info).await.unwrap()[0].num_rows(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_are_listed_and_others_refused_by_name() {
    let served = Served::to_anybody().await;
    let mut client = served.client().await;
    let (code, message) = refusal(client.begin_transaction().await);
    assert_eq!(code, Code::Unimplemented);
    assert!(message.starts_with("BeginTransaction: there are no transactions"), "{message}");
    let (code, message) = refusal(client.do_action(Action::new("Dance", "")).await);
    assert_eq!((code, message.as_str()), (Code::Unimplemented, "there is no action 'Dance'"));
    for action in ["CreatePreparedStatement", "ClosePreparedStatement", "CancelQuery"] {
        assert_eq!(refusal(client.do_action(Action::new(action, "nonsense")).await).0, Code::InvalidArgument);
    }
    let actions = client.inner_mut().list_actions(arrow_flight::Empty {}).await.unwrap().into_inner();
    assert_eq!(actions.try_collect::<Vec<_>>().await.unwrap().len(), 7);
}
