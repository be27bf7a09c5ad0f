//! An open gallery: its files, from this device or from the network, and the model made of them.

use super::download::Folder;
use super::error::EngineError;
use super::index::{Opened, info};
use super::store::Store;
use super::worker::post;
use crate::protocol::{Event, File};
use burn::tensor::Device;
use futures_util::StreamExt as _;
use futures_util::stream;
use std::collections::{BTreeMap, BTreeSet};
use tailor_core::Model;
use tailor_packs::download::PARALLEL;
use tailor_packs::{Checked, ClassEntry, Digest, FileEntry, Index, PackError, PublicKey};
use web_sys::RequestCache;

/// A gallery that is open.
pub struct Open {
    /// Where it is.
    pub folder: Folder,
    /// The publisher's key, where the page knows it.
    pub pinned: Option<PublicKey>,
    /// What is in it.
    pub index: Index,
    /// SHA-256 of the index.
    digest: Digest,
    /// The classes of a large gallery that were looked up, by shard.
    shards: BTreeMap<usize, Vec<ClassEntry>>,
    /// The learngene, once it is here, with the tailors that came so far.
    pub model: Option<Model>,
}

impl Open {
    /// The gallery with nothing loaded yet.
    pub fn new(opened: Opened) -> Self {
        let Opened { folder, pinned, checked: Checked { index, trust }, .. } = opened;
        Self { folder, pinned, index, digest: trust.digest, shards: BTreeMap::new(), model: None }
    }

    /// Whether this is another index than the one that is open.
    pub fn differs(&self, opened: &Opened) -> bool {
        self.digest != opened.checked.trust.digest
    }

    /// Goes on with a newer index. Of what is loaded the learngene stays if it is the same; tailors may have changed, and
    /// those that did not are in the store.
    pub fn renew(&mut self, opened: Opened) {
        let before = std::mem::replace(self, Self::new(opened));
        if before.index.learngene.sha256 == self.index.learngene.sha256 {
            self.model = before.model;
            if let Some(model) = &mut self.model {
                for class in model.classes() {
                    model.remove(&class);
                }
            }
        }
    }

    /// Sees that the learngene and these classes' tailors are in the model, a few downloads at a time.
    pub async fn load(
        &mut self,
        classes: &BTreeSet<&str>,
        store: &Store,
        device: &Device,
    ) -> Result<(), EngineError> {
        let have = self.model.as_ref().map(Model::classes).unwrap_or_default();
        let mut missing = Vec::new();
        for class in classes.iter().filter(|class| !have.iter().any(|have| have == *class)) {
            missing.push(self.class(class, store).await?);
        }
        let mut wanted: Vec<_> = missing.iter().map(|c| (&c.file, File::Tailor(c.id.clone()))).collect();
        if self.model.is_none() {
            wanted.insert(0, (&self.index.learngene, File::Learngene));
        }
        let this = &*self;
        let arriving = wanted.into_iter().map(|(entry, file)| this.fetch(entry, file, store));
        // Whatever arrived is stored by now, so one that failed does not cost the others again.
        let arrived: Vec<_> = stream::iter(arriving).buffered(PARALLEL).collect().await;
        let mut arrived = arrived.into_iter();
        if self.model.is_none()
            && let Some(learngene) = arrived.next()
        {
            let learngene = learngene?;
            let read = self.index.read_learngene(&learngene.bytes);
            let read = read.map_err(refused(&self.index.learngene))?;
            self.model = Some(Model::new(&self.index.config, &read.tensors, device)?);
            learngene.announce();
        }
        let model = self.model.as_mut().ok_or(EngineError::NoGallery)?;
        for (class, arrived) in missing.iter().zip(arrived) {
            let arrived = arrived?;
            let tailor = self.index.read_pack(class, &arrived.bytes).map_err(refused(&class.file))?;
            model.insert(&class.id, tailor.tensors)?;
            arrived.announce();
        }
        Ok(())
    }

    /// The class with this id, looked up in a large gallery's shards if need be.
    pub async fn class(&mut self, id: &str, store: &Store) -> Result<ClassEntry, EngineError> {
        let unknown = || EngineError::UnknownClass { class: id.to_owned() };
        if let Some(class) = self.index.class(id) {
            return Ok(class.clone());
        }
        let (number, file) = self.index.shard(id).ok_or_else(unknown)?;
        if !self.shards.contains_key(&number) {
            let arrived = self.fetch(file, File::List, store).await?;
            let classes = self.index.read_shard(number, &arrived.bytes).map_err(refused(file))?;
            arrived.announce();
            self.shards.insert(number, classes);
        }
        let mut classes = self.shards.get(&number).into_iter().flatten();
        let class = classes.find(|class| class.id == id).ok_or_else(unknown)?;
        let stored = store.holds(std::iter::once(&class.file)).await;
        post(&Event::Class(info(class, &stored)), None);
        Ok(class.clone())
    }

    /// A file of the gallery, from this device as far as it is here.
    pub async fn fetch(&self, entry: &FileEntry, file: File, store: &Store) -> Result<Arrived, EngineError> {
        let mut slot = store.slot(entry).await;
        let (mut bytes, held) = slot.read().await?;
        let mut network = 0;
        if !held.iter().all(|held| *held) {
            let total = entry.size;
            let progress = |received| post(&Event::Fetching { file: file.clone(), received, total }, None);
            let here = held.iter().enumerate().filter(|(_, held)| **held).map(|(number, _)| {
                let range = entry.chunk_range(number);
                range.end - range.start
            });
            progress(here.sum());
            // What the store keeps, the browser's own cache need not keep as well.
            let cache = if store.exists() { RequestCache::NoStore } else { RequestCache::Default };
            let keep = async |number: usize, chunk: &[u8]| slot.write(number, chunk).await;
            network = self.folder.fetch(entry, &held, &mut bytes, cache, keep, progress).await?;
        }
        let mut kept = slot.finish().await;
        if !kept && store.make_room(&self.digests()).await {
            kept = slot.write_all(&bytes).await;
        }
        Ok(Arrived { file, bytes, network, kept })
    }

    /// The digests of all files of the gallery that are known.
    fn digests(&self) -> BTreeSet<Digest> {
        let packs = self.shards.values().flatten().map(|class| &class.file);
        self.index.files().chain(packs).map(|file| file.sha256).collect()
    }
}

/// A file whose bytes are those that the index names.
pub struct Arrived {
    file: File,
    /// Them.
    pub bytes: Vec<u8>,
    network: u64,
    kept: bool,
}

impl Arrived {
    /// Tells the page that it is verified and in use.
    pub fn announce(self) {
        post(&Event::Loaded { file: self.file, network: self.network, kept: self.kept }, None);
    }
}

/// What to make of a file that is refused.
pub fn refused(file: &FileEntry) -> impl Fn(PackError) -> EngineError + use<> {
    let file = file.path.clone();
    move |source| EngineError::Pack { file: file.clone(), source }
}
