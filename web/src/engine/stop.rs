//! Stops orders: waits for the network or for another tab end at once, but writes are finished
//! first.

use super::error::EngineError;
use futures_channel::oneshot;
use futures_util::FutureExt as _;
use futures_util::future::{Either, Shared, select};
use std::pin::pin;

/// The end of a [`Stop`] that stops the order.
pub struct Pull(oneshot::Sender<()>);

impl Pull {
    /// Stops the order; has no effect on one that is done.
    pub fn pull(self) {
        let _ = self.0.send(());
    }
}

/// Tells everyone who works on an order whether to stop.
#[derive(Clone)]
pub struct Stop(Shared<oneshot::Receiver<()>>);

impl Stop {
    /// Makes both ends. Dropping the `Pull` also stops the order, so keep it while the order runs.
    pub fn new() -> (Pull, Self) {
        let (sender, receiver) = oneshot::channel();
        (Pull(sender), Self(receiver.shared()))
    }

    /// Returns whether the order is to stop.
    pub fn is_pulled(&self) -> bool {
        self.0.clone().now_or_never().is_some()
    }

    /// Returns the result of `work`, unless the order is stopped first. Then `work` is dropped, so
    /// it must be safe to drop.
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
