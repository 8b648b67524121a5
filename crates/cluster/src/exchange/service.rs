//! The receiving end of every channel of a worker.

use dipper_operator_api::StreamElement;
use dipper_types::{Error, Result};
use tonic::{Request, Response, Status, Streaming, async_trait};
use tracing::warn;

use super::codec::{Decoder, FRAME_BYTES_MAX};
use super::expected::ElementSink;
use super::proto::exchange_server::{Exchange, ExchangeServer};
use super::proto::frame::Content;
use super::proto::{Frame, Taken};
use super::{ChannelName, Expected, status};

/// Takes the channels that are [`Expected`], and refuses all others.
#[derive(Debug, Clone)]
pub struct ExchangeService {
    expected: Expected,
}

impl ExchangeService {
    /// The service as a server offers it; [`super::connection::server`] sets up the server.
    pub fn server(expected: Expected) -> ExchangeServer<Self> {
        ExchangeServer::new(Self { expected }).max_decoding_message_size(FRAME_BYTES_MAX)
    }
}

#[async_trait]
impl Exchange for ExchangeService {
    async fn send(&self, request: Request<Streaming<Frame>>) -> Result<Response<Taken>, Status> {
        let mut frames = request.into_inner();
        let name = channel_name(&mut frames).await.map_err(|error| {
            warn!(%error, "refused a stream that names no channel");
            status::from_error(&error)
        })?;
        let mut arrival = self.expected.connect(&name).map_err(|error| {
            warn!(%name, %error, "refused a channel");
            status::from_error(&error)
        })?;
        let decoder = Decoder::new(arrival.schema);
        let outcome = tokio::select! {
            outcome = receive(frames, decoder, arrival.sink.as_mut()) => outcome,
            () = arrival.ended.closed() => Err(Error::cancelled().context("the receiver has gone")),
        };
        let answer = match &outcome {
            Ok(()) => Ok(Response::new(Taken {})),
            Err(error) => Err(status::from_error(error)),
        };
        // The receiver may have gone by now; then nobody asks.
        let _ = arrival.ended.send(outcome.map_err(|error| error.context(&name)));
        answer
    }
}

/// The name of the channel, from the first frame.
async fn channel_name(frames: &mut Streaming<Frame>) -> Result<ChannelName> {
    match next(frames).await?.content {
        Some(Content::Channel(channel)) => Ok(channel.into()),
        _ => Err(Error::invalid("the first frame of a channel must name it")),
    }
}

/// Passes elements on until the end; reads on when the sink has taken what was read.
async fn receive(mut frames: Streaming<Frame>, mut decoder: Decoder, sink: &mut dyn ElementSink) -> Result<()> {
    loop {
        let Some(element) = decoder.decode(next(&mut frames).await?)? else { continue };
        let ended = matches!(element, StreamElement::End);
        sink.send(element).await?;
        if ended {
            break;
        }
    }
    match frames.message().await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(Error::internal("a frame follows the end of the channel")),
        Err(status) => Err(status::to_error(&status)),
    }
}

async fn next(frames: &mut Streaming<Frame>) -> Result<Frame> {
    let frame = frames.message().await.map_err(|status| status::to_error(&status))?;
    frame.ok_or_else(|| Error::unavailable("the stream broke before the end of the channel"))
}
