//! Keeps verified bytes on this device, so that a second visit downloads nothing, and a download
//! that broke off goes on.
//!
//! ```text
//! OPFS, folder tailor-packs-1      <content>           a file, whole
//!                                  <content>.part      a file on its way, each verified chunk at its place
//! Cache API, tailor-packs-1        files/<content>/<n> the same by chunks, where a browser has no OPFS
//!                                  trust/<address>     what is remembered of a gallery
//! ```
//!
//! A file is named by [`FileEntry::content`], a digest of its chunks' digests. A gallery that
//! claims the digest of another gallery's file does not get that file. Chunks are verified again
//! whenever they are read. Where the browser has no storage (as in a page without HTTPS), or it is
//! full, everything works but nothing is kept.

use super::download::Part;
use super::error::EngineError;
use super::host::{has, post, scope};
use super::locks::Lock;
use super::opfs::{self, Access, NAME};
use super::stop::Stop;
use crate::protocol::{Event, Wait};
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use std::collections::BTreeSet;
use std::pin::pin;
use tailor_packs::{Digest, FileEntry, Trust};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, Response};

pub use super::opfs::Kept;

/// The browser's storage, if there is any.
pub struct Store {
    /// Whether files are kept in OPFS; otherwise they are kept in the cache.
    files: bool,
    cache: Option<Cache>,
}

impl Store {
    /// Opens the storage.
    pub async fn open() -> Self {
        // Outside a secure context the properties are missing, which the bindings do not expect.
        let opened = match scope().caches().ok().filter(|_| has(&scope(), "caches")) {
            Some(caches) => JsFuture::from(caches.open(NAME)).await.ok(),
            None => None,
        };
        Self { files: opfs::folder().await.is_some(), cache: opened.map(JsCast::unchecked_into) }
    }

    /// Returns whether there is any storage.
    pub fn exists(&self) -> bool {
        self.files || self.cache.is_some()
    }

    /// Reserves the place of `file` for this worker until the slot is dropped, so that two tabs do
    /// not write the same file. Tells the page if that takes longer than a second.
    ///
    /// Let every operation of a slot finish: if one is dropped while the browser opens a file, that
    /// file stays locked.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] when `stop` is pulled while another tab has the place.
    pub async fn slot<'a>(&'a self, file: &'a FileEntry, stop: &Stop) -> Result<Slot<'a>, EngineError> {
        let content = file.content();
        let lock = stop.or(say_if_long(Lock::take(&format!("{NAME}/{content}")))).await?;
        let kept = if self.exists() { Kept::Yes } else { Kept::No };
        Ok(Slot { store: self, file, content, part: None, kept, _lock: lock })
    }

    /// Deletes everything stored of `file`.
    pub async fn remove(&self, file: &FileEntry) {
        let content = &file.content();
        // A failure leaves bytes that are verified again before use.
        if self.files
            && let Some(folder) = opfs::folder().await
        {
            let _ = JsFuture::from(folder.remove_entry(&content.to_string())).await;
            let _ = JsFuture::from(folder.remove_entry(&part_name(content))).await;
        }
        if let Some(cache) = &self.cache {
            for url in cached(cache).await.into_iter().filter(|url| url.starts_with(&file_name(content))) {
                let _ = JsFuture::from(cache.delete_with_str(&url)).await;
            }
        }
    }

    /// Returns the content digests of those of `files` that are stored whole. They are not verified
    /// here.
    pub async fn holds(&self, files: impl Iterator<Item = &FileEntry>) -> BTreeSet<Digest> {
        let mut held = BTreeSet::new();
        let contents = files.map(|file| (file.content(), file.chunks.len()));
        if self.files {
            let names = opfs::names().await;
            held.extend(contents.map(|(c, _)| c).filter(|c| names.contains(&c.to_string())));
        } else if let Some(cache) = &self.cache {
            let urls = cached(cache).await;
            let whole =
                |(c, chunks): &(Digest, usize)| (0..*chunks).all(|n| urls.contains(&chunk_name(c, n)));
            held.extend(contents.filter(whole).map(|(c, _)| c));
        }
        held
    }

    /// Deletes all files but those with these content digests. Returns whether it deleted any.
    pub async fn make_room(&self, keep: &BTreeSet<Digest>) -> bool {
        let keep: Vec<String> = keep.iter().map(ToString::to_string).collect();
        let mut found = false;
        if self.files
            && let Some(folder) = opfs::folder().await
        {
            let others = opfs::names()
                .await
                .into_iter()
                .filter(|name| !keep.iter().any(|kept| kept == name.trim_end_matches(".part")));
            for name in others {
                // One that another tab is using stays.
                found |= JsFuture::from(folder.remove_entry(&name)).await.is_ok();
            }
        } else if let Some(cache) = &self.cache {
            let keep: Vec<String> = keep.iter().map(|content| format!("/files/{content}/")).collect();
            for url in cached(cache).await.into_iter().filter(|url| url.contains("/files/")) {
                if !keep.iter().any(|kept| url.contains(kept)) {
                    found |= JsFuture::from(cache.delete_with_str(&url)).await.is_ok();
                }
            }
        }
        found
    }

    /// Returns what is remembered of the gallery in `folder`.
    pub async fn trust(&self, folder: &str) -> Option<Trust> {
        serde_json::from_slice(&read_cached(self.cache.as_ref()?, &trust_name(folder)).await?).ok()
    }

    /// Remembers `trust` for the gallery in `folder`; deletes files if there is no room. Returns
    /// whether it was stored.
    pub async fn keep_trust(&self, folder: &str, trust: &Trust) -> bool {
        let (Some(cache), Ok(json)) = (&self.cache, serde_json::to_vec(trust)) else { return false };
        let url = trust_name(folder);
        let mut kept = write_cached(cache, &url, &json).await;
        if kept == Kept::Full && self.make_room(&BTreeSet::new()).await {
            kept = write_cached(cache, &url, &json).await;
        }
        kept == Kept::Yes
    }

    /// Locks out other tabs while this one decides whom to trust.
    pub async fn deciding(&self, folder: &str) -> Option<Lock> {
        Lock::take(&trust_name(folder)).await
    }

    /// Forgets what is remembered of the gallery in `folder`.
    pub async fn forget_trust(&self, folder: &str) {
        if let Some(cache) = &self.cache {
            let _ = JsFuture::from(cache.delete_with_str(&trust_name(folder))).await;
        }
    }
}

/// The place of one file in the store.
pub struct Slot<'a> {
    store: &'a Store,
    file: &'a FileEntry,
    content: Digest,
    /// The unfinished file, open.
    part: Option<Access>,
    /// Whether every chunk so far was kept.
    kept: Kept,
    _lock: Option<Lock>,
}

impl Slot<'_> {
    /// Reads the stored chunks of the file. Chunks that are not right count as missing.
    ///
    /// # Errors
    /// [`EngineError::Memory`] when the file does not fit.
    pub async fn read(&mut self) -> Result<Part, EngineError> {
        let chunks = self.file.chunks.len();
        let mut part = Part { bytes: Vec::new(), held: vec![false; chunks] };
        let memory = |_| EngineError::Memory { file: self.file.path.clone(), bytes: self.file.size };
        part.bytes.try_reserve_exact(self.file.size as usize).map_err(memory)?;
        if self.store.files {
            self.read_file(&mut part).await;
        } else if let Some(cache) = &self.store.cache {
            for number in 0..chunks {
                if let Some(chunk) = read_cached(cache, &chunk_name(&self.content, number)).await {
                    self.take(&mut part, number, &chunk);
                }
            }
        }
        Ok(part)
    }

    /// Adds a chunk to `part` if it is right.
    fn take(&self, part: &mut Part, number: usize, chunk: &[u8]) {
        if self.file.verify_chunk(number, chunk).is_ok() {
            part.put(number, self.file.chunk_range(number), chunk);
        }
    }

    async fn read_file(&mut self, part: &mut Part) {
        let (whole, on_its_way) = (self.content.to_string(), part_name(&self.content));
        let found = match Access::open(&whole, false).await {
            Some(access) => Some((access, true)),
            None => Access::open(&on_its_way, false).await.map(|access| (access, false)),
        };
        let Some((access, is_whole)) = found else { return };
        for number in 0..self.file.chunks.len() {
            let range = self.file.chunk_range(number);
            if let Some(chunk) = access.read(range.start, (range.end - range.start) as usize) {
                self.take(part, number, &chunk);
            }
        }
        if is_whole {
            drop(access);
            // A damaged file becomes an unfinished one again.
            if !part.is_whole() {
                opfs::rename(&whole, &on_its_way).await;
            }
        } else {
            self.part = Some(access);
        }
    }

    /// Stores chunk `number`, which was verified.
    pub async fn write(&mut self, number: usize, chunk: &[u8]) {
        if self.kept != Kept::Yes {
            return;
        }
        self.kept = if self.store.files {
            if self.part.is_none() {
                self.part = Access::open(&part_name(&self.content), true).await;
            }
            let start = self.file.chunk_range(number).start;
            self.part.as_ref().map_or(Kept::No, |part| part.write(start, chunk))
        } else if let Some(cache) = &self.store.cache {
            write_cached(cache, &chunk_name(&self.content, number), chunk).await
        } else {
            Kept::No
        };
        if self.kept != Kept::Yes {
            self.part = None;
        }
    }

    /// Marks the file as whole, once all its chunks are written. Returns whether it was kept.
    pub async fn finish(&mut self) -> Kept {
        if let Some(part) = self.part.take() {
            if !part.flush() {
                self.kept = Kept::No;
            }
            drop(part);
            if self.kept == Kept::Yes {
                opfs::rename(&part_name(&self.content), &self.content.to_string()).await;
            }
        }
        self.kept
    }

    /// Stores the whole file after all, now that there may be room. Returns whether it was kept.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Kept {
        self.kept = Kept::Yes;
        for number in 0..self.file.chunks.len() {
            let range = self.file.chunk_range(number);
            if let Some(chunk) = bytes.get(range.start as usize..range.end as usize) {
                self.write(number, chunk).await;
            }
        }
        self.finish().await
    }
}

/// Tells the page when another tab has had the lock for a second.
async fn say_if_long<T>(taken: impl Future<Output = T>) -> T {
    match select(pin!(taken), TimeoutFuture::new(1000)).await {
        Either::Left((taken, _)) => taken,
        Either::Right(((), waiting)) => {
            post(&Event::Waiting(Wait::Tab), None);
            waiting.await
        }
    }
}

/// Returns the URLs in the cache.
async fn cached(cache: &Cache) -> BTreeSet<String> {
    let mut urls = BTreeSet::new();
    if let Ok(keys) = JsFuture::from(cache.keys()).await {
        let url = |key: JsValue| key.dyn_into::<web_sys::Request>().ok().map(|request| request.url());
        urls.extend(js_sys::Array::from(&keys).iter().filter_map(url));
    }
    urls
}

async fn read_cached(cache: &Cache, url: &str) -> Option<Vec<u8>> {
    let found = JsFuture::from(cache.match_with_str(url)).await.ok()?;
    let buffer = JsFuture::from(found.dyn_into::<Response>().ok()?.array_buffer().ok()?).await.ok()?;
    Some(js_sys::Uint8Array::new(&buffer).to_vec())
}

async fn write_cached(cache: &Cache, url: &str, bytes: &[u8]) -> Kept {
    let body = js_sys::Uint8Array::from(bytes);
    let Ok(response) = Response::new_with_opt_js_u8_array(Some(&body)) else { return Kept::No };
    match JsFuture::from(cache.put_with_str(url, &response)).await {
        Ok(_) => Kept::Yes,
        Err(error) => Kept::failed(&error),
    }
}

fn part_name(content: &Digest) -> String {
    format!("{content}.part")
}

fn file_name(content: &Digest) -> String {
    name(&format!("files/{content}/"))
}

fn chunk_name(content: &Digest, number: usize) -> String {
    format!("{}{number}", file_name(content))
}

/// Returns the name under which the trust in the gallery in `folder` is stored.
fn trust_name(folder: &str) -> String {
    name(&format!("trust/{}", Digest::of(folder.as_bytes())))
}

/// Returns a URL, as the Cache API requires, under which no server file lies.
fn name(path: &str) -> String {
    // The worker starts from a blob URL, which relative names cannot be resolved against.
    format!("{}/.tailor-packs/{path}", scope().location().origin())
}
