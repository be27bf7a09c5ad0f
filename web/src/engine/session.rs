//! What the page can ask for: galleries to open, classes to drop, images to make.

use super::device::{Device, Run};
use super::download::Folder;
use super::error::EngineError;
use super::gallery::{Open, refused};
use super::host::{breathe, now, post};
use super::index::{Found, Opened, Published};
use super::stop::Stop;
use super::store::Store;
use crate::protocol::{Event, File, Names, Order};
use std::collections::BTreeSet;
use tailor_core::{Item, SampleSettings};
use tailor_packs::{PublicKey, Trust};

/// Milliseconds between two previews at least.
const FRAME: f64 = 16.0;

/// A device, the storage, and the gallery that is open.
pub struct Engine {
    device: Device,
    store: Store,
    open: Option<Open>,
    /// A gallery whose key waits for the visitor's word.
    asked: Option<(PublicKey, Box<Published>)>,
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
    /// Those of downloading; [`EngineError::Index`] for what cannot be trusted, and
    /// [`EngineError::FirstUse`] for a key that is to be vouched for with [`Engine::trust`].
    pub async fn open(&mut self, folder: &str, key: Option<&str>) -> Result<(), EngineError> {
        let pinned = key.map(str::parse::<PublicKey>).transpose();
        let pinned = pinned.map_err(|source| EngineError::Index { source })?;
        let (_pull, stop) = Stop::new();
        let opened = self.check(&Folder::new(folder)?, pinned, None, &stop).await?;
        self.opened(opened).await;
        Ok(())
    }

    /// The visitor vouches for the key of the gallery that waits for it.
    ///
    /// # Errors
    /// [`EngineError::NoGallery`] when none does; [`EngineError::Index`] when another tab trusted another key
    /// meanwhile.
    pub async fn trust(&mut self) -> Result<(), EngineError> {
        let (key, published) = self.asked.take().ok_or(EngineError::NoGallery)?;
        let (_pull, stop) = Stop::new();
        let found = published.vouched(key, &self.store, &stop).await?;
        let opened = self.known(found)?;
        self.opened(opened).await;
        Ok(())
    }

    /// Forgets what is remembered of the gallery in this folder.
    ///
    /// # Errors
    /// [`EngineError::Address`].
    pub async fn forget(&self, folder: &str) -> Result<(), EngineError> {
        self.store.forget_trust(Folder::new(folder)?.url()).await;
        Ok(())
    }

    async fn opened(&mut self, opened: Opened) {
        post(&Event::Index(opened.describe(&self.store).await), None);
        self.open = Some(Open::new(opened));
    }

    async fn check(
        &mut self,
        folder: &Folder,
        pinned: Option<PublicKey>,
        before: Option<&Trust>,
        stop: &Stop,
    ) -> Result<Opened, EngineError> {
        let found = Published::find(folder, pinned, before, &self.store, stop).await?;
        self.known(found)
    }

    /// The gallery that was found, unless the visitor is to vouch for its key first.
    fn known(&mut self, found: Found) -> Result<Opened, EngineError> {
        match found {
            Found::Trusted(opened) => Ok(*opened),
            Found::FirstUse(key, published) => {
                self.asked = Some((key, published));
                Err(EngineError::FirstUse { fingerprint: key.fingerprint() })
            }
        }
    }

    /// Files are named by their content: if one is gone, the gallery was probably published anew meanwhile. Then it
    /// is gone on with as it is now, and what failed is worth another try; else the error stands.
    async fn renew_after(&mut self, error: EngineError, stop: &Stop) -> Result<(), EngineError> {
        let gone = matches!(&error, EngineError::Download(error) if error.problem.wants_new_index());
        if gone && self.renew(stop).await? { Ok(()) } else { Err(error) }
    }

    /// Looks whether the open gallery was published anew, and goes on with what it is now; whether it was.
    async fn renew(&mut self, stop: &Stop) -> Result<bool, EngineError> {
        let open = self.open.as_ref().ok_or(EngineError::NoGallery)?;
        let (folder, pinned, trust) = (open.folder.clone(), open.pinned, open.trust.clone());
        let opened = self.check(&folder, pinned, Some(&trust), stop).await?;
        let gallery = opened.describe(&self.store).await;
        let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
        let differs = open.differs(&opened);
        if differs {
            open.renew(opened);
            post(&Event::Renewed(gallery), None);
        }
        Ok(differs)
    }

    /// Tells the page what all classes of a large gallery are called.
    ///
    /// # Errors
    /// [`EngineError::NoGallery`], [`EngineError::Cancelled`]; those of downloading.
    pub async fn names(&mut self, stop: &Stop) -> Result<(), EngineError> {
        let names = match self.names_once(stop).await {
            Err(error) => {
                self.renew_after(error, stop).await?;
                self.names_once(stop).await?
            }
            Ok(names) => names,
        };
        post(&Event::Names(Ok(names)), None);
        Ok(())
    }

    async fn names_once(&self, stop: &Stop) -> Result<Names, EngineError> {
        let open = self.open.as_ref().ok_or(EngineError::NoGallery)?;
        let Some(file) = &open.index.names else { return Ok(Names::new()) };
        let arrived = open.fetch(file, File::List, &self.store, stop).await?;
        let names = open.index.read_names(&arrived.bytes).map_err(refused(file))?;
        arrived.announce();
        Ok(names)
    }

    /// Takes the class's tailor out of the model and deletes its pack.
    ///
    /// # Errors
    /// [`EngineError::NoGallery`], [`EngineError::UnknownClass`].
    pub async fn drop_class(&mut self, class: &str, stop: &Stop) -> Result<(), EngineError> {
        let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
        if let Some(model) = &mut open.model {
            model.remove(class);
        }
        let class = open.class(class, &self.store, stop).await?;
        self.store.remove(&class.file).await;
        post(&Event::Dropped { class: class.id }, None);
        Ok(())
    }

    /// Sees that the model holds what the order needs.
    async fn load(&mut self, classes: &BTreeSet<&str>, stop: &Stop) -> Result<(), EngineError> {
        match self.load_once(classes, stop).await {
            Err(error) => {
                self.renew_after(error, stop).await?;
                self.load_once(classes, stop).await
            }
            Ok(()) => Ok(()),
        }
    }

    async fn load_once(&mut self, classes: &BTreeSet<&str>, stop: &Stop) -> Result<(), EngineError> {
        let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
        open.load(classes, &self.store, &self.device, stop).await
    }

    /// Downloads what the order needs, makes its images and sends them.
    ///
    /// # Errors
    /// Any but those of opening a gallery; [`EngineError::Cancelled`] when `stop` was pulled.
    pub async fn sample(&mut self, order: Order, stop: &Stop) -> Result<(), EngineError> {
        let mut classes = BTreeSet::new();
        classes.extend(order.images.iter().filter_map(|i| i.class.as_deref()));
        self.load(&classes, stop).await?;

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
        let mut sampling = 0.0;
        let mut shown = begun;
        let mut run = Run::new(&self.device, model, settings, order.workers)?;
        while run.steps_done() < order.steps as usize {
            let before = now();
            run.step().await?;
            sampling += now() - before;
            let (id, step, of) = (order.id, run.steps_done() as u32, order.steps);
            if step == of {
                break;
            }
            // More than a screen shows would only take time from the steps.
            if order.previews && now() - shown >= FRAME {
                shown = now();
                let preview = run.preview().await?;
                post(&Event::Preview { id, step, of }, Some(&preview));
            }
            // The message that cancels this order is heard here and nowhere else.
            breathe().await;
            if stop.is_pulled() {
                return Err(EngineError::Cancelled);
            }
        }
        let images = run.images().await?;
        if images.iter().any(|v| !v.is_finite()) {
            return Err(EngineError::NotFinite);
        }
        let ms = now() - begun;
        let ms_per_step = sampling / f64::from(order.steps.max(1));
        post(&Event::Done { id: order.id, ms, ms_per_step }, Some(&images));
        Ok(())
    }
}
