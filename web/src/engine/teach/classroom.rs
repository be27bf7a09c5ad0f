//! Packs of other people: they become classes of one's own, and all of those become a gallery.

use super::room::Room;
use super::{post, send};
use crate::engine::error::EngineError;
use crate::engine::gallery::refused;
use crate::engine::host::unix_seconds;
use crate::engine::own;
use crate::engine::stop::Stop;
use crate::protocol::File;
use crate::teaching::{Event, Joined, Member, Why, id};
use js_sys::{Array, Uint8Array};
use tailor_packs::index::INDEX_FILE;
use tailor_packs::join::{Admitted, Member as Pack};
use tailor_packs::{PackError, archive};
use wasm_bindgen::JsValue;
use web_sys::{Blob, BlobPropertyBag};

/// The most characters of authors that are shown.
const AUTHOR: usize = 100;
/// The file that tells people about a gallery.
const README: &str = "README.txt";

impl Room {
    /// Tells which classes of one's own there are.
    pub(super) async fn members(&mut self) -> Result<(), EngineError> {
        let open = self.open.as_ref().ok_or(EngineError::NoGallery)?;
        let join = self.join.insert(own::join(&open.index).await);
        post(&Event::Members(join.members().iter().map(member).collect()));
        Ok(())
    }

    /// Makes a class of one's own of a pack. Whatever is wrong with it is told, and ends nothing.
    pub(super) async fn join(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let open = self.open.as_ref().ok_or(EngineError::NoGallery)?;
        let join = match &mut self.join {
            Some(join) => join,
            none => none.insert(own::join(&open.index).await),
        };
        let joined = match join.admit(bytes) {
            Ok(Admitted::Known(number)) => Joined::Known(
                join.members().get(number).map(|pack| pack.entry.id.clone()).unwrap_or_default(),
            ),
            Ok(Admitted::New { bytes, was }) => match join.members().last().map(member) {
                Some(member) if own::keep(&open.index.learngene.sha256, &member.class.id, &bytes).await => {
                    Joined::New { member, was }
                }
                _ => {
                    join.leave();
                    Joined::Refused { why: Why::NoRoom, detail: String::new() }
                }
            },
            Err(error) => Joined::Refused { why: why(&error), detail: error.to_string() },
        };
        post(&Event::Joined(joined));
        Ok(())
    }

    /// Makes a gallery of all classes of one's own.
    pub(super) async fn gallery(&mut self, title: &str, readme: &str) -> Result<(), EngineError> {
        let open = self.open.as_ref().ok_or(EngineError::NoGallery)?;
        // A class may have been deleted since.
        let join = self.join.insert(own::join(&open.index).await);
        let wrong = |source| EngineError::Pack { file: INDEX_FILE.to_owned(), source };
        // A gallery that is saved again is a newer one.
        let index = join.index(&id(title), title, unix_seconds()).map_err(wrong)?;
        let json = index.to_json().map_err(wrong)?;
        let mut parts = Parts { archive: archive::Writer::default(), parts: Array::new() };
        parts.add(INDEX_FILE, &json)?;
        parts.add(README, readme.as_bytes())?;
        let (_pull, stop) = Stop::new();
        let learngene = open.fetch(&index.learngene, File::Learngene, &self.store, &stop).await?.bytes;
        index.learngene.verify(&learngene).map_err(refused(&index.learngene))?;
        parts.add(&index.learngene.path, &learngene)?;
        drop(learngene);
        for class in &index.classes {
            let bytes = own::pack(&index.learngene.sha256, &class.id).await.unwrap_or_default();
            class.file.verify(&bytes).map_err(refused(&class.file))?;
            parts.add(&class.file.path, &bytes)?;
        }
        let blob =
            parts.finish().ok_or(EngineError::Teaching { reason: "the browser makes no file".to_owned() })?;
        let (file, classes) = (format!("{}.zip", index.id), index.classes.len() as u32);
        let event = Event::Gallery { file, classes, bytes: blob.size() as u64 };
        send(&event, Some(blob.into()));
        Ok(())
    }
}

/// An archive in pieces, which the browser keeps outside of this program's memory.
struct Parts<'a> {
    archive: archive::Writer<'a>,
    parts: Array,
}

impl<'a> Parts<'a> {
    fn add(&mut self, name: &'a str, bytes: &[u8]) -> Result<(), EngineError> {
        let wrong = |source| EngineError::Pack { file: name.to_owned(), source };
        self.parts.push(&Uint8Array::from(&*self.archive.entry(name, bytes).map_err(wrong)?));
        self.parts.push(&Uint8Array::from(bytes));
        Ok(())
    }

    fn finish(self) -> Option<Blob> {
        self.parts.push(&Uint8Array::from(&*self.archive.finish()));
        let kind = BlobPropertyBag::new();
        kind.set_type("application/zip");
        Blob::new_with_u8_array_sequence_and_options(&JsValue::from(self.parts), &kind).ok()
    }
}

fn member(pack: &Pack) -> Member {
    // A card may be long, and a line of a table is not.
    let author = pack.authors.join(", ").chars().take(AUTHOR).collect();
    Member { class: own::info(&pack.entry), author }
}

fn why(error: &PackError) -> Why {
    match error {
        PackError::NotAPack | PackError::WrongKind { .. } => Why::NoPack,
        PackError::WrongLearngene { .. } => Why::Learngene,
        PackError::VersionTooNew { .. } | PackError::RequiredUnknown { .. } => Why::TooNew,
        _ => Why::Damaged,
    }
}
