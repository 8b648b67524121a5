//! Figures as text: what Prometheus reads.

use dipper_operator_api::Latency;
use dipper_runtime::{CheckpointProgress, LastCheckpoint, TaskTimes};
use dipper_types::{OperatorId, Timestamp};

use super::*;

fn latencies() -> LatencyCounts {
    let latency = Latency::default();
    latency.record_us(2_000);
    latency.record_us(7_200_000_000);
    latency.counts()
}

fn progress() -> Progress {
    let watermark = Watermark(Timestamp(97_500_000));
    let operator = OperatorProgress {
        id: OperatorId("source-1".to_owned()),
        name: "read \"made\"".to_owned(),
        parallelism: 2,
        rows_in: 12,
        rows_out: 11,
        matches: 0,
        open_matches: 0,
        match_latency: LatencyCounts::default(),
        late_rows: 0,
        skipped_records: 1,
        skip_errors: 0,
        watermark,
    };
    let times =
        TaskTimes { busy: Duration::from_millis(1_500), backpressured: Duration::ZERO, idle: Duration::from_secs(3) };
    let (id, name) = (OperatorId("source-1".to_owned()), "read \"made\" -> match".to_owned());
    Progress {
        rows_in: 12,
        rows_out: 3,
        bytes_in: 96,
        bytes_out: 24,
        matches: 3,
        open_matches: 2,
        match_latency: latencies(),
        late_rows: 4,
        skipped_records: 1,
        skip_errors: 0,
        watermark,
        checkpoints: CheckpointProgress {
            completed: 5,
            failed: 1,
            last: Some(LastCheckpoint {
                number: 9,
                created_ms: 99_000,
                bytes: 1_024,
                duration: Duration::from_millis(12),
            }),
        },
        operators: vec![operator],
        tasks: vec![TaskProgress { id, name, parallelism: 2, bytes_in: 96, bytes_out: 24, times }],
    }
}

fn figures() -> Figures {
    let worker = |name: &str, free| rpc::Worker { name: name.to_owned(), slots: 2, free, ..rpc::Worker::default() };
    let job = |id: &str, state: &str, progress| Measured {
        id: id.to_owned(),
        name: "triples".to_owned(),
        state: state.to_owned(),
        slots: 2,
        restarts: 1,
        progress,
    };
    let leading = rpc::ClusterStatus {
        workers: vec![worker("first", 0), worker("second", 1)],
        generation: 7,
        ..rpc::ClusterStatus::default()
    };
    let jobs = vec![job("1", "RUNNING", Some(progress())), job("0", "FINISHED", None)];
    Figures { leading: Some(leading), jobs, now_ms: 100_000 }
}

#[test]
fn figures_are_what_prometheus_reads() {
    let text = figures().text().unwrap();
    let of_job = r#"{job_id="1",job_name="triples"}"#;
    let of_task = r#"{job_id="1",job_name="triples",task_id="source-1",task="read \"made\" -> match"}"#;
    let expected = [
        "dipper_coordinator_leading 1".to_owned(),
        "dipper_coordinator_generation 7".to_owned(),
        "dipper_cluster_workers 2".to_owned(),
        "dipper_cluster_slots 4".to_owned(),
        "dipper_cluster_free_slots 1".to_owned(),
        r#"dipper_cluster_jobs{state="RUNNING"} 1"#.to_owned(),
        r#"dipper_cluster_jobs{state="FINISHED"} 1"#.to_owned(),
        "# TYPE dipper_job_rows_in_total counter".to_owned(),
        format!("dipper_job_rows_in_total{of_job} 12"),
        format!("dipper_job_in_bytes_total{of_job} 96"),
        format!("dipper_job_open_matches{of_job} 2"),
        format!("dipper_job_watermark_lag_seconds{of_job} 2.5"),
        format!("dipper_job_last_checkpoint_size_bytes{of_job} 1024"),
        format!("dipper_job_last_checkpoint_duration_seconds{of_job} 0.012"),
        format!("dipper_job_restarts_total{of_job} 1"),
        "# TYPE dipper_job_match_latency_seconds histogram".to_owned(),
        r#"dipper_job_match_latency_seconds_bucket{job_id="1",job_name="triples",le="0.001"} 0"#.to_owned(),
        r#"dipper_job_match_latency_seconds_bucket{job_id="1",job_name="triples",le="0.005"} 1"#.to_owned(),
        r#"dipper_job_match_latency_seconds_bucket{job_id="1",job_name="triples",le="+Inf"} 2"#.to_owned(),
        format!("dipper_job_match_latency_seconds_count{of_job} 2"),
        format!("dipper_task_busy_seconds_total{of_task} 1.5"),
        format!("dipper_task_idle_seconds_total{of_task} 3.0"),
    ];
    for line in expected {
        assert!(text.lines().any(|said| said == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains(r#"job_id="0""#), "nothing is measured of a job that has ended long ago");
}

#[test]
fn each_series_stands_once_and_behind_its_type() {
    let text = figures().text().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let mut last = String::new();
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# TYPE ") {
            last = described.split(' ').next().unwrap().to_owned();
        } else if !line.starts_with('#') {
            let series = line.rsplit_once(' ').unwrap().0;
            assert!(seen.insert(series.to_owned()), "{series} stands twice");
            assert!(series.starts_with(&last), "{series} stands behind {last}");
        }
    }
}

#[test]
fn a_coordinator_that_stands_by_says_only_that() {
    let text = Figures { leading: None, ..figures() }.text().unwrap();
    let said: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(said, ["dipper_coordinator_leading 0"]);
}

#[test]
fn there_is_no_lag_without_a_watermark() {
    assert!(lag(Watermark::MIN, 5).is_none() && lag(Watermark::MAX, 5).is_none());
    assert!(matches!(lag(Watermark(Timestamp(2_000_000)), 3_000), Some(Value::Part(1.0))));
}
