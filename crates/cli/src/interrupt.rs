//! Ctrl-C: the first one cancels what runs, the second one ends the process.

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
        tokio::spawn(interrupt.clone().serve());
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

    async fn serve(self) {
        while asked_to_stop().await {
            let token = self.token();
            if token.is_cancelled() {
                process::exit(EXIT_CODE);
            }
            token.cancel();
        }
    }
}

#[cfg(unix)]
async fn asked_to_stop() -> bool {
    use signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return signal::ctrl_c().await.is_ok() };
    tokio::select! {
        asked = signal::ctrl_c() => asked.is_ok(),
        asked = terminate.recv() => asked.is_some(),
    }
}

#[cfg(not(unix))]
async fn asked_to_stop() -> bool {
    signal::ctrl_c().await.is_ok()
}
