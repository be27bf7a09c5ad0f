//! An open gallery: what is loaded, what an order needs, and sampling.

use super::download::Folder;
use super::error::EngineError;
use super::store::Store;
use super::worker::{now, post, unix_seconds};
use crate::protocol::{ClassInfo, Event, File, Gallery, Order};
use burn::tensor::{Device, Tensor};
use futures_util::StreamExt as _;
use futures_util::future::{AbortRegistration, Abortable};
use futures_util::stream;
use gloo_timers::future::TimeoutFuture;
use std::collections::{BTreeMap, BTreeSet};
use tailor_core::{Item, Model, SampleSettings, Sampling};
use tailor_packs::download::{PARALLEL, Problem};
use tailor_packs::index::{INDEX_FILE, SIGNATURE_FILE};
use tailor_packs::{
    Checked, ClassEntry, Digest, FileEntry, Index, PackError, PublicKey, Trust, Verdict, limits, trust,
};
use web_sys::RequestCache;

/// A publisher writes the signature and then the index: whoever comes between finds two that do not fit.
const PUBLISHING: u32 = 1500;

/// A device, the storage, and the gallery that is open.
pub struct Engine {
    device: Device,
    store: Store,
    open: Option<Open>,
    /// A gallery whose key waits for the visitor's word.
    asked: Option<Opened>,
}

struct Open {
    folder: Folder,
    /// The publisher's key, where the page knows it.
    pinned: Option<PublicKey>,
    index: Index,
    trust: Trust,
    /// The classes of a large gallery that were looked up, by shard.
    shards: BTreeMap<usize, Vec<ClassEntry>>,
    /// The learngene, once it is here, with the tailors that came so far.
    model: Option<Model>,
}

/// An index that may be used, and the bytes that it took.
struct Opened {
    folder: Folder,
    pinned: Option<PublicKey>,
    checked: Checked,
    bytes: u64,
}

impl Engine {
    /// An engine without a gallery.
    pub async fn new(device: Device) -> Self {
        Self { device, store: Store::open().await, open: None, asked: None }
    }

    /// Opens the gallery in the folder at this absolute URL, if it can be trusted, and tells the page what is
    /// in it. `key` is the publisher's, where the page knows it.
    ///
    /// # Errors
    /// Those of downloading; [`EngineError::Index`] for what [`trust::check`] refuses, and
    /// [`EngineError::FirstUse`] for a key that is to be vouched for with [`Engine::trust`].
    pub async fn open(&mut self, folder: &str, key: Option<&str>) -> Result<(), EngineError> {
        let pinned = key.map(str::parse::<PublicKey>).transpose();
        let pinned = pinned.map_err(|source| EngineError::Index { source })?;
        let opened = self.check(&Folder::new(folder), pinned).await?;
        self.opened(opened).await;
        Ok(())
    }

    /// Downloads and checks the index of a gallery.
    async fn check(&mut self, folder: &Folder, pinned: Option<PublicKey>) -> Result<Opened, EngineError> {
        let checked = self.check_once(folder, pinned).await;
        match checked {
            Err(EngineError::Index {
                source: PackError::SignatureInvalid { .. } | PackError::IndexReplaced { .. },
            }) => {
                TimeoutFuture::new(PUBLISHING).await;
                self.check_once(folder, pinned).await
            }
            checked => checked,
        }
    }

    async fn check_once(
        &mut self,
        folder: &Folder,
        pinned: Option<PublicKey>,
    ) -> Result<Opened, EngineError> {
        let refused = |source| EngineError::Index { source };
        let json = folder.small(INDEX_FILE, limits::INDEX).await?;
        let kept = self.store.trust(folder.url()).await;
        // A gallery that is not signed need not have a file that says so.
        let expected =
            pinned.is_some() || kept.is_some() || Index::parse(&json).map_err(refused)?.key.is_some();
        let minisig = match expected {
            true => match folder.small(SIGNATURE_FILE, limits::SIGNATURE).await {
                // Some hosts forbid what is not there.
                Err(EngineError::Download(e))
                    if matches!(e.problem, Problem::Missing | Problem::Forbidden(403)) =>
                {
                    None
                }
                answer => Some(answer?),
            },
            false => None,
        };
        let verdict = trust::check(pinned.as_ref(), kept.as_ref(), &json, minisig.as_deref(), unix_seconds());
        let bytes = (json.len() + minisig.map_or(0, |minisig| minisig.len())) as u64;
        let opened = |checked| Opened { folder: folder.clone(), pinned, checked, bytes };
        match verdict.map_err(refused)? {
            Verdict::Unsigned(checked) => Ok(opened(checked)),
            Verdict::Signed(checked) => {
                self.store.keep_trust(folder.url(), &checked.trust).await;
                Ok(opened(checked))
            }
            Verdict::FirstUse { key, checked } => {
                self.asked = Some(opened(checked));
                Err(EngineError::FirstUse { fingerprint: key.fingerprint() })
            }
        }
    }

    /// The visitor vouches for the key of the gallery that waits for it.
    ///
    /// # Errors
    /// [`EngineError::NoGallery`] when none does.
    pub async fn trust(&mut self) -> Result<(), EngineError> {
        let opened = self.asked.take().ok_or(EngineError::NoGallery)?;
        self.store.keep_trust(opened.folder.url(), &opened.checked.trust).await;
        self.opened(opened).await;
        Ok(())
    }

    /// Forgets which key the gallery in this folder was trusted with.
    pub async fn forget(&self, folder: &str) {
        self.store.forget_trust(Folder::new(folder).url()).await;
    }

    async fn opened(&mut self, opened: Opened) {
        let gallery = self.describe(&opened).await;
        post(&Event::Index(gallery), None);
        let Opened { folder, pinned, checked: Checked { index, trust }, .. } = opened;
        self.open = Some(Open { folder, pinned, index, trust, shards: BTreeMap::new(), model: None });
    }

    /// What the page needs to know of an index.
    async fn describe(&self, opened: &Opened) -> Gallery {
        let Checked { index, trust } = &opened.checked;
        let stored = self.store.holds(index.files()).await;
        Gallery {
            title: index.title.clone(),
            signed: trust.key.map(|key| key.fingerprint()),
            learngene: index.learngene.size,
            learngene_stored: stored.contains(&index.learngene.sha256),
            index: opened.bytes,
            classes: index.classes.iter().map(|class| info(class, &stored)).collect(),
            more: !index.shards.is_empty(),
            channels: index.config.channels,
            side: index.config.image_size,
            steps: index.sampling.steps,
            guidance: index.sampling.guidance.into(),
        }
    }

    /// Looks whether the open gallery was published anew, and goes on with what it is now; whether it was.
    async fn renew(&mut self) -> Result<bool, EngineError> {
        let open = self.open.as_ref().ok_or(EngineError::NoGallery)?;
        let (folder, before) = (open.folder.clone(), open.trust.digest);
        let opened = self.check(&folder, open.pinned).await?;
        if opened.checked.trust.digest == before {
            return Ok(false);
        }
        let gallery = self.describe(&opened).await;
        post(&Event::Renewed(gallery), None);
        let Checked { index, trust } = opened.checked;
        if let Some(open) = &mut self.open {
            let same = open.index.learngene.sha256 == index.learngene.sha256;
            // Tailors may have changed: those that did not are in the store.
            open.model = open.model.take().filter(|_| same);
            let classes = open.model.as_ref().map(Model::classes).unwrap_or_default();
            for class in classes {
                if let Some(model) = &mut open.model {
                    model.remove(&class);
                }
            }
            (open.index, open.trust, open.shards) = (index, trust, BTreeMap::new());
        }
        Ok(true)
    }

    /// Tells the page what all classes of a large gallery are called.
    ///
    /// # Errors
    /// [`EngineError::NoGallery`]; those of downloading.
    pub async fn names(&mut self) -> Result<(), EngineError> {
        let open = self.open.as_ref().ok_or(EngineError::NoGallery)?;
        let names = match &open.index.names {
            Some(file) => {
                let arrived = open.fetch(file, File::List, &self.store).await?;
                let names = open.index.read_names(&arrived.bytes).map_err(refused(file))?;
                arrived.announce();
                names
            }
            None => Vec::new(),
        };
        post(&Event::Names(names), None);
        Ok(())
    }

    /// Takes the class's tailor out of the model and deletes its pack.
    ///
    /// # Errors
    /// [`EngineError::NoGallery`], [`EngineError::UnknownClass`].
    pub async fn drop_class(&mut self, class: &str) -> Result<(), EngineError> {
        let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
        if let Some(model) = &mut open.model {
            model.remove(class);
        }
        let class = open.class(class, &self.store).await?;
        self.store.remove(&class.file.sha256).await;
        post(&Event::Dropped { class: class.id }, None);
        Ok(())
    }

    /// Sees that the model holds what the order needs. Files are named by their content: if one is gone, the
    /// gallery was probably published anew meanwhile.
    async fn load(&mut self, classes: &BTreeSet<&str>) -> Result<(), EngineError> {
        let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
        match open.load(classes, &self.store, &self.device).await {
            Err(EngineError::Download(error)) if error.problem.wants_new_index() => {
                if !self.renew().await? {
                    return Err(error.into());
                }
                let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
                open.load(classes, &self.store, &self.device).await
            }
            loaded => loaded,
        }
    }

    /// Downloads what the order needs, makes its images and sends them.
    ///
    /// # Errors
    /// Any but those of opening a gallery; [`EngineError::Cancelled`] when `stop` was pulled.
    pub async fn sample(&mut self, order: Order, stop: AbortRegistration) -> Result<(), EngineError> {
        let handle = stop.handle();
        let classes: BTreeSet<&str> = order.images.iter().filter_map(|i| i.class.as_deref()).collect();
        Abortable::new(self.load(&classes), stop).await.map_err(|_| EngineError::Cancelled)??;

        let open = self.open.as_ref().ok_or(EngineError::NoGallery)?;
        let gate = |class: &Option<String>| class.iter().map(|c| (c.clone(), 1.0)).collect();
        let settings = SampleSettings {
            sampler: open.index.sampling.sampler.parse()?,
            steps: order.steps as usize,
            guidance: order.guidance,
            items: order.images.iter().map(|i| Item { gate: gate(&i.class), seed: i.seed }).collect(),
        };
        let model = open.model.as_ref().ok_or(EngineError::NoGallery)?;
        let begun = now();
        let mut sampling = Sampling::new(model, settings)?;
        while sampling.step() {
            let (id, step, of) = (order.id, sampling.steps_done() as u32, order.steps);
            if step == of {
                break;
            }
            if order.previews {
                let preview = values(sampling.preview()).await?;
                post(&Event::Preview { id, step, of }, Some(&preview));
            }
            // The message that cancels this order is heard here and nowhere else.
            TimeoutFuture::new(0).await;
            if handle.is_aborted() {
                return Err(EngineError::Cancelled);
            }
        }
        let images = values(sampling.images()).await?;
        if images.iter().any(|v| !v.is_finite()) {
            return Err(EngineError::NotFinite);
        }
        let ms = now() - begun;
        let ms_per_step = ms / f64::from(order.steps.max(1));
        post(&Event::Done { id: order.id, ms, ms_per_step }, Some(&images));
        Ok(())
    }
}

impl Open {
    /// Sees that the learngene and these classes' tailors are in the model, a few downloads at a time.
    async fn load(
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
    async fn class(&mut self, id: &str, store: &Store) -> Result<ClassEntry, EngineError> {
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
    async fn fetch(&self, entry: &FileEntry, file: File, store: &Store) -> Result<Arrived, EngineError> {
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
struct Arrived {
    file: File,
    bytes: Vec<u8>,
    network: u64,
    kept: bool,
}

impl Arrived {
    fn announce(self) {
        post(&Event::Loaded { file: self.file, network: self.network, kept: self.kept }, None);
    }
}

fn refused(file: &FileEntry) -> impl Fn(PackError) -> EngineError + use<> {
    let file = file.path.clone();
    move |source| EngineError::Pack { file: file.clone(), source }
}

fn info(class: &ClassEntry, stored: &BTreeSet<Digest>) -> ClassInfo {
    ClassInfo {
        id: class.id.clone(),
        name: class.name.clone(),
        bytes: class.file.size,
        stored: stored.contains(&class.file.sha256),
    }
}

/// Reads `[B, C, H, W]` back from the device.
async fn values(images: Tensor<4>) -> Result<Vec<f32>, EngineError> {
    let lost = |reason: String| EngineError::ReadBack { reason };
    let data = images.into_data_async().await.map_err(|e| lost(e.to_string()))?;
    data.try_into_vec::<f32>().map_err(|e| lost(e.to_string()))
}
