//! Bytes from the network, counted as they come.

use super::error::{EngineError, words};
use tailor_packs::PackError;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, ReadableStreamReadResult, RequestCache, RequestInit, Response};

/// A body that is being read. When dropped half-way, as by a cancelled order, the transfer ends too.
struct Body(ReadableStreamDefaultReader);

impl Drop for Body {
    fn drop(&mut self) {
        let ignored = self.0.cancel();
        drop(ignored);
    }
}

/// Downloads `url`, at most `limit` bytes; `progress` hears how many there are so far.
///
/// # Errors
/// [`EngineError::Unreachable`], [`EngineError::Status`], or [`EngineError::Pack`] when there is more
/// than `limit`.
pub async fn download(
    url: &str,
    limit: u64,
    cache: RequestCache,
    mut progress: impl FnMut(u64),
) -> Result<Vec<u8>, EngineError> {
    let file = url.rsplit('/').next().unwrap_or(url).to_owned();
    let unreachable = |e: JsValue| EngineError::Unreachable { file: file.clone(), reason: words(&e) };
    let options = RequestInit::new();
    options.set_cache(cache);
    let answer = JsFuture::from(super::worker::scope().fetch_with_str_and_init(url, &options)).await;
    let response: Response = answer.map_err(unreachable)?.unchecked_into();
    if !response.ok() {
        return Err(EngineError::Status { file, status: response.status() });
    }
    let Some(stream) = response.body() else { return Ok(Vec::new()) };
    let body = Body(stream.get_reader().unchecked_into());
    let mut bytes = Vec::new();
    loop {
        let part = JsFuture::from(body.0.read()).await.map_err(unreachable)?;
        let part: ReadableStreamReadResult = part.unchecked_into();
        if part.get_done().unwrap_or(true) {
            return Ok(bytes);
        }
        let part: js_sys::Uint8Array = part.get_value().unchecked_into();
        let so_far = bytes.len() as u64 + u64::from(part.length());
        if so_far > limit {
            let source = PackError::TrailingBytes { what: file.clone(), extra: so_far - limit };
            return Err(EngineError::Pack { file, source });
        }
        bytes.extend(part.to_vec());
        progress(so_far);
    }
}
