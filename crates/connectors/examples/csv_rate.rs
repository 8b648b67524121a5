use std::{collections::BTreeMap, sync::Arc, time::Instant};
use arrow::datatypes::*;
use dipper_connectors::*;
use dipper_operator_api::*;
fn main() {
    let columns = Arc::new(Schema::new(vec![
        Field::new("symbol", DataType::Utf8, true),
        Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        Field::new("price", DataType::Float64, true),
        Field::new("volume", DataType::Int64, true),
    ]));
    let path = std::env::args().nth(1).unwrap();
    let mut o = BTreeMap::new();
    for (k, v) in [("connector", "filesystem"), ("path", &path), ("format", "csv")] { o.insert(k.to_string(), v.to_string()); }
    for a in std::env::args().skip(2) { let (k, v) = a.split_once('=').unwrap(); o.insert(k.into(), v.into()); }
    let t = TableDefinition { name: "t".into(), columns, metadata: vec![], options: o };
    let s = source(&t).unwrap();
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for projection in [vec![0, 1, 2, 3], vec![0, 1, 2], vec![2]] {
    let mut best = f64::MAX; let mut rows = 0; let mut cpu = 0.0;
    for _ in 0..5 {
        let begin = Instant::now(); 
        rows = 0;
        rt.block_on(async {
            for split in s.splits().await.unwrap() {
                let m = Arc::new(OperatorMetrics::default());
                let mut r = s.open(&split, ReadOptions { projection: projection.clone(), batch_rows: 8192, metrics: m }).await.unwrap();
                while let Some(b) = r.next().await.unwrap() { rows += b.num_rows(); }
            }
        });
        let t = begin.elapsed().as_secs_f64();
        if t < best { best = t; }
        cpu += t;
    }
    println!("{projection:?} {rows} rows best {:.3} s = {:.2} M rows/s (mean {:.2})", best, rows as f64 / best / 1e6, rows as f64 * 5.0 / cpu / 1e6);
    }
}
