//! Locks that only one worker holds at a time, over all tabs of this site.

use super::host::scope;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

// As in web-sys, where it counts as unstable.
#[wasm_bindgen]
extern "C" {
    type LockManager;
    #[wasm_bindgen(method)]
    fn request(this: &LockManager, name: &str, callback: &js_sys::Function) -> js_sys::Promise;
}

/// A lock of the Web Locks API, held until dropped; the browser drops it when the tab dies.
pub struct Lock {
    release: js_sys::Function,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Resolving a promise cannot fail.
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}

impl Lock {
    /// Waits for the lock with this name. Returns `None` where the browser has no locks.
    pub async fn take(name: &str) -> Option<Self> {
        let locks = js_sys::Reflect::get(&scope().navigator(), &"locks".into()).ok()?;
        if !locks.is_object() {
            return None;
        }
        let locks: LockManager = locks.unchecked_into();
        let (sender, granted) = oneshot::channel();
        let callback = Closure::once_into_js(move |_: JsValue| {
            // The lock is held until this promise is resolved by the drop; at once if nobody waits
            // any more.
            let mut release = None;
            let held = js_sys::Promise::new(&mut |resolve, _| release = Some(resolve));
            if let Some(release) = release {
                let _ = sender.send(Self { release });
            }
            held
        });
        let request = locks.request(name, callback.unchecked_ref());
        match select(granted, JsFuture::from(request)).await {
            Either::Left((lock, _)) => lock.ok(),
            // Refused, as in a page without an origin.
            Either::Right(_) => None,
        }
    }
}
