//! Packs that several people made for one learngene, joined into a gallery of their own: what a
//! teacher does with the packs of a class of pupils.
//!
//! ```
//! # use tailor_packs::{*, join::{Admitted, Join}};
//! # fn example(index: &Index, packs: Vec<Vec<u8>>) -> Result<Index> {
//! let mut join = Join::new(index);
//! for pack in packs {
//!     match join.admit(&pack) {
//!         // Keep these bytes: they differ from `pack` where the class is called something else now.
//!         Ok(Admitted::New { bytes, .. }) => drop(bytes),
//!         Ok(Admitted::Known(_)) => {}
//!         // This one is left out, and none of the others suffers.
//!         Err(error) => eprintln!("{error}"),
//!     }
//! }
//! join.index("our-class", "Our class", 1)
//! # }
//! ```

use crate::digest::Digest;
use crate::error::Result;
use crate::file::{FileEntry, tailor_file_name};
use crate::format::manifest::Class;
use crate::format::names::is_name;
use crate::format::pack::{Tailor, read_tailor, renamed};
use crate::trust::index::{ClassEntry, Index};

/// The most characters of an author that are added to a name.
const AUTHOR: usize = 40;
/// The most characters of a name to which something is added.
const NAME: usize = 40;
/// The most characters of an id to which a number is added.
const ID: usize = 56;

/// The packs that were joined so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// The gallery whose learngene they fit, and whose own classes keep their names.
    gallery: Index,
    members: Vec<Member>,
}

/// A class that was joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its entry in an index, with the name of its file in a gallery.
    pub entry: ClassEntry,
    /// Who made it, as its card says.
    pub authors: Vec<String>,
    /// The digest of all that is in the pack but the class's id and name.
    content: Digest,
}

/// What became of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It is a new member, the last one.
    New {
        /// The pack's bytes, as the member has them.
        bytes: Vec<u8>,
        /// What the pack calls its class, if that name was taken.
        was: Option<String>,
    },
    /// It is the member with this number already, whatever either is called.
    Known(usize),
}

impl Join {
    /// Begins without members, for the learngene of this gallery.
    pub fn new(gallery: &Index) -> Self {
        Self { gallery: gallery.clone(), members: Vec::new() }
    }

    /// Returns the members, in the order in which they came.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Takes a pack as it is, one that was admitted at an earlier time.
    ///
    /// # Errors
    /// As [`read_tailor`].
    pub fn keep(&mut self, bytes: &[u8]) -> Result<()> {
        let tailor = self.read(bytes)?;
        self.members.push(Member::new(&tailor, &tailor.class, bytes, content(bytes)?));
        Ok(())
    }

    /// Takes a pack. One whose id or name is taken, by the gallery or a member, gets a free one.
    ///
    /// # Errors
    /// As [`read_tailor`], for a pack that is damaged or fits another learngene. Nothing has changed
    /// then.
    pub fn admit(&mut self, bytes: &[u8]) -> Result<Admitted> {
        let tailor = self.read(bytes)?;
        let content = content(bytes)?;
        if let Some(known) = self.members.iter().position(|member| member.content == content) {
            return Ok(Admitted::Known(known));
        }
        let class = self.free(&tailor);
        let was = (class.name != tailor.class.name).then(|| tailor.class.name.clone());
        let bytes = if class == tailor.class { bytes.to_vec() } else { renamed(bytes, &class)? };
        self.members.push(Member::new(&tailor, &class, &bytes, content));
        Ok(Admitted::New { bytes, was })
    }

    /// Puts the members in the order of their names, in which case does not count.
    pub fn sort_by_name(&mut self) {
        self.members.sort_by_cached_key(|member| member.entry.name.to_lowercase());
    }

    /// Takes out the last member, whose pack could not be kept.
    pub fn leave(&mut self) {
        self.members.pop();
    }

    /// Makes the index of a gallery that has the learngene and the members. It is not signed.
    ///
    /// # Errors
    /// As [`Index::new`].
    pub fn index(&self, id: &str, title: &str, version: u64) -> Result<Index> {
        let Index { config, sampling, learngene, .. } = &self.gallery;
        let index = Index::new(id, title, config, sampling.clone(), learngene.clone())?;
        let classes = self.members.iter().map(|member| member.entry.clone()).collect();
        Ok(Index { version, classes, ..index })
    }

    fn read(&self, bytes: &[u8]) -> Result<Tailor> {
        read_tailor(bytes, Some((&self.gallery.learngene.sha256, &self.gallery.config)))
    }

    /// Returns the pack's class, with a number behind an id or a name that is taken, and the author
    /// behind such a name.
    fn free(&self, tailor: &Tailor) -> Class {
        let Class { id, name, wordnet } = tailor.class.clone();
        let taken = || self.gallery.classes.iter().chain(self.members.iter().map(|member| &member.entry));
        let numbered = |n: u32| if n == 1 { id.clone() } else { format!("{}-{n}", start(&id, ID)) };
        let free_id = |id: &String| taken().all(|class| class.id != *id);
        let author = tailor.card.authors.first().map(|author| format!(", {}", start(author.trim(), AUTHOR)));
        let told = |n: u32| {
            let plain = format!("{} ({n})", start(&name, NAME));
            let whole = format!("{plain}{}", author.as_deref().unwrap_or_default());
            match n {
                1 => name.clone(),
                // An author may be called what no class can be.
                _ if is_name(&whole) => whole,
                _ => plain,
            }
        };
        let free_name = |name: &String| taken().all(|class| class.name.trim() != name.trim());
        // There are more numbers than classes.
        let new_id = (1..).map(numbered).find(free_id).unwrap_or_default();
        let new_name = (1..).map(told).find(free_name).unwrap_or_default();
        Class { id: new_id, name: new_name, wordnet }
    }
}

impl Member {
    fn new(tailor: &Tailor, class: &Class, bytes: &[u8], content: Digest) -> Self {
        let file = FileEntry::of(tailor_file_name(&class.id, &Digest::of(bytes)), bytes);
        let authors = tailor.card.authors.clone();
        Self { entry: ClassEntry::new(class, file), authors, content }
    }
}

/// Returns the digest of a pack under a name that is the same for all.
fn content(bytes: &[u8]) -> Result<Digest> {
    let nobody = Class { id: "x".to_owned(), name: "x".to_owned(), wordnet: None };
    Ok(Digest::of(&renamed(bytes, &nobody)?))
}

/// Returns the beginning of a text, so many characters at most.
fn start(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
