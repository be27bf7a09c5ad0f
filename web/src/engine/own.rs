//! Classes that were taught on this device: their packs, in a folder of their own of OPFS, which no
//! gallery's files push out.

use super::opfs::{self, Access, Kept};
use crate::protocol::ClassInfo;
use tailor_packs::{Class, ClassEntry, Digest, FileEntry, Index, join::Join, read_tailor};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions};

/// The folder's name.
const FOLDER: &str = "tailor-own-1";
/// What the paths of entries of own classes begin with. No file of a gallery has a folder.
pub const MARK: &str = "own/";
const ENDING: &str = ".tailor";

/// Returns the folder; with `create`, makes it if it is missing.
pub async fn folder(create: bool) -> Option<FileSystemDirectoryHandle> {
    let root = opfs::root().await?;
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(create);
    let folder = JsFuture::from(root.get_directory_handle_with_options(FOLDER, &options)).await.ok()?;
    Some(folder.unchecked_into())
}

/// Reads the file with this name in the folder. Unlike [`Access`], this keeps out no other tab.
pub async fn read(folder: &FileSystemDirectoryHandle, name: &str) -> Option<Vec<u8>> {
    let file = JsFuture::from(folder.get_file_handle(name)).await.ok()?;
    let file = JsFuture::from(file.unchecked_into::<FileSystemFileHandle>().get_file()).await.ok()?;
    let buffer = JsFuture::from(file.unchecked_into::<web_sys::Blob>().array_buffer()).await.ok()?;
    Some(js_sys::Uint8Array::new(&buffer).to_vec())
}

/// Writes a file of the folder, which has another name until it is whole.
pub async fn write(name: &str, bytes: &[u8]) -> Kept {
    let Some(folder) = folder(true).await else { return Kept::No };
    let part = format!("{name}.part");
    let kept = match Access::create(&folder, &part).await {
        Some(access) => access.write(0, bytes),
        None => Kept::No,
    };
    if kept == Kept::Yes && opfs::rename_in(&folder, &part, name).await {
        return Kept::Yes;
    }
    remove(&part).await;
    if kept == Kept::Full { Kept::Full } else { Kept::No }
}

/// Deletes a file of the folder.
pub async fn remove(name: &str) {
    if let Some(folder) = folder(false).await {
        let _ = JsFuture::from(folder.remove_entry(name)).await;
    }
}

/// Returns the name of the file for a class of one's own: own classes of different learngenes may
/// have the same id.
pub fn pack_name(learngene: &Digest, id: &str) -> String {
    format!("{}{id}{ENDING}", prefix(learngene))
}

fn prefix(learngene: &Digest) -> String {
    format!("{}-", &learngene.to_string()[..16])
}

/// Lists the classes of one's own for this gallery's learngene. Leaves out files that are not right,
/// and ids that the gallery has itself.
pub async fn list(index: &Index) -> Vec<ClassInfo> {
    let mut found = Vec::new();
    for id in ids(index).await {
        found.extend(entry(index, &id).await.map(|class| info(&class)));
    }
    found
}

/// Joins the classes of one's own for this gallery's learngene, in the order of their names. Leaves
/// out the same ones as [`list`].
pub async fn join(index: &Index) -> Join {
    let mut join = Join::new(index);
    for id in ids(index).await {
        // One that another tab has just deleted or replaced is not there.
        let Some(bytes) = pack(&index.learngene.sha256, &id).await else { continue };
        if join.keep(&bytes).is_ok() && join.members().last().is_some_and(|member| member.entry.id != id) {
            join.leave();
        }
    }
    join.sort_by_name();
    join
}

/// Lists the ids in the names of the folder's files, for this gallery's learngene.
async fn ids(index: &Index) -> Vec<String> {
    let Some(folder) = folder(false).await else { return Vec::new() };
    let prefix = prefix(&index.learngene.sha256);
    let names = opfs::names_in(&folder).await.into_iter();
    let ids = names.filter_map(|name| Some(name.strip_prefix(&prefix)?.strip_suffix(ENDING)?.to_owned()));
    ids.filter(|id| index.class(id).is_none()).collect()
}

/// Describes a class of one's own for the page.
pub fn info(class: &ClassEntry) -> ClassInfo {
    let (id, name) = (class.id.clone(), class.name.clone());
    ClassInfo { id, name, bytes: class.file.size, stored: true, own: true }
}

/// Keeps the pack of a class of one's own; returns whether the browser could.
pub async fn keep(learngene: &Digest, id: &str, bytes: &[u8]) -> bool {
    write(&pack_name(learngene, id), bytes).await == Kept::Yes
}

/// Reads the pack of a class of one's own. It is not verified here.
pub async fn pack(learngene: &Digest, id: &str) -> Option<Vec<u8>> {
    read(&folder(false).await?, &pack_name(learngene, id)).await
}

/// Looks for a class of one's own.
pub async fn entry(index: &Index, id: &str) -> Option<ClassEntry> {
    let bytes = pack(&index.learngene.sha256, id).await?;
    let tailor = read_tailor(&bytes, Some((&index.learngene.sha256, &index.config))).ok()?;
    let class = tailor.manifest.class().filter(|class| class.id == id)?;
    Some(entry_of(&index.learngene.sha256, class, &bytes))
}

/// Makes the entry of a class of one's own, whose pack these bytes are.
pub fn entry_of(learngene: &Digest, class: &Class, bytes: &[u8]) -> ClassEntry {
    ClassEntry::new(class, FileEntry::of(format!("{MARK}{}", pack_name(learngene, &class.id)), bytes))
}

/// Reads the pack of an entry that [`entry`] made; `None` for a file of a gallery.
pub async fn bytes(file: &FileEntry) -> Option<Vec<u8>> {
    let name = file.path.strip_prefix(MARK)?;
    read(&folder(false).await?, name).await
}

/// Deletes the pack of an entry that [`entry`] made.
pub async fn forget(file: &FileEntry) {
    if let Some(name) = file.path.strip_prefix(MARK) {
        remove(name).await;
    }
}
