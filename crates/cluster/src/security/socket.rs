//! The bytes of a connection, with TLS or without.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dipper_types::{Error, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsStream;
use tokio_util::either::Either;
use tonic::transport::server::TcpConnectInfo;

use super::tls;

/// A connection of either end.
pub struct Socket {
    stream: Either<TcpStream, TlsStream<TcpStream>>,
    greeted: Option<Greeted>,
}

/// Where it is said whether the other side has begun as a server of HTTP/2 does.
pub(super) type Greeted = oneshot::Sender<Result<()>>;

impl Socket {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self { stream: Either::Left(stream), greeted: None }
    }

    pub(super) fn encrypted(stream: impl Into<TlsStream<TcpStream>>) -> Self {
        Self { stream: Either::Right(stream.into()), greeted: None }
    }

    /// What comes first is looked at: who connects without TLS to where TLS is wanted, or with a certificate that is not, learns it no earlier.
    pub(super) fn tells(self, greeted: Option<Greeted>) -> Self {
        Self { greeted, ..self }
    }

    /// Whoever does not read on may have said why: then that is what is wrong.
    fn hear_out<T>(mut self: Pin<&mut Self>, context: &mut Context<'_>, written: io::Result<T>) -> Poll<io::Result<T>> {
        if written.is_err() && self.greeted.is_some() {
            let _ = ready!(self.as_mut().poll_read(context, &mut ReadBuf::new(&mut [0; 1024])));
        }
        Poll::Ready(written)
    }

    /// What the first bytes say.
    fn greeting(&self, first: Result<&[u8], &io::Error>) -> Result<()> {
        /// An alert of TLS, in the clear.
        const ALERT: u8 = 0x15;
        let is_plain = matches!(self.stream, Either::Left(_));
        match first {
            // The first frame gives settings, of which there are few: so its length begins with a zero.
            Ok([0, ..]) => Ok(()),
            Ok([ALERT, ..]) if is_plain => {
                let error = Error::unavailable("it wants TLS");
                Err(error.with_hint("say whom to trust: --tls-ca FILE"))
            }
            Ok([_, ..]) => Err(tls::no_dipper()),
            Ok([]) => Err(closed()),
            Err(_) if is_plain => Err(closed()),
            Err(error) => Err(tls::explain(error)),
        }
    }
}

/// Whoever listens has gone before he said a word.
pub(super) fn closed() -> Error {
    let error = Error::unavailable("it has closed the connection at once");
    error
        .with_hint("it may want TLS (--tls-ca FILE), or a certificate (--tls-cert and --tls-key), or be something else")
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if let Some(greeted) = self.greeted.take() {
            let first = read.as_ref().map(|()| &buffer.filled()[before..]);
            let _ = greeted.send(self.greeting(first));
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        self.hear_out(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, bytes));
        self.hear_out(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = ready!(Pin::new(&mut self.stream).poll_flush(context));
        self.hear_out(context, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl tonic::transport::server::Connected for Socket {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        match &self.stream {
            Either::Left(stream) => stream.connect_info(),
            Either::Right(stream) => stream.get_ref().0.connect_info(),
        }
    }
}
