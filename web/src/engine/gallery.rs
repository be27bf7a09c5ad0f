//! An open gallery: gets its files from this device or from the network, and makes a model of them.

use super::device::{Device, Model};
use super::download::Folder;
use super::error::EngineError;
use super::host::{now, post};
use super::index::{Opened, info};
use super::own;
use super::stop::Stop;
use super::store::{Kept, Store};
use crate::protocol::{Before, Card, Cell, Event, File, Parts, Turned};
use futures_util::StreamExt as _;
use futures_util::stream;
use std::collections::{BTreeMap, BTreeSet};
use tailor_core::model::{Part, turned_down};
use tailor_packs::download::PARALLEL;
use tailor_packs::gallery::Change;
use tailor_packs::{Checked, ClassEntry, Digest, FileEntry, Index, PackError, PublicKey, Tensors, Trust};
use web_sys::RequestCache;

/// The most memory that a learngene may take, in bytes: WebAssembly ends at 4 GiB.
const MEMORY: u64 = 3 << 30;

/// A gallery that is open.
pub struct Open {
    /// The gallery's folder.
    pub folder: Folder,
    /// The publisher's key, if the page knows it.
    pub pinned: Option<PublicKey>,
    /// The gallery's index.
    pub index: Index,
    /// The key that is trusted and the index that was seen, for when the storage fails.
    pub trust: Trust,
    /// The classes of a large gallery that were looked up, by shard.
    shards: BTreeMap<usize, Vec<ClassEntry>>,
    /// The learngene, once it is loaded, with the tailors that were loaded so far.
    pub model: Option<Model>,
    /// The learngene's label of no class, `[D]`, once it is loaded.
    null_label: Vec<f32>,
}

impl Open {
    /// Takes a gallery of which nothing is loaded yet.
    pub fn new(opened: Opened) -> Self {
        let Opened { folder, pinned, checked: Checked { index, trust }, .. } = opened;
        Self { folder, pinned, index, trust, shards: BTreeMap::new(), model: None, null_label: Vec::new() }
    }

    /// Returns whether `opened` has another index than this gallery.
    pub fn differs(&self, opened: &Opened) -> bool {
        opened.checked.since(&self.index, &self.trust) != Change::Nothing
    }

    /// Takes over a newer index. A loaded learngene stays if it is the same. Tailors are removed,
    /// since they may have changed; those that did not are still in the store.
    pub fn renew(&mut self, opened: Opened) {
        let change = opened.checked.since(&self.index, &self.trust);
        let before = std::mem::replace(self, Self::new(opened));
        if change != Change::Learngene {
            self.model = before.model;
            self.null_label = before.null_label;
            if let Some(model) = &mut self.model {
                for class in model.classes() {
                    model.remove(&class);
                }
            }
        }
    }

    /// Loads the learngene and these classes' tailors into the model, a few downloads at a time.
    /// Returns how long that took.
    pub async fn load(
        &mut self,
        classes: &BTreeSet<&str>,
        store: &Store,
        device: &Device,
        stop: &Stop,
    ) -> Result<Before, EngineError> {
        let mut took = Before::default();
        let have = self.model.as_ref().map(Model::classes).unwrap_or_default();
        let mut missing = Vec::new();
        for class in classes.iter().filter(|class| !have.iter().any(|have| have == *class)) {
            missing.push(self.class(class, store, stop).await?);
        }
        self.check_memory()?;
        let mut model = self.model.take();
        let mut null_label = std::mem::take(&mut self.null_label);
        let this = &*self;
        let shared = model.is_none().then_some(None);
        let wanted: Vec<_> = shared.into_iter().chain(missing.iter().map(Some)).collect();
        let fetch = async |class: &Option<&ClassEntry>| match class {
            None => this.fetch(&this.index.learngene, File::Learngene, store, stop).await,
            Some(class) => this.fetch(&class.file, File::Tailor(class.id.clone()), store, stop).await,
        };
        let mut arriving = stream::iter(wanted.iter().map(fetch)).buffered(PARALLEL);
        let mut outcome = Ok(());
        for class in &wanted {
            // Every file that arrives is stored, so if one fails, the others need not be downloaded
            // again.
            let began = now();
            let Some(arrived) = arriving.next().await else { break };
            took.download += now() - began;
            let took = &mut took;
            let added = arrived.and_then(|arrived| match (class, &mut model) {
                (None, model) => {
                    let made = this.assemble(arrived, device, took);
                    made.map(|(new, label)| (*model, null_label) = (Some(new), label))
                }
                (Some(class), Some(model)) => this.add(model, class, arrived, took),
                // The learngene failed, and says so.
                (Some(_), None) => Ok(()),
            });
            outcome = outcome.and(added);
        }
        drop(arriving);
        (self.model, self.null_label) = (model, null_label);
        outcome.map(|()| took)
    }

    /// Puts a further tailor onto the model for each of these classes, which are loaded: the class's
    /// own, its parts turned down. Another name, [`turned`], tells it from the whole one.
    ///
    /// # Errors
    /// [`EngineError::NoGallery`] before there is a model; those of tensors that do not fit it.
    pub fn turn_down(&mut self, classes: &BTreeSet<&str>, parts: &Turned) -> Result<(), EngineError> {
        let model = self.model.as_mut().ok_or(EngineError::NoGallery)?;
        let share = |part| match part {
            Part::Label => parts.of(Turned::LABEL),
            Part::Matrix { layer, matrix } => parts.share(layer, matrix.name()),
        };
        for class in classes {
            let unknown = || EngineError::UnknownClass { class: (*class).to_owned() };
            let whole = model.tailor(class).ok_or_else(unknown)?;
            let tailor = turned_down(&self.index.config, whole, &self.null_label, share)?;
            model.insert(&turned(class), tailor)?;
        }
        Ok(())
    }

    /// Tells how large the parts of a class's matrices are.
    pub async fn parts(&mut self, id: &str, store: &Store, stop: &Stop) -> Result<Parts, EngineError> {
        let class = self.class(id, store, stop).await?;
        let file = self.fetch(&self.index.learngene, File::Learngene, store, stop).await?;
        let shared = self.index.read_learngene(&file.bytes).map_err(refused(&self.index.learngene))?;
        let file = self.fetch(&class.file, File::Tailor(class.id.clone()), store, stop).await?;
        let own = self.index.read_pack(&class, &file.bytes).map_err(refused(&class.file))?;
        let config = &self.index.config;
        let (g, n) = (config.learngene_components as usize, config.tailor_components as usize);
        let mut cells = Vec::new();
        for layer in 0..config.depth {
            for matrix in config.factored.matrices() {
                let name = format!("blocks.{layer}.{matrix}");
                cells.push(Cell {
                    layer,
                    matrix: matrix.to_string(),
                    learngene: norm(&shared.tensors, &name, g),
                    tailor: norm(&own.tensors, &name, n),
                });
            }
        }
        Ok(Parts { class: class.id, cells })
    }

    /// Refuses a learngene that would not fit into memory: the file, its values, and the device's
    /// copy of them.
    fn check_memory(&self) -> Result<(), EngineError> {
        let entry = &self.index.learngene;
        match entry.size.saturating_add(8 * self.index.parameters.learngene) > MEMORY {
            true => Err(EngineError::Memory { file: entry.path.clone(), bytes: entry.size }),
            false => Ok(()),
        }
    }

    /// Makes a model of the learngene's file. Returns also its label of no class.
    fn assemble(
        &self,
        arrived: Arrived,
        device: &Device,
        took: &mut Before,
    ) -> Result<(Model, Vec<f32>), EngineError> {
        let began = now();
        let read = self.index.read_learngene(&arrived.bytes).map_err(refused(&self.index.learngene))?;
        let verified = now();
        let label = read.tensors.get("label.null").map(|(_, values)| values.to_vec());
        let model = device.model(&self.index.config, read.tensors)?;
        took.verify += verified - began;
        took.prepare += now() - verified;
        arrived.announce(Some(&read.card), None);
        Ok((model, label.unwrap_or_default()))
    }

    fn add(
        &self,
        model: &mut Model,
        class: &ClassEntry,
        arrived: Arrived,
        took: &mut Before,
    ) -> Result<(), EngineError> {
        let began = now();
        let tailor = self.index.read_pack(class, &arrived.bytes).map_err(refused(&class.file))?;
        let verified = now();
        model.insert(&class.id, tailor.tensors)?;
        took.verify += verified - began;
        took.prepare += now() - verified;
        arrived.announce(Some(&tailor.card), tailor.preview);
        Ok(())
    }

    /// Returns the class with this id; looks it up in a large gallery's shards if necessary.
    pub async fn class(&mut self, id: &str, store: &Store, stop: &Stop) -> Result<ClassEntry, EngineError> {
        let unknown = || EngineError::UnknownClass { class: id.to_owned() };
        if let Some(class) = self.index.class(id) {
            return Ok(class.clone());
        }
        if let Some(class) = own::entry(&self.index, id).await {
            post(&Event::Class(own::info(&class)), None);
            return Ok(class);
        }
        let (number, file) = self.index.shard(id).ok_or_else(unknown)?;
        if !self.shards.contains_key(&number) {
            let arrived = self.fetch(file, File::List, store, stop).await?;
            let classes = self.index.read_shard(number, &arrived.bytes).map_err(refused(file))?;
            arrived.announce(None, None);
            self.shards.insert(number, classes);
        }
        let mut classes = self.shards.get(&number).into_iter().flatten();
        let class = classes.find(|class| class.id == id).ok_or_else(unknown)?;
        let stored = store.holds(std::iter::once(&class.file)).await;
        post(&Event::Class(info(class, &stored)), None);
        Ok(class.clone())
    }

    /// Gets a file of the gallery: the chunks on this device, and the others from the network.
    ///
    /// # Errors
    /// Those of downloading; [`EngineError::Cancelled`], [`EngineError::Memory`].
    pub async fn fetch(
        &self,
        entry: &FileEntry,
        file: File,
        store: &Store,
        stop: &Stop,
    ) -> Result<Arrived, EngineError> {
        if let Some(bytes) = own::bytes(entry).await {
            return Ok(Arrived { file, bytes, network: 0, kept: true });
        }
        let mut slot = store.slot(entry, stop).await?;
        let mut part = slot.read().await?;
        let mut network = 0;
        if !part.is_whole() {
            let total = entry.size;
            let progress = |received| post(&Event::Fetching { file: file.clone(), received, total }, None);
            // The browser's own cache need not keep what the store keeps.
            let cache = if store.exists() { RequestCache::NoStore } else { RequestCache::Default };
            let keep = async |number: usize, chunk: &[u8]| slot.write(number, chunk).await;
            network = self.folder.fetch(entry, &mut part, cache, stop, keep, progress).await?;
        }
        let mut kept = slot.finish().await;
        if kept == Kept::Full && store.make_room(&self.contents()).await {
            kept = slot.write_all(&part.bytes).await;
        }
        Ok(Arrived { file, bytes: part.bytes, network, kept: kept == Kept::Yes })
    }

    /// Returns the content digests of all files of the gallery that are known.
    fn contents(&self) -> BTreeSet<Digest> {
        let packs = self.shards.values().flatten().map(|class| &class.file);
        let mut contents = BTreeSet::new();
        contents.extend(self.index.files().chain(packs).map(FileEntry::content));
        contents
    }
}

/// Names the tailor of `class` whose parts are turned down. No class can have this name.
pub fn turned(class: &str) -> String {
    format!("{class}, turned down")
}

/// A file whose chunks were verified against the index.
pub struct Arrived {
    file: File,
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    network: u64,
    kept: bool,
}

impl Arrived {
    /// Tells the page that the file is verified and in use, and sends what it says of itself and the picture
    /// in it.
    pub fn announce(self, card: Option<&tailor_packs::Card>, preview: Option<Vec<u8>>) {
        let Self { file, network, kept, .. } = self;
        let card = card.map(said).unwrap_or_default();
        post(&Event::Loaded { file, network, kept, preview: preview.unwrap_or_default(), card }, None);
    }
}

/// Returns what a card says, without what only programs want.
fn said(card: &tailor_packs::Card) -> Card {
    let people = [
        ("authors", card.authors.join(", ")),
        ("licence", card.licence.clone()),
        ("data", card.data.clone()),
        ("tool", card.tool.clone()),
    ];
    let people = people.map(|(name, said)| (name.to_owned(), said));
    let measured = card.metrics.iter().map(|(name, value)| (name.clone(), value.to_string()));
    people.into_iter().filter(|(_, said)| !said.is_empty()).chain(measured).collect()
}

/// Returns the Frobenius norm of `U Σ V`, the part that `k` components make of the matrix `name`.
///
/// # Shapes
/// - `U`: `[m1, k]`, `Σ`: `[k]`, `V`: `[k, m2]`
fn norm(tensors: &Tensors, name: &str, k: usize) -> f32 {
    let values = |part: &str| tensors.get(&format!("{name}.{part}")).map_or(&[][..], |(_, values)| values);
    let (u, sigma, v) = (values("u"), values("sigma"), values("v"));
    let m2 = v.len() / k.max(1);
    let mut sum = 0.0;
    // ‖U Σ V‖² = Σᵢⱼ (UᵀU)ᵢⱼ σᵢ σⱼ (V Vᵀ)ᵢⱼ, which needs no matrix of m1 × m2.
    for i in 0..k {
        for j in 0..=i {
            let uu: f32 = u.chunks_exact(k).map(|row| row[i] * row[j]).sum();
            let row = |i: usize| v.iter().skip(i * m2).take(m2);
            let vv: f32 = row(i).zip(row(j)).map(|(a, b)| a * b).sum();
            let both = uu * vv * sigma.get(i).unwrap_or(&0.0) * sigma.get(j).unwrap_or(&0.0);
            sum += if i == j { both } else { 2.0 * both };
        }
    }
    sum.max(0.0).sqrt()
}

/// Makes the error for a file that `tailor-packs` refuses.
pub fn refused(file: &FileEntry) -> impl Fn(PackError) -> EngineError + use<> {
    let file = file.path.clone();
    move |source| EngineError::Pack { file: file.clone(), source }
}
