//! The sending end of a channel.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dipper_operator_api::StreamElement;
use dipper_types::{Error, Result};
use futures::Stream;
use futures::stream::BoxStream;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Body as HttpBody, StdError};

use super::ChannelName;
use super::codec::Encoder;
use super::proto::exchange_client::ExchangeClient;
use super::proto::frame::Content;
use super::proto::{Failure, Frame};
use super::status;

/// Sends the elements of a channel and returns when the receiver has taken the last one, [`StreamElement::End`]. Elements
/// that end without one break the channel. Dropping the future breaks it too.
///
/// `connection` is a [`tonic::transport::Channel`] as [`super::connection::endpoint`] sets it up, or what an interceptor
/// makes of it.
///
/// # Errors
/// The receiver's error, if it has refused the channel or failed; that the connection has failed; or that the elements
/// cannot be sent.
pub async fn send<T>(
    connection: T,
    name: &ChannelName,
    elements: impl Stream<Item = StreamElement> + Send + 'static,
) -> Result<()>
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <T::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    let failure = LocalFailure::default();
    let frames = Frames {
        elements: Box::pin(elements),
        encoder: Encoder::default(),
        waiting: VecDeque::from([Frame { content: Some(Content::Channel(name.into())) }]),
        ended: false,
        failure: failure.clone(),
    };
    let answer = ExchangeClient::new(connection).send(frames).await;
    // The receiver only echoes what went wrong here.
    let failed = failure.take().or_else(|| answer.err().map(|status| status::to_error(&status)));
    failed.map_or(Ok(()), |error| Err(error.context(name)))
}

/// Why the elements cannot be sent, if they cannot: known to the frames, wanted by whoever waits for the answer.
#[derive(Debug, Clone, Default)]
struct LocalFailure(Arc<Mutex<Option<Error>>>);

impl LocalFailure {
    fn set(&self, error: Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The frames of a channel, made as the connection asks for them.
struct Frames {
    elements: BoxStream<'static, StreamElement>,
    encoder: Encoder,
    /// Frames of elements that have been taken.
    waiting: VecDeque<Frame>,
    /// No element is taken any more.
    ended: bool,
    failure: LocalFailure,
}

impl Frames {
    fn take(&mut self, element: Option<StreamElement>) {
        self.ended = matches!(element, None | Some(StreamElement::End));
        let encoded = match element {
            Some(element) => self.encoder.encode(element, &mut self.waiting),
            None => Err(Error::cancelled().context("the elements ended before the end of the stream")),
        };
        if let Err(error) = encoded {
            self.ended = true;
            self.waiting.push_back(Frame { content: Some(Content::Failure(Failure { message: error.to_string() })) });
            self.failure.set(error);
        }
    }
}

impl Stream for Frames {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Poll::Ready(Some(frame));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let element = ready!(self.elements.as_mut().poll_next(context));
            self.take(element);
        }
    }
}
