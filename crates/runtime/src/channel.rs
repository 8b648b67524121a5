//! A channel between two subtasks: bounded in bytes, so that a slow receiver holds up its senders and a queue's memory does
//! not depend on how wide the rows are.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use dipper_operator_api::StreamElement;
use dipper_types::{Error, Result};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What an element counts besides its rows, so that a flood of watermarks is bounded as well.
const ELEMENT_BYTES: usize = 64;

/// A channel for `bytes` of waiting elements. An element larger than that takes the whole of it.
pub(crate) fn channel(bytes: usize) -> (Sender, Receiver) {
    // A permit of the semaphore is a byte, and one acquisition counts in u32.
    let budget = u32::try_from(bytes.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
    let credit = Arc::new(Semaphore::new(budget as usize));
    let (sender, receiver) = unbounded_channel();
    (Sender { budget, credit: Arc::clone(&credit), queue: sender }, Receiver { credit, queue: receiver })
}

#[derive(Debug)]
struct Queued {
    element: StreamElement,
    /// Given back when the receiver takes the element.
    _credit: OwnedSemaphorePermit,
}

/// The sending end; clones share the bound.
#[derive(Debug, Clone)]
pub struct Sender {
    budget: u32,
    credit: Arc<Semaphore>,
    queue: UnboundedSender<Queued>,
}

impl Sender {
    /// Sends, when there is room. A receiver that has gone makes it fail as cancelled: whoever dropped it knows why.
    pub async fn send(&self, element: StreamElement) -> Result<()> {
        let bytes = element.bytes().saturating_add(ELEMENT_BYTES);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.budget);
        let credit = Arc::clone(&self.credit).acquire_many_owned(bytes).await.map_err(|_| Error::cancelled())?;
        self.queue.send(Queued { element, _credit: credit }).map_err(|_| Error::cancelled())
    }
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver {
    credit: Arc<Semaphore>,
    queue: UnboundedReceiver<Queued>,
}

impl Receiver {
    /// The next element; `None` when every sender has gone. It may be dropped at any time.
    pub async fn receive(&mut self) -> Option<StreamElement> {
        poll_fn(|context| self.poll_receive(context)).await
    }

    /// The same, for those who wait for several.
    pub(crate) fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Option<StreamElement>> {
        self.queue.poll_recv(context).map(|queued| queued.map(|queued| queued.element))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Wakes the senders that wait for room.
        self.credit.close();
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};
    use arrow::record_batch::RecordBatch;
    use dipper_types::ErrorKind;
    use futures::FutureExt;

    use super::*;

    fn batch(rows: usize) -> StreamElement {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![7; rows]));
        StreamElement::Batch(RecordBatch::try_from_iter([("v", column)]).unwrap())
    }

    #[test]
    fn a_full_channel_holds_up_its_sender_until_an_element_is_taken() {
        let (sender, mut receiver) = channel(2 * (batch(100).bytes() + ELEMENT_BYTES));
        assert!(sender.send(batch(100)).now_or_never().is_some());
        assert!(sender.send(batch(100)).now_or_never().is_some());
        assert!(sender.send(batch(100)).now_or_never().is_none());
        assert!(poll_fn(|context| receiver.poll_receive(context)).now_or_never().flatten().is_some());
        assert!(sender.send(batch(100)).now_or_never().is_some());
    }

    #[test]
    fn an_element_larger_than_the_bound_passes_alone() {
        let (sender, mut receiver) = channel(10);
        assert!(sender.send(batch(1_000)).now_or_never().is_some());
        assert!(sender.send(StreamElement::End).now_or_never().is_none());
        assert!(poll_fn(|context| receiver.poll_receive(context)).now_or_never().flatten().is_some());
        assert!(sender.send(StreamElement::End).now_or_never().is_some());
    }

    #[test]
    fn a_sender_that_waits_for_room_hears_that_the_receiver_has_gone() {
        let (sender, receiver) = channel(1);
        assert!(sender.send(batch(1)).now_or_never().is_some());
        let mut waiting = Box::pin(sender.send(batch(1)));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(receiver);
        let error = waiting.now_or_never().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
