//! The browser's own file system for this site (OPFS), if it has one that a worker can write to.

use super::host::{has, scope};
use std::collections::BTreeSet;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions, FileSystemGetFileOptions,
    FileSystemReadWriteOptions, FileSystemSyncAccessHandle,
};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = FileSystemFileHandle)]
    type Movable;
    // Every browser with OPFS has it; the bindings do not.
    #[wasm_bindgen(method, catch, js_name = "move")]
    async fn rename(this: &Movable, name: &str) -> Result<JsValue, JsValue>;
}

/// The name of the folder, of the cache, and of the locks.
pub const NAME: &str = "tailor-packs-1";

/// Whether bytes were stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// They were.
    Yes,
    /// They were not, since there was no room.
    Full,
    /// They were not, for another reason.
    No,
}

impl Kept {
    /// Reads the browser's exception.
    pub fn failed(error: &JsValue) -> Self {
        let name = js_sys::Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string());
        if name.as_deref() == Some("QuotaExceededError") { Self::Full } else { Self::No }
    }
}

/// An open file in OPFS, which nobody else can open until this is dropped.
pub struct Access(FileSystemSyncAccessHandle);

impl Drop for Access {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Access {
    /// Opens the file with this name; with `create`, makes it if it is missing.
    pub async fn open(name: &str, create: bool) -> Option<Self> {
        Self::of(handle(&folder().await?, name, create).await?).await
    }

    async fn of(file: FileSystemFileHandle) -> Option<Self> {
        let access = JsFuture::from(file.create_sync_access_handle()).await.ok()?;
        Some(Self(access.unchecked_into()))
    }

    /// Opens the file with this name in this folder, empty.
    pub async fn create(folder: &FileSystemDirectoryHandle, name: &str) -> Option<Self> {
        let access = Self::of(handle(folder, name, true).await?).await?;
        access.0.truncate_with_f64(0.0).ok()?;
        Some(access)
    }

    fn at(start: u64) -> FileSystemReadWriteOptions {
        let options = FileSystemReadWriteOptions::new();
        options.set_at_f64(start as f64);
        options
    }

    /// Reads `length` bytes from byte `start`; `None` if the file ends before.
    pub fn read(&self, start: u64, length: usize) -> Option<Vec<u8>> {
        let end = start as f64 + length as f64;
        // The size is asked first, so that no memory is reserved for bytes that are not there.
        self.0.get_size().ok().filter(|size| *size >= end)?;
        let mut bytes = vec![0; length];
        let read = self.0.read_with_u8_array_and_options(&mut bytes, &Self::at(start)).ok()?;
        (read == length as f64).then_some(bytes)
    }

    /// Writes `bytes` at byte `start`.
    pub fn write(&self, start: u64, bytes: &[u8]) -> Kept {
        match self.0.write_with_u8_array_and_options(bytes, &Self::at(start)) {
            // On a full disk browsers throw or write less.
            Ok(written) if written != bytes.len() as f64 => Kept::Full,
            Ok(_) if self.flush() => Kept::Yes,
            Ok(_) => Kept::No,
            Err(error) => Kept::failed(&error),
        }
    }

    /// Waits until everything written is on the disk; returns whether it is.
    pub fn flush(&self) -> bool {
        self.0.flush().is_ok()
    }
}

/// Returns the top folder of OPFS, if this browser has one that a worker can write to.
pub async fn root() -> Option<FileSystemDirectoryHandle> {
    let handles = js_sys::Reflect::get(&js_sys::global(), &"FileSystemFileHandle".into()).ok()?;
    let prototype = js_sys::Reflect::get(&handles, &"prototype".into()).ok()?;
    if !has(&prototype, "createSyncAccessHandle") || !has(&scope().navigator(), "storage") {
        return None;
    }
    Some(JsFuture::from(scope().navigator().storage().get_directory()).await.ok()?.unchecked_into())
}

/// Returns the folder in OPFS. It is looked up each time, since the visitor may have deleted it
/// meanwhile.
pub async fn folder() -> Option<FileSystemDirectoryHandle> {
    let root = root().await?;
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(true);
    let folder = JsFuture::from(root.get_directory_handle_with_options(NAME, &options)).await.ok()?;
    Some(folder.unchecked_into())
}

async fn handle(
    folder: &FileSystemDirectoryHandle,
    name: &str,
    create: bool,
) -> Option<FileSystemFileHandle> {
    let options = FileSystemGetFileOptions::new();
    options.set_create(create);
    let file = folder.get_file_handle_with_options(name, &options);
    Some(JsFuture::from(file).await.ok()?.unchecked_into())
}

/// Renames a file.
pub async fn rename(from: &str, to: &str) {
    if let Some(folder) = folder().await {
        // A failure leaves the unfinished file, with all its chunks.
        rename_in(&folder, from, to).await;
    }
}

/// Renames a file of this folder; returns whether it did.
pub async fn rename_in(folder: &FileSystemDirectoryHandle, from: &str, to: &str) -> bool {
    match JsFuture::from(folder.get_file_handle(from)).await {
        Ok(file) => file.unchecked_into::<Movable>().rename(to).await.is_ok(),
        Err(_) => false,
    }
}

/// Returns the names of the files in the folder.
pub async fn names() -> BTreeSet<String> {
    match folder().await {
        Some(folder) => names_in(&folder).await,
        None => BTreeSet::new(),
    }
}

/// Returns the names of the files in this folder.
pub async fn names_in(folder: &FileSystemDirectoryHandle) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let keys = folder.keys();
    while let Ok(next) = keys.next() {
        let Ok(next) = JsFuture::from(next).await else { break };
        let next: js_sys::IteratorNext = next.unchecked_into();
        let Some(name) = next.value().as_string().filter(|_| !next.done()) else { break };
        names.insert(name);
    }
    names
}
