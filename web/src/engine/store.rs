//! Verified bytes kept on this device, so that a second visit downloads nothing.
//!
//! They lie in the browser's Cache API under a name made of their digest. Where the browser has no such
//! storage (a page without HTTPS), or it is full, everything works and nothing is kept.

use std::collections::BTreeSet;
use tailor_packs::{Digest, FileEntry, Trust};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, Response};

const CACHE: &str = "tailor-packs-1";

/// The storage, or none.
pub struct Store(Option<Cache>);

impl Store {
    /// Opens the storage.
    pub async fn open() -> Self {
        let scope = super::worker::scope();
        // Outside a secure context the property is missing, which the bindings do not expect.
        let exists = js_sys::Reflect::get(&scope, &"caches".into()).is_ok_and(|c| c.is_object());
        let opened = match scope.caches().ok().filter(|_| exists) {
            Some(caches) => JsFuture::from(caches.open(CACHE)).await.ok(),
            None => None,
        };
        Self(opened.map(JsCast::unchecked_into))
    }

    /// Whether there is any.
    pub fn exists(&self) -> bool {
        self.0.is_some()
    }

    /// The bytes of `file` if they are here and still what they were; anything else is removed.
    pub async fn get(&self, file: &FileEntry) -> Option<Vec<u8>> {
        let cache = self.0.as_ref()?;
        let found = JsFuture::from(cache.match_with_str(&name(&file.sha256))).await.ok()?;
        let response = found.dyn_into::<Response>().ok()?;
        let buffer = JsFuture::from(response.array_buffer().ok()?).await.ok()?;
        let bytes = js_sys::Uint8Array::new(&buffer).to_vec();
        if file.verify(&bytes).is_err() {
            self.remove(file).await;
            return None;
        }
        Some(bytes)
    }

    /// Keeps the verified bytes of `file`; whether there was room.
    pub async fn put(&self, file: &FileEntry, bytes: &[u8]) -> bool {
        let Some(cache) = &self.0 else { return false };
        let body = js_sys::Uint8Array::from(bytes);
        let Ok(response) = Response::new_with_opt_js_u8_array(Some(&body)) else { return false };
        JsFuture::from(cache.put_with_str(&name(&file.sha256), &response)).await.is_ok()
    }

    /// Deletes the bytes of `file`, if they are here.
    pub async fn remove(&self, file: &FileEntry) {
        if let Some(cache) = &self.0 {
            // A failure leaves bytes that `get` verifies again before use.
            let _ = JsFuture::from(cache.delete_with_str(&name(&file.sha256))).await;
        }
    }

    /// What is remembered of the signed gallery in `folder`.
    pub async fn trust(&self, folder: &str) -> Option<Trust> {
        let found = JsFuture::from(self.0.as_ref()?.match_with_str(&trust_name(folder))).await.ok()?;
        let text = JsFuture::from(found.dyn_into::<Response>().ok()?.text().ok()?).await.ok()?;
        serde_json::from_str(&text.as_string()?).ok()
    }

    /// Remembers it. Where there is no storage the visitor is asked again on the next visit.
    pub async fn keep_trust(&self, folder: &str, trust: &Trust) {
        let (Some(cache), Ok(text)) = (&self.0, serde_json::to_string(trust)) else { return };
        if let Ok(response) = Response::new_with_opt_str(Some(&text)) {
            let _ = JsFuture::from(cache.put_with_str(&trust_name(folder), &response)).await;
        }
    }

    /// Which of `files` are here, unverified.
    pub async fn holds(&self, files: impl Iterator<Item = &FileEntry>) -> BTreeSet<Digest> {
        let Some(cache) = &self.0 else { return BTreeSet::new() };
        let Ok(keys) = JsFuture::from(cache.keys()).await else { return BTreeSet::new() };
        let url = |key: JsValue| key.dyn_into::<web_sys::Request>().ok().map(|request| request.url());
        let keys: BTreeSet<String> = js_sys::Array::from(&keys).iter().filter_map(url).collect();
        files.map(|file| file.sha256).filter(|digest| keys.contains(&name(digest))).collect()
    }
}

/// Where the trust in the gallery in `folder` is kept.
fn trust_name(folder: &str) -> String {
    format!("{}.trust", name(&Digest::of(folder.as_bytes())))
}

/// A URL, as the Cache API wants one, under which nothing is ever served.
fn name(digest: &Digest) -> String {
    // The worker starts from a blob URL, which relative names cannot be resolved against.
    format!("{}/.tailor-packs/{digest}", super::worker::scope().location().origin())
}
