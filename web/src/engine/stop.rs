//! How an order is stopped: what waits for the network or for another tab gives up, what writes is let finish.

use super::error::EngineError;
use futures_channel::oneshot;
use futures_util::FutureExt as _;
use futures_util::future::{Either, Shared, select};
use std::pin::pin;

/// Stops an order when pulled.
pub struct Pull(oneshot::Sender<()>);

impl Pull {
    /// Stops it; one that is done does not mind.
    pub fn pull(self) {
        let _ = self.0.send(());
    }
}

/// Whether an order is to stop, for everybody who works on it.
#[derive(Clone)]
pub struct Stop(Shared<oneshot::Receiver<()>>);

impl Stop {
    /// Both ends. Dropping the `Pull` stops the order, too: it is to be kept while that runs.
    pub fn new() -> (Pull, Self) {
        let (sender, receiver) = oneshot::channel();
        (Pull(sender), Self(receiver.shared()))
    }

    /// Whether it was pulled.
    pub fn is_pulled(&self) -> bool {
        self.0.clone().now_or_never().is_some()
    }

    /// What `work` comes to, unless it is stopped before: then `work` is dropped, so it must be one that may.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`].
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, EngineError> {
        match select(self.0.clone(), pin!(work)).await {
            Either::Left(_) => Err(EngineError::Cancelled),
            Either::Right((outcome, _)) => Ok(outcome),
        }
    }
}
