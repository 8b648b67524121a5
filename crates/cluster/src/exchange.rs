//! Channels between subtasks of different workers: one gRPC stream for one channel.
//!
//! Use [`send`] at the end that has the elements, and [`ExchangeService`] with its [`Expected`] channels at the other
//! one. Nothing is acknowledged by hand: the service reads on when the local [`ElementSink`] has taken an element, and
//! HTTP/2 flow control holds up the sender until then. That needs connections as [`connection`] sets them up.
//!
//! Who may connect is decided in front of the service ([`crate::Security`]).

mod channel_name;
mod codec;
pub mod connection;
mod expected;
mod ipc;
mod proto;
mod sender;
mod service;
mod status;
mod views;

#[cfg(test)]
mod loopback;

pub use channel_name::ChannelName;
pub use expected::{ElementSink, Expected, Reception};
pub use sender::send;
pub use service::ExchangeService;
pub(crate) use status::code_of;
