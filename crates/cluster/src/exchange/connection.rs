//! How connections between workers are set up, so that flow control holds up one channel and never its neighbours.
//!
//! All channels from one worker to another may share one connection. HTTP/2 has a window for each stream and one for the
//! connection, and bytes that a receiver has not taken count in both. A receiver that waits for a barrier leaves channels
//! unread *because* it waits for others; if the unread ones used up the connection's window the others could not get
//! through, and it would wait for ever. So the connection's window is as wide as all its streams' windows together: it
//! never holds up anyone, and each stream's window alone does.

use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};

use crate::clock::{HEARTBEAT, SILENCE};

/// How many bytes of a channel may be under way, beside the frame that is being read: enough for a few milliseconds at
/// the speed of a loopback, or for half a millisecond of distance at ten gigabits a second.
pub const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// How many channels a connection may carry. Those beyond would wait until others have ended, and others may be waiting
/// for them: a worker that needs more opens a second connection.
pub const CHANNELS_PER_CONNECTION_MAX: u32 = CONNECTION_WINDOW_BYTES / STREAM_WINDOW_BYTES;

/// The widest that HTTP/2 allows.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;

/// The size of HTTP/2's own frames, in which ours are cut up. Those of the usual 16 KiB cost twice the time, larger ones
/// than this save none.
const HTTP2_FRAME_BYTES: u32 = 256 << 10;

/// A server that offers [`super::ExchangeService`].
#[must_use]
pub fn server<L>(server: Server<L>) -> Server<L> {
    // An attempt that is cancelled resets all its channels at once; that is no attack.
    let resets = CHANNELS_PER_CONNECTION_MAX as usize;
    server
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(CHANNELS_PER_CONNECTION_MAX)
        .max_frame_size(HTTP2_FRAME_BYTES)
        .http2_max_pending_accept_reset_streams(Some(resets))
        .http2_max_local_error_reset_streams(Some(resets))
        .http2_keepalive_interval(Some(HEARTBEAT))
        .http2_keepalive_timeout(Some(SILENCE))
}

/// The connections to a [`server`], for `serve_with_incoming`.
#[must_use]
pub fn incoming(listener: TcpListener) -> TcpIncoming {
    // Or what opens the sender's window would wait for more of its kind.
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

/// A connection for [`super::send`]. When the other side is silent it breaks, or a job would wait for as long as TCP does: a quarter of an hour.
#[must_use]
pub fn endpoint(endpoint: Endpoint) -> Endpoint {
    let endpoint = endpoint.http2_keep_alive_interval(HEARTBEAT).keep_alive_timeout(SILENCE);
    endpoint.tcp_nodelay(true).http2_max_concurrent_reset_streams(CHANNELS_PER_CONNECTION_MAX as usize)
}
