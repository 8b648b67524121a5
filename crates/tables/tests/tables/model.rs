//! Random sequences of changes, compared with a map.

use std::collections::BTreeMap;
use std::sync::Arc;

use dipper_tables::{AsOf, Changes, DeltaFormat, Table, TableFormat, TableOptions, compact};
use proptest::prelude::*;

use crate::support::*;

#[derive(Debug, Clone)]
enum Step {
    /// Changes of an epoch, in order.
    Upsert(Vec<(u8, Option<u16>)>),
    Truncate,
    Compact,
    Expire,
    /// By a process that has not seen the table before.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0..24_u8, proptest::option::weighted(0.75, any::<u16>()));
    prop_oneof![
        8 => proptest::collection::vec(change, 0..12).prop_map(Step::Upsert),
        1 => Just(Step::Truncate),
        2 => Just(Step::Compact),
        2 => Just(Step::Expire),
        2 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn a_table_is_what_a_map_is(steps in proptest::collection::vec(step(), 1..30), cleans_up: bool) {
        block_on(run(steps, cleans_up));
    }
}

async fn run(steps: Vec<Step>, cleans_up: bool) {
    let directory = memory();
    let retention = if cleans_up { AT_ONCE } else { 86_400_000 };
    let options = TableOptions { file_retention_ms: retention, log_retention_ms: retention, ..options() };
    let mut table = key_table(&directory, options).await;
    let mut model = Rows::new();
    let mut past: BTreeMap<u64, Rows> = BTreeMap::new();
    for (epoch, step) in steps.into_iter().enumerate() {
        match step {
            Step::Upsert(changes) => {
                let changes: Vec<Change> =
                    changes.into_iter().map(|(key, name)| (key.into(), name.map(|name| name.to_string()))).collect();
                let staged = Changes::upsert(stage_keys(&*table, &changes).await).in_transaction("job", epoch as i64);
                table.commit(&staged).await.unwrap();
                for (key, name) in changes {
                    match name {
                        Some(name) => model.insert(key, Some(name)),
                        None => model.remove(&key),
                    };
                }
                assert_eq!(table.known_snapshot().epoch_of("job"), Some(epoch as i64));
            }
            Step::Truncate => {
                table.commit(&Changes::truncate()).await.unwrap();
                model.clear();
            }
            Step::Compact => drop(compact(&*table).await.unwrap()),
            Step::Expire => drop(table.expire().await.unwrap()),
            Step::Reopen => table = DeltaFormat.open(&directory).await.unwrap(),
        }
        let snapshot = table.snapshot().await.unwrap();
        assert_eq!(by_key(&snapshot).await, model);
        past.insert(snapshot.version(), model.clone());
    }
    if !cleans_up {
        check_past(&table, &past).await;
    }
}

async fn check_past(table: &Arc<dyn Table>, past: &BTreeMap<u64, Rows>) {
    for (version, model) in past {
        let then = table.snapshot_at(AsOf::Version(*version)).await.unwrap();
        assert_eq!(by_key(&then).await, *model, "version {version}");
        let same = table.snapshot_at(AsOf::TimestampMs(then.timestamp_ms())).await.unwrap();
        assert_eq!(same.version(), *version);
    }
}
