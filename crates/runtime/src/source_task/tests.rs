//! One source subtask over scripted splits.

use dipper_operator_api::Split;
use dipper_types::Timestamp;

use super::*;
use crate::tests::{ScriptedSource, Step, rows_of, source_spec, watermark_spec};

fn task(source: &ScriptedSource, watermark: Option<dipper_graph::WatermarkSpec>) -> SourceTask {
    let spec = source_spec("numbers", watermark);
    let mut task = SourceTask::new(&spec, Arc::new(source.clone()), 100, Arc::default()).unwrap();
    let split = |index: usize| Split { id: index.to_string(), description: String::new() };
    task.assign((0..source.splits.len()).map(split).map(SplitProgress::unread).collect());
    task
}

fn row(time: i64) -> Step {
    Step::Rows(vec![(0, time)])
}

/// The next elements, in short.
async fn next(task: &mut SourceTask, count: usize) -> Vec<String> {
    let mut elements = Vec::new();
    for _ in 0..count {
        elements.push(match task.next().await.unwrap() {
            StreamElement::Batch(batch) => format!("row {}", rows_of(&batch)[0].1),
            StreamElement::Watermark(Watermark(Timestamp(us))) => format!("watermark {us}"),
            other => format!("{other:?}").to_lowercase(),
        });
    }
    elements
}

#[tokio::test]
async fn the_split_with_the_lowest_watermark_is_read_next() {
    let source = ScriptedSource::new(vec![vec![row(1), row(2), row(30)], vec![row(10), row(20)]]);
    let mut task = task(&source, Some(watermark_spec(None)));
    let expected = [
        "row 1",
        "row 10",
        "watermark 1",
        "row 2",
        "watermark 2",
        "row 30",
        "watermark 10",
        "row 20",
        "watermark 20",
        "watermark 30",
        "end",
    ];
    assert_eq!(next(&mut task, 11).await, expected);
}

#[tokio::test]
async fn bounded_splits_without_a_watermark_are_read_one_after_another() {
    let source = ScriptedSource::new(vec![vec![row(5), row(4)], vec![], vec![row(1)]]);
    let mut task = task(&source, None);
    assert_eq!(next(&mut task, 4).await, ["row 5", "row 4", "row 1", "end"]);
    assert_eq!(*source.opened.lock().unwrap(), ["0", "1", "2"]);
}

#[tokio::test]
async fn unbounded_splits_without_a_watermark_are_read_as_they_have_rows() {
    let mut source = ScriptedSource::new(vec![
        vec![row(1), row(2), Step::Hang],
        vec![Step::Hang],
        vec![row(11), row(12), row(13), Step::Hang],
    ]);
    source.boundedness = Boundedness::Unbounded;
    let mut task = task(&source, None);
    assert_eq!(next(&mut task, 5).await, ["row 1", "row 11", "row 2", "row 12", "row 13"]);
}

#[tokio::test]
async fn a_subtask_without_splits_ends_at_once() {
    let source = ScriptedSource::new(Vec::new());
    assert_eq!(next(&mut task(&source, Some(watermark_spec(None))), 1).await, ["end"]);
}

#[tokio::test]
async fn a_silent_split_does_not_hold_back_the_others_and_joins_them_when_it_speaks() {
    let (signal, heard) = tokio::sync::watch::channel(0);
    let silent = vec![row(1), Step::Until(heard, 1), row(6), Step::Hang];
    let source = ScriptedSource::new(vec![silent, vec![row(5), Step::Hang]]);
    let mut task = task(&source, Some(watermark_spec(Some(1))));
    assert_eq!(next(&mut task, 3).await, ["row 1", "row 5", "watermark 1"]);
    // Nothing but time passes: split 0 is given up first, then split 1.
    assert_eq!(next(&mut task, 2).await, ["watermark 5", "idle"]);
    signal.send_replace(1);
    assert_eq!(next(&mut task, 4).await, ["active", "row 6", "watermark 6", "idle"]);
}
