//! Holds work between two steps while nobody looks at the page.

use futures_channel::oneshot;
use futures_util::FutureExt as _;
use futures_util::future::Shared;
use std::cell::RefCell;
use std::rc::Rc;

type Held = (oneshot::Sender<()>, Shared<oneshot::Receiver<()>>);

/// Tells everyone who works whether to wait. Clones say the same.
#[derive(Clone, Default)]
pub struct Hold(Rc<RefCell<Option<Held>>>);

impl Hold {
    /// Has work wait from its next step on, or go on.
    pub fn set(&self, hold: bool) {
        let mut held = self.0.borrow_mut();
        match hold {
            true if held.is_none() => {
                let (sender, receiver) = oneshot::channel();
                *held = Some((sender, receiver.shared()));
            }
            true => {}
            // Without its sender, the receiver wakes everyone who waits.
            false => *held = None,
        }
    }

    /// Waits while work is held.
    pub async fn over(&self) {
        loop {
            let held = self.0.borrow().as_ref().map(|(_, over)| over.clone());
            match held {
                Some(over) => drop(over.await),
                None => return,
            }
        }
    }
}
