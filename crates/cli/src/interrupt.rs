//! Ctrl-C: the first one cancels what runs, the second one ends the process.

use std::io;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal;
use tokio_util::sync::CancellationToken;

const EXIT_CODE: i32 = 130;

/// Cancels what runs when the user asks for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<Mutex<CancellationToken>>);

impl Interrupt {
    /// Starts to listen. Must be called within the tokio runtime.
    pub(crate) fn listen() -> Self {
        let interrupt = Self::default();
        // Without signals there is nothing to listen to, and Ctrl-C ends the process.
        if let Ok(signals) = Signals::listen() {
            tokio::spawn(interrupt.clone().serve(signals));
        }
        interrupt
    }

    /// What the next Ctrl-C cancels.
    pub(crate) fn token(&self) -> CancellationToken {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets an earlier Ctrl-C: the next one cancels what starts now.
    pub(crate) fn rearm(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = CancellationToken::new();
    }

    async fn serve(self, mut signals: Signals) {
        while signals.next().await {
            let token = self.token();
            if token.is_cancelled() {
                process::exit(EXIT_CODE);
            }
            token.cancel();
        }
    }
}

/// Ctrl-C, and on Unix the wish of another process.
#[cfg(unix)]
struct Signals {
    interrupt: signal::unix::Signal,
    terminate: signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> bool {
        tokio::select! {
            asked = self.interrupt.recv() => asked.is_some(),
            asked = self.terminate.recv() => asked.is_some(),
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> bool {
        signal::ctrl_c().await.is_ok()
    }
}
