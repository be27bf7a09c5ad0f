//! An open gallery: what is loaded, what an order needs, and sampling.

use super::download::download;
use super::error::EngineError;
use super::store::Store;
use super::worker::{now, post};
use crate::protocol::{ClassInfo, Event, File, Gallery, Order};
use burn::tensor::{Device, Tensor};
use futures_util::future::{AbortRegistration, Abortable, join_all, try_join};
use gloo_timers::future::TimeoutFuture;
use std::collections::BTreeSet;
use tailor_core::{Item, Model, SampleSettings, Sampling};
use tailor_packs::index::{INDEX_FILE, SIGNATURE_FILE};
use tailor_packs::{Checked, FileEntry, Index, PackError, PublicKey, Verdict, limits, trust};
use web_sys::RequestCache;

/// A device, the storage, and the gallery that is open.
pub struct Engine {
    device: Device,
    store: Store,
    open: Option<Open>,
    /// A gallery whose key waits for the visitor's word: its folder, its index, the index's length.
    asked: Option<(String, Checked, u64)>,
}

struct Open {
    /// Absolute, with its last slash.
    folder: String,
    index: Index,
    /// The learngene, once it is here, with the tailors that came so far.
    model: Option<Model>,
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
        let folder = format!("{}/", folder.trim_end_matches('/'));
        let refused = |source| EngineError::Index { source };
        let pinned = key.map(str::parse::<PublicKey>).transpose().map_err(refused)?;
        // The two files whose content may change under their names.
        let fetch = async |name: &str, limit| {
            download(&format!("{folder}{name}"), limit, RequestCache::NoCache, |_| ()).await
        };
        let json = fetch(INDEX_FILE, limits::INDEX).await?;
        let kept = self.store.trust(&folder).await;
        // A gallery that is not signed need not have a file that says so.
        let expected =
            pinned.is_some() || kept.is_some() || Index::parse(&json).map_err(refused)?.key.is_some();
        let minisig = match expected {
            true => match fetch(SIGNATURE_FILE, limits::SIGNATURE).await {
                Err(EngineError::Status { status: 404 | 403, .. }) => None,
                answer => Some(answer?),
            },
            false => None,
        };
        let now = (js_sys::Date::now() / 1000.0) as u64;
        let verdict = trust::check(pinned.as_ref(), kept.as_ref(), &json, minisig.as_deref(), now);
        let bytes = json.len() as u64;
        let checked = match verdict.map_err(refused)? {
            Verdict::Unsigned(checked) => checked,
            Verdict::Signed(checked) => {
                self.store.keep_trust(&folder, &checked.trust).await;
                checked
            }
            Verdict::FirstUse { key, checked } => {
                self.asked = Some((folder, checked, bytes));
                return Err(EngineError::FirstUse { fingerprint: key.fingerprint() });
            }
        };
        self.opened(folder, checked, bytes).await
    }

    /// The visitor vouches for the key of the gallery that waits for it.
    ///
    /// # Errors
    /// [`EngineError::NoGallery`] when none does.
    pub async fn trust(&mut self) -> Result<(), EngineError> {
        let (folder, checked, bytes) = self.asked.take().ok_or(EngineError::NoGallery)?;
        self.store.keep_trust(&folder, &checked.trust).await;
        self.opened(folder, checked, bytes).await
    }

    async fn opened(&mut self, folder: String, checked: Checked, bytes: u64) -> Result<(), EngineError> {
        let Checked { index, trust } = checked;
        let shard = async |file: &FileEntry| {
            download(&format!("{folder}{}", file.path), file.size, RequestCache::Default, |_| ()).await
        };
        let shards = join_all(index.shards.iter().map(shard)).await;
        let shards = shards.into_iter().collect::<Result<Vec<_>, _>>()?;
        let bytes = bytes + index.shards.iter().map(|file| file.size).sum::<u64>();
        let index = index.whole(&shards).map_err(|source| EngineError::Index { source })?;
        let stored = self.store.holds(index.files()).await;
        let class = |class: &tailor_packs::ClassEntry| ClassInfo {
            id: class.id.clone(),
            name: class.name.clone(),
            bytes: class.file.size,
            stored: stored.contains(&class.file.sha256),
        };
        post(
            &Event::Index(Gallery {
                title: index.title.clone(),
                signed: trust.key.map(|key| key.fingerprint()),
                learngene: index.learngene.size,
                learngene_stored: stored.contains(&index.learngene.sha256),
                index: bytes,
                classes: index.classes.iter().map(class).collect(),
                channels: index.config.channels,
                side: index.config.image_size,
                steps: index.sampling.steps,
                guidance: index.sampling.guidance.into(),
            }),
            None,
        );
        self.open = Some(Open { folder, index, model: None });
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
        self.store.remove(entry(&open.index, class)?).await;
        post(&Event::Dropped { class: class.to_owned() }, None);
        Ok(())
    }

    /// Downloads what the order needs, makes its images and sends them.
    ///
    /// # Errors
    /// Any but those of opening a gallery; [`EngineError::Cancelled`] when `stop` was pulled.
    pub async fn sample(&mut self, order: Order, stop: AbortRegistration) -> Result<(), EngineError> {
        let handle = stop.handle();
        let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
        let classes: BTreeSet<&str> = order.images.iter().filter_map(|i| i.class.as_deref()).collect();
        let load = open.load(&classes, &self.store, &self.device);
        Abortable::new(load, stop).await.map_err(|_| EngineError::Cancelled)??;

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
    /// Sees that the learngene and these classes' tailors are in the model, all downloads at once.
    async fn load(
        &mut self,
        classes: &BTreeSet<&str>,
        store: &Store,
        device: &Device,
    ) -> Result<(), EngineError> {
        let have = self.model.as_ref().map(Model::classes).unwrap_or_default();
        let missing = classes.iter().filter(|class| !have.iter().any(|h| h == *class));
        let missing =
            missing.map(|c| Ok((*c, entry(&self.index, c)?))).collect::<Result<Vec<_>, EngineError>>()?;
        let folder = &self.folder;
        let tailors = join_all(missing.iter().map(|(class, file)| async move {
            Arrived::fetch(folder, file, File::Tailor((*class).to_owned()), store).await
        }));
        let learngene = async {
            match self.model {
                Some(_) => Ok(None),
                None => Arrived::fetch(folder, &self.index.learngene, File::Learngene, store).await.map(Some),
            }
        };
        // Whatever arrived is stored by now, so one that failed does not cost the others again.
        let (learngene, tailors) = try_join(learngene, async { Ok(tailors.await) }).await?;
        let refused = |file: &FileEntry| {
            let file = file.path.clone();
            move |source: PackError| EngineError::Pack { file, source }
        };
        if let Some(arrived) = learngene {
            let read = self.index.read_learngene(&arrived.bytes).map_err(refused(&self.index.learngene))?;
            self.model = Some(Model::new(&self.index.config, &read.tensors, device)?);
            arrived.announce();
        }
        let model = self.model.as_mut().ok_or(EngineError::NoGallery)?;
        for ((class, file), arrived) in missing.into_iter().zip(tailors) {
            let arrived = arrived?;
            let tailor = self.index.read_tailor(class, &arrived.bytes).map_err(refused(file))?;
            model.insert(class, tailor.tensors)?;
            arrived.announce();
        }
        Ok(())
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
    async fn fetch(folder: &str, entry: &FileEntry, file: File, store: &Store) -> Result<Self, EngineError> {
        if let Some(bytes) = store.get(entry).await {
            return Ok(Self { file, bytes, network: 0, kept: true });
        }
        let total = entry.size;
        let progress = |received| post(&Event::Fetching { file: file.clone(), received, total }, None);
        progress(0);
        let url = format!("{folder}{}", entry.path);
        // What the store keeps, the browser's own cache need not keep as well; and a bad copy in that
        // cache would answer every retry.
        let cache = if store.exists() { RequestCache::NoStore } else { RequestCache::Default };
        let bytes = download(&url, total, cache, progress).await?;
        entry.verify(&bytes).map_err(|source| EngineError::Pack { file: entry.path.clone(), source })?;
        let kept = store.put(entry, &bytes).await;
        Ok(Self { file, bytes, network: total, kept })
    }

    fn announce(self) {
        post(&Event::Loaded { file: self.file, network: self.network, kept: self.kept }, None);
    }
}

fn entry<'a>(index: &'a Index, class: &str) -> Result<&'a FileEntry, EngineError> {
    let unknown = || EngineError::UnknownClass { class: class.to_owned() };
    index.class(class).map(|class| &class.file).ok_or_else(unknown)
}

/// Reads `[B, C, H, W]` back from the device.
async fn values(images: Tensor<4>) -> Result<Vec<f32>, EngineError> {
    let lost = |reason: String| EngineError::ReadBack { reason };
    let data = images.into_data_async().await.map_err(|e| lost(e.to_string()))?;
    data.try_into_vec::<f32>().map_err(|e| lost(e.to_string()))
}
