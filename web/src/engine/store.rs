//! Verified bytes kept on this device, so that a second visit downloads nothing and a broken one goes on.
//!
//! ```text
//! OPFS, folder tailor-packs-1      <digest>        a file, whole
//!                                  <digest>.part   a file on its way, each verified chunk at its place
//! Cache API, tailor-packs-1        <digest>/<n>    the same by chunks, where a browser has no OPFS
//!                                  <digest>.trust  what is remembered of a signed gallery
//! ```
//!
//! Nothing here is believed: each chunk is verified again whenever it is read. Where the browser has no
//! storage (a page without HTTPS), or it is full, everything works and nothing is kept.

use super::download::place;
use super::error::EngineError;
use super::locks::Lock;
use super::opfs::{self, Access};
use super::worker::{has, scope};
use std::collections::BTreeSet;
use tailor_packs::{Digest, FileEntry, Trust};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, Response};

const NAME: &str = "tailor-packs-1";

/// The storage, or none.
pub struct Store {
    /// Whether files are kept in OPFS; else in the cache.
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

    /// Whether there is any.
    pub fn exists(&self) -> bool {
        self.files || self.cache.is_some()
    }

    /// The place of `file`, for this worker alone until it is dropped: two tabs do not write the same file.
    pub async fn slot<'a>(&'a self, file: &'a FileEntry) -> Slot<'a> {
        let lock = Lock::take(&format!("{NAME}/{}", file.sha256)).await;
        Slot { store: self, file, part: None, kept: self.exists(), _lock: lock }
    }

    /// Deletes what is here of the file with this digest.
    pub async fn remove(&self, digest: &Digest) {
        // A failure leaves bytes that are verified again before use.
        if self.files
            && let Some(folder) = opfs::folder().await
        {
            let _ = JsFuture::from(folder.remove_entry(&digest.to_string())).await;
            let _ = JsFuture::from(folder.remove_entry(&part_name(digest))).await;
        }
        if let Some(cache) = &self.cache {
            for url in cached(cache).await.into_iter().filter(|url| url.starts_with(&name(digest))) {
                let _ = JsFuture::from(cache.delete_with_str(&url)).await;
            }
        }
    }

    /// Which of `files` are here whole, unverified.
    pub async fn holds(&self, files: impl Iterator<Item = &FileEntry>) -> BTreeSet<Digest> {
        if self.files {
            let names = opfs::names().await;
            return files.map(|f| f.sha256).filter(|digest| names.contains(&digest.to_string())).collect();
        }
        let Some(cache) = &self.cache else { return BTreeSet::new() };
        let urls = cached(cache).await;
        let whole = |f: &&FileEntry| (0..f.chunks.len()).all(|n| urls.contains(&chunk_name(&f.sha256, n)));
        files.filter(whole).map(|file| file.sha256).collect()
    }

    /// Deletes all files but those with these digests; whether there were any.
    pub async fn make_room(&self, keep: &BTreeSet<Digest>) -> bool {
        let keep: BTreeSet<String> = keep.iter().map(ToString::to_string).collect();
        let mut found = false;
        if self.files
            && let Some(folder) = opfs::folder().await
        {
            let others =
                opfs::names().await.into_iter().filter(|name| !keep.contains(name.trim_end_matches(".part")));
            for name in others {
                // One that another tab is using stays.
                found |= JsFuture::from(folder.remove_entry(&name)).await.is_ok();
            }
        } else if let Some(cache) = &self.cache {
            let digest = |url: &str| url.split('/').rev().nth(1).unwrap_or_default().to_owned();
            for url in cached(cache).await {
                if !url.ends_with(".trust") && !keep.contains(&digest(&url)) {
                    found |= JsFuture::from(cache.delete_with_str(&url)).await.is_ok();
                }
            }
        }
        found
    }

    /// What is remembered of the signed gallery in `folder`.
    pub async fn trust(&self, folder: &str) -> Option<Trust> {
        let found = JsFuture::from(self.cache.as_ref()?.match_with_str(&trust_name(folder))).await.ok()?;
        let text = JsFuture::from(found.dyn_into::<Response>().ok()?.text().ok()?).await.ok()?;
        serde_json::from_str(&text.as_string()?).ok()
    }

    /// Remembers it. Where there is no storage the visitor is asked again on the next visit.
    pub async fn keep_trust(&self, folder: &str, trust: &Trust) {
        let (Some(cache), Ok(text)) = (&self.cache, serde_json::to_string(trust)) else { return };
        if let Ok(response) = Response::new_with_opt_str(Some(&text)) {
            let _ = JsFuture::from(cache.put_with_str(&trust_name(folder), &response)).await;
        }
    }

    /// Forgets it.
    pub async fn forget_trust(&self, folder: &str) {
        if let Some(cache) = &self.cache {
            let _ = JsFuture::from(cache.delete_with_str(&trust_name(folder))).await;
        }
    }
}

/// Where a file is kept.
pub struct Slot<'a> {
    store: &'a Store,
    file: &'a FileEntry,
    /// The file on its way, open.
    part: Option<Access>,
    /// Whether everything so far was kept.
    kept: bool,
    _lock: Option<Lock>,
}

impl Slot<'_> {
    /// What is here of the file, and which of its chunks are right; the others are as good as missing.
    ///
    /// # Errors
    /// [`EngineError::Memory`] when the file does not fit.
    pub async fn read(&mut self) -> Result<(Vec<u8>, Vec<bool>), EngineError> {
        let mut bytes = Vec::new();
        let memory = |_| EngineError::Memory { file: self.file.path.clone(), bytes: self.file.size };
        bytes.try_reserve_exact(self.file.size as usize).map_err(memory)?;
        let chunks = self.file.chunks.len();
        let mut held = vec![false; chunks];
        if self.store.files {
            self.read_file(&mut bytes, &mut held).await;
        } else if let Some(cache) = &self.store.cache {
            for number in 0..chunks {
                let Some(chunk) = read_cached(cache, &chunk_name(&self.file.sha256, number)).await else {
                    continue;
                };
                self.take(&mut bytes, &mut held, number, &chunk);
            }
        }
        Ok((bytes, held))
    }

    /// Takes over a chunk if it is right.
    fn take(&self, bytes: &mut Vec<u8>, held: &mut [bool], number: usize, chunk: &[u8]) {
        if self.file.verify_chunk(number, chunk).is_ok() {
            place(bytes, self.file.chunk_range(number), chunk);
            held[number] = true;
        }
    }

    async fn read_file(&mut self, bytes: &mut Vec<u8>, held: &mut [bool]) {
        let (whole, part) = (self.file.sha256.to_string(), part_name(&self.file.sha256));
        let found = match Access::open(&whole, false).await {
            Some(access) => Some((access, true)),
            None => Access::open(&part, false).await.map(|access| (access, false)),
        };
        let Some((access, is_whole)) = found else { return };
        for number in 0..held.len() {
            let range = self.file.chunk_range(number);
            if let Some(chunk) = access.read(range.start, (range.end - range.start) as usize) {
                self.take(bytes, held, number, &chunk);
            }
        }
        if is_whole {
            drop(access);
            // What is no longer right is no longer there: it becomes a file on its way again.
            if !held.iter().all(|held| *held) {
                opfs::rename(&whole, &part).await;
            }
        } else {
            self.part = Some(access);
        }
    }

    /// Keeps chunk `number`, which is verified.
    pub async fn write(&mut self, number: usize, chunk: &[u8]) {
        if !self.kept {
            return;
        }
        let digest = &self.file.sha256;
        self.kept = if self.store.files {
            if self.part.is_none() {
                self.part = Access::open(&part_name(digest), true).await;
            }
            self.part.as_ref().is_some_and(|part| part.write(self.file.chunk_range(number).start, chunk))
        } else if let Some(cache) = &self.store.cache {
            write_cached(cache, &chunk_name(digest, number), chunk).await
        } else {
            false
        };
        if !self.kept {
            self.part = None;
        }
    }

    /// Lets the file, all of whose chunks are here, be seen as whole; whether it is kept.
    pub async fn finish(&mut self) -> bool {
        if let Some(part) = self.part.take() {
            self.kept &= part.flush();
            drop(part);
            if self.kept {
                opfs::rename(&part_name(&self.file.sha256), &self.file.sha256.to_string()).await;
            }
        }
        self.kept
    }

    /// Keeps the whole file after all, now that there may be room.
    pub async fn write_all(&mut self, bytes: &[u8]) -> bool {
        self.kept = self.store.exists();
        for number in 0..self.file.chunks.len() {
            let range = self.file.chunk_range(number);
            if let Some(chunk) = bytes.get(range.start as usize..range.end as usize) {
                self.write(number, chunk).await;
            }
        }
        self.finish().await
    }
}

/// The URLs in the cache.
async fn cached(cache: &Cache) -> BTreeSet<String> {
    let Ok(keys) = JsFuture::from(cache.keys()).await else { return BTreeSet::new() };
    let url = |key: JsValue| key.dyn_into::<web_sys::Request>().ok().map(|request| request.url());
    js_sys::Array::from(&keys).iter().filter_map(url).collect()
}

async fn read_cached(cache: &Cache, url: &str) -> Option<Vec<u8>> {
    let found = JsFuture::from(cache.match_with_str(url)).await.ok()?;
    let buffer = JsFuture::from(found.dyn_into::<Response>().ok()?.array_buffer().ok()?).await.ok()?;
    Some(js_sys::Uint8Array::new(&buffer).to_vec())
}

async fn write_cached(cache: &Cache, url: &str, bytes: &[u8]) -> bool {
    let body = js_sys::Uint8Array::from(bytes);
    let Ok(response) = Response::new_with_opt_js_u8_array(Some(&body)) else { return false };
    JsFuture::from(cache.put_with_str(url, &response)).await.is_ok()
}

fn part_name(digest: &Digest) -> String {
    format!("{digest}.part")
}

fn chunk_name(digest: &Digest, number: usize) -> String {
    format!("{}/{number}", name(digest))
}

/// Where the trust in the gallery in `folder` is kept.
fn trust_name(folder: &str) -> String {
    format!("{}.trust", name(&Digest::of(folder.as_bytes())))
}

/// A URL, as the Cache API wants one, under which nothing is ever served.
fn name(digest: &Digest) -> String {
    // The worker starts from a blob URL, which relative names cannot be resolved against.
    format!("{}/.tailor-packs/{digest}", scope().location().origin())
}
