//! What a subtask counts as a whole: the bytes that pass through it, and how it spends its time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use dipper_operator_api::StreamElement;

use crate::clock::Stopwatch;

/// How subtasks have spent their time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskTimes {
    /// With work, or waiting for a table that they write.
    pub busy: Duration,
    /// Waiting until whoever comes next has room.
    pub backpressured: Duration,
    /// Waiting for input.
    pub idle: Duration,
}

/// What a subtask does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    Busy,
    Backpressured,
    Idle,
}

/// The counters of one subtask.
#[derive(Debug, Default)]
pub(crate) struct TaskMetrics {
    /// Of the rows that have come in, from its source or from other subtasks, as they lie in memory.
    pub(crate) bytes_in: AtomicU64,
    /// Of the rows that have gone out, to its sink, to the client or to other subtasks.
    pub(crate) bytes_out: AtomicU64,
    clock: Mutex<Clock>,
}

#[derive(Debug, Default)]
struct Clock {
    spent: TaskTimes,
    /// What it does, and since when, while it runs here.
    now: Option<(Activity, Stopwatch)>,
}

impl TaskMetrics {
    /// The subtask runs from now on, until what is returned is dropped.
    pub(crate) fn begin(&self) -> impl Drop + '_ {
        self.clock().now = Some((Activity::Busy, Stopwatch::start()));
        Running(self)
    }

    /// Counts the bytes of rows.
    pub(crate) fn add_bytes(counter: &AtomicU64, element: &StreamElement) {
        counter.fetch_add(element.bytes() as u64, Ordering::Relaxed);
    }

    /// Waits for `future`. The clock is read only when there is something to wait for.
    pub(crate) async fn waiting<F: Future>(&self, how: Activity, future: F) -> F::Output {
        let (mut future, mut waits) = (pin!(future), false);
        poll_fn(|context| {
            if std::mem::take(&mut waits) {
                self.enter(Activity::Busy);
            }
            let polled = future.as_mut().poll(context);
            if matches!(polled, Poll::Pending) {
                waits = true;
                self.enter(how);
            }
            polled
        })
        .await
    }

    /// How the subtask has spent its time up to now.
    pub(crate) fn times(&self) -> TaskTimes {
        let mut clock = self.clock();
        clock.bring_up();
        clock.spent
    }

    /// Takes over what a subtask has counted that runs elsewhere.
    pub(crate) fn set(&self, bytes_in: u64, bytes_out: u64, times: TaskTimes) {
        self.bytes_in.store(bytes_in, Ordering::Relaxed);
        self.bytes_out.store(bytes_out, Ordering::Relaxed);
        *self.clock() = Clock { spent: times, now: None };
    }

    fn enter(&self, activity: Activity) {
        let mut clock = self.clock();
        clock.bring_up();
        if let Some((now, _)) = &mut clock.now {
            *now = activity;
        }
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        // No call leaves it half changed.
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock {
    fn bring_up(&mut self) {
        let Some((activity, since)) = &mut self.now else { return };
        let time = match activity {
            Activity::Busy => &mut self.spent.busy,
            Activity::Backpressured => &mut self.spent.backpressured,
            Activity::Idle => &mut self.spent.idle,
        };
        *time += since.lap();
    }
}

/// A subtask that runs.
struct Running<'a>(&'a TaskMetrics);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut clock = self.0.clock();
        clock.bring_up();
        clock.now = None;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn time_counts_for_what_is_waited_for_and_otherwise_as_busy() {
        let metrics = TaskMetrics::default();
        let running = metrics.begin();
        assert_eq!(metrics.waiting(Activity::Idle, std::future::ready(7)).now_or_never(), Some(7));
        let before = metrics.times();
        assert_eq!((before.idle, before.backpressured), (Duration::ZERO, Duration::ZERO), "nothing was waited for");
        assert!(before.busy > Duration::ZERO);

        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let mut waiting = Box::pin(metrics.waiting(Activity::Idle, receiver));
        assert!(waiting.as_mut().now_or_never().is_none());
        let (first, second) = (metrics.times(), metrics.times());
        assert!(second.idle > first.idle, "time counts while it passes");
        assert_eq!(second.busy, first.busy);
        sender.send(()).unwrap();
        assert!(waiting.as_mut().now_or_never().is_some());
        let after = metrics.times();
        assert!(after.busy > second.busy);

        let mut full = Box::pin(metrics.waiting(Activity::Backpressured, std::future::pending::<()>()));
        assert!(full.as_mut().now_or_never().is_none());
        assert!(metrics.times().backpressured > Duration::ZERO);
        drop(full);
        drop(running);
        assert_eq!(metrics.times(), metrics.times(), "nothing counts once it has ended");
    }
}
