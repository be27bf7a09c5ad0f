//! Carries out the page's requests: opens galleries, drops classes, makes images.

use super::device::{Device, Run};
use super::download::Folder;
use super::error::EngineError;
use super::gallery::{Open, refused, turned};
use super::hold::Hold;
use super::host::{breathe, now, post};
use super::index::{Found, Opened, Published};
use super::own;
use super::stop::Stop;
use super::store::Store;
use crate::protocol::{Before, Event, File, Names, Order, Parts, Wanted};
use std::collections::BTreeSet;
use tailor_core::model::Gate;
use tailor_core::{Guide, Item, SampleSettings};
use tailor_packs::{PublicKey, Trust};

/// The least time between two previews, in milliseconds.
const FRAME: f64 = 16.0;

/// The engine: a device to compute on, the storage, and the open gallery.
pub struct Session {
    device: Device,
    store: Store,
    open: Option<Open>,
    /// A gallery whose key the visitor has to vouch for.
    asked: Option<(PublicKey, Box<Published>)>,
    /// Whether orders wait, because the page is hidden.
    hold: Hold,
}

impl Session {
    /// Makes an engine without a gallery, whose orders wait between two steps while `hold` says so.
    pub async fn new(device: Device, hold: Hold) -> Self {
        Self { device, store: Store::open().await, open: None, asked: None, hold }
    }

    /// Opens the gallery in the folder at this absolute URL, if it can be trusted, and describes it
    /// to the page. `key` is the publisher's key, if the page knows it.
    ///
    /// # Errors
    /// Those of downloading; [`EngineError::Index`] for an index that cannot be trusted;
    /// [`EngineError::FirstUse`] for a key that the visitor has to vouch for with
    /// [`Session::trust`].
    pub async fn open(&mut self, folder: &str, key: Option<&str>) -> Result<(), EngineError> {
        let pinned = key.map(str::parse::<PublicKey>).transpose();
        let pinned = pinned.map_err(|source| EngineError::Index { source })?;
        let (_pull, stop) = Stop::new();
        let opened = self.check(&Folder::new(folder)?, pinned, None, &stop).await?;
        self.opened(opened).await;
        Ok(())
    }

    /// Opens the gallery whose key the visitor now vouches for.
    ///
    /// # Errors
    /// [`EngineError::NoGallery`] when no gallery asked for it; [`EngineError::Index`] when another
    /// tab trusted another key meanwhile.
    pub async fn trust(&mut self) -> Result<(), EngineError> {
        let (key, published) = self.asked.take().ok_or(EngineError::NoGallery)?;
        let (_pull, stop) = Stop::new();
        let found = published.vouched(key, &self.store, &stop).await?;
        let opened = self.known(found)?;
        self.opened(opened).await;
        Ok(())
    }

    /// Forgets everything that is remembered of the gallery in this folder.
    ///
    /// # Errors
    /// [`EngineError::Address`] for anything but a folder on a web server.
    pub async fn forget(&self, folder: &str) -> Result<(), EngineError> {
        self.store.forget_trust(Folder::new(folder)?.url()).await;
        Ok(())
    }

    /// Returns the bytes of the engine's memory, and how many workers that is.
    pub fn memory(&self) -> (u64, u32) {
        self.device.memory()
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

    /// Returns the gallery that was found, unless the visitor has to vouch for its key first.
    fn known(&mut self, found: Found) -> Result<Opened, EngineError> {
        match found {
            Found::Trusted(opened) => Ok(*opened),
            Found::FirstUse(key, published) => {
                self.asked = Some((key, published));
                Err(EngineError::FirstUse { fingerprint: key.fingerprint() })
            }
        }
    }

    /// Looks for a newer index after an error. Files are named by their content, so if one is
    /// missing, the gallery was probably published anew. If so, its new state is taken over, and
    /// the caller can try again; otherwise the error is returned.
    async fn renew_after(&mut self, error: EngineError, stop: &Stop) -> Result<(), EngineError> {
        let gone = matches!(&error, EngineError::Download(error) if error.problem.wants_new_index());
        if gone && self.renew(stop).await? { Ok(()) } else { Err(error) }
    }

    /// Opens the gallery again, and takes over its new state if it was published anew. Returns
    /// whether it was.
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

    /// Sends the page the names of all classes of a large gallery.
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
        arrived.announce(None, None);
        Ok(names)
    }

    /// Removes the class's tailor from the model and deletes its pack.
    ///
    /// # Errors
    /// [`EngineError::NoGallery`], [`EngineError::UnknownClass`].
    pub async fn drop_class(&mut self, class: &str, stop: &Stop) -> Result<(), EngineError> {
        let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
        if let Some(model) = &mut open.model {
            model.remove(class);
            model.remove(&turned(class));
        }
        let class = open.class(class, &self.store, stop).await?;
        match class.file.path.starts_with(own::MARK) {
            true => own::forget(&class.file).await,
            false => self.store.remove(&class.file).await,
        }
        post(&Event::Dropped { class: class.id }, None);
        Ok(())
    }

    /// Tells how large the parts of a class's matrices are. Gets the learngene and the pack for it,
    /// which are on this device if there were images of the class.
    ///
    /// # Errors
    /// [`EngineError::NoGallery`], [`EngineError::UnknownClass`]; those of downloading.
    pub async fn parts(&mut self, class: &str, stop: &Stop) -> Result<Parts, EngineError> {
        let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
        open.parts(class, &self.store, stop).await
    }

    /// Loads everything that the order needs into the model, and returns how long that took.
    async fn load(&mut self, classes: &BTreeSet<&str>, stop: &Stop) -> Result<Before, EngineError> {
        match self.load_once(classes, stop).await {
            Err(error) => {
                self.renew_after(error, stop).await?;
                self.load_once(classes, stop).await
            }
            loaded => loaded,
        }
    }

    async fn load_once(&mut self, classes: &BTreeSet<&str>, stop: &Stop) -> Result<Before, EngineError> {
        let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
        open.load(classes, &self.store, &self.device, stop).await
    }

    /// Downloads the files that the order needs, makes its images and sends them.
    ///
    /// # Errors
    /// Any but those of opening a gallery; [`EngineError::Cancelled`] when `stop` was pulled.
    pub async fn sample(&mut self, order: Order, stop: &Stop) -> Result<(), EngineError> {
        let mut classes = BTreeSet::new();
        let mut gates: Vec<Gate> = order.images.iter().map(Wanted::weights).collect();
        classes.extend(gates.iter().flatten().map(|(class, _)| class.as_str()));
        let before = self.load(&classes, stop).await?;

        let open = self.open.as_mut().ok_or(EngineError::NoGallery)?;
        if !order.parts.is_nothing() {
            open.turn_down(&classes, &order.parts)?;
            gates.iter_mut().flatten().for_each(|(class, _)| *class = turned(class));
        }
        let item = |(gate, image): (&Gate, &Wanted)| Item { gate: gate.clone(), seed: image.seed };
        let settings = SampleSettings {
            sampler: open.index.sampling.sampler.parse()?,
            steps: order.steps as usize,
            guidance: order.guidance,
            guide: Guide::default(),
            items: gates.iter().zip(&order.images).map(item).collect(),
        };
        let model = open.model.as_ref().ok_or(EngineError::NoGallery)?;
        let mut begun = now();
        let mut sampling = 0.0;
        let mut shown = begun;
        let mut run = Run::new(&self.device, model, settings, order.workers)?;
        while run.steps_done() < order.steps as usize {
            // What the network sees in this step, for those who look on.
            let mut seen = if order.trace { run.images().await? } else { Vec::new() };
            let began = now();
            run.step().await?;
            sampling += now() - began;
            let (id, step, of) = (order.id, run.steps_done() as u32, order.steps);
            // More previews than a screen can show would only take time from the steps.
            if order.trace || (order.previews && step < of && now() - shown >= FRAME) {
                shown = now();
                seen.extend(run.preview().await?);
                post(&Event::Preview { id, step, of }, Some(&seen));
            }
            if step == of {
                break;
            }
            // Messages, such as the one that cancels this order, are handled only here.
            breathe().await;
            let held = now();
            stop.or(self.hold.over()).await?;
            begun += now() - held;
        }
        let images = run.images().await?;
        if images.iter().any(|v| !v.is_finite()) {
            return Err(EngineError::NotFinite);
        }
        let ms = now() - begun;
        let ms_per_step = sampling / f64::from(order.steps.max(1));
        post(&Event::Done { id: order.id, ms, ms_per_step, before }, Some(&images));
        Ok(())
    }
}
