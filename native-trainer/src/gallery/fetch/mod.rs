//! Fetches a gallery, or some of its classes, from a server into a folder.
//!
//! ```text
//! index.json, index.json.minisig   as published, byte for byte; written last
//! letters-….learngene, a-….tailor  what was asked for, and the shards that it takes to know it
//! NAME.part                        a file on its way: chunk n begins at n MiB, and is verified
//! .tailor-fetch.json               where it is from, and who is trusted to sign it
//! ```
//!
//! What to ask for and what to think of the answer is decided in [`tailor_packs::download`], and whom to trust
//! in [`tailor_packs::gallery`], as in the browser. Here are only the connections, the threads and the files.

mod address;
mod transfer;

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tailor_packs::download::{PARALLEL, Problem};
use tailor_packs::gallery::{Change, Decision, Next, Opened, Opening};
use tailor_packs::index::{INDEX_FILE, SIGNATURE_FILE};
use tailor_packs::manifest::is_id;
use tailor_packs::{Checked, ClassEntry, FileEntry, Index, PublicKey};

use address::{address, default_folder};
pub use transfer::Pace;

use crate::error::Error;
use crate::gallery::folder::{Gallery, alike, class};
use crate::gallery::origin::Origin;
use crate::gallery::sign::public_key;
use crate::settings::gallery::FetchSettings;
use crate::system::clock::since_1970;
use crate::system::files::{WriteError, create_folder, leave, lock, read_limited, write_atomic};
use crate::system::output::{as_text, ask, without_password};
use transfer::{Client, Part};

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The folder, now a gallery.
    #[serde(serialize_with = "as_text")]
    pub folder: PathBuf,
    /// The gallery's id.
    pub id: String,
    /// The version of its index.
    pub version: u64,
    /// Id of the key that signed it; none for an unsigned gallery.
    pub key: Option<String>,
    /// Ids of the classes that are here now.
    pub classes: Vec<String>,
    /// Files that came, and those that were here already; the index is neither.
    pub fetched: usize,
    /// See [`Outcome::fetched`].
    pub kept: usize,
    /// Bytes that came over the network.
    pub bytes: u64,
}

/// Fetches what `settings` ask for. The index is written last, so until then the folder is the gallery that it was.
///
/// # Errors
/// [`Error::Download`] for what a server does; [`Error::Pack`] for an index that is not to be trusted or a file
/// that is not what it should be; [`Error::UnknownClass`]; [`Error::Refused`] when nobody vouches for the
/// key, or the folder holds another gallery; anything wrong with the disk.
pub fn fetch(settings: &FetchSettings, pace: Pace) -> Result<Outcome, Error> {
    let url = address(&settings.url)?;
    let folder = settings.out.clone().map_or_else(|| default_folder(&url), Ok)?;
    let fresh = !folder.exists();
    let origin = Origin::read(&folder)?;
    // An index chooses the names of its files: none of them may be somebody's own file.
    if origin.is_none() && !fresh && !is_empty(&folder)? {
        return Err(Error::Refused {
            what: format!("{} is not empty, and nothing was fetched into it before", folder.display()),
            help: "choose another folder with --out".to_owned(),
        });
    }
    create_folder(&folder)?;
    let _lock = lock(&folder, "fetching")?;
    let client = Client::new(url, pace);
    let fetcher = Fetcher { client, folder, fetched: AtomicUsize::new(0), kept: AtomicUsize::new(0) };
    let outcome = fetcher.run(settings, origin).inspect_err(|_| leave(&fetcher.folder, fresh));
    fetcher.client.bar.finish_and_clear();
    outcome
}

/// Whether the folder holds nothing but hidden files, which is how no file of a gallery is called.
fn is_empty(folder: &Path) -> Result<bool, Error> {
    let mut entries = std::fs::read_dir(folder).map_err(Error::read(folder))?;
    Ok(!entries.any(|entry| entry.is_ok_and(|entry| !entry.file_name().to_string_lossy().starts_with('.'))))
}

struct Fetcher {
    client: Client,
    folder: PathBuf,
    fetched: AtomicUsize,
    kept: AtomicUsize,
}

impl Fetcher {
    fn run(&self, settings: &FetchSettings, mut origin: Option<Origin>) -> Result<Outcome, Error> {
        // A folder that is not in order is put in order.
        let old = origin.as_ref().and_then(|_| Gallery::open(&self.folder).ok());
        let before = old.as_ref().map_or(&[][..], |gallery| &gallery.index.classes);
        let packs = before.iter().map(|class| &class.file);
        let mut replaced: Vec<_> =
            old.iter().flat_map(|old| old.published.files()).chain(packs).cloned().collect();
        let mut published = self.index(settings, &mut origin)?;
        let classes = match self.all(&published.checked.index, settings, before) {
            Err(error @ Error::Download { .. }) if wants_new_index(&error) => {
                // Published anew meanwhile, perhaps.
                let newer = self.index(settings, &mut origin)?;
                let old = &published.checked;
                if newer.checked.since(&old.index, &old.trust) == Change::Nothing {
                    return Err(error);
                }
                replaced.extend(old.index.files().cloned());
                published = newer;
                self.all(&published.checked.index, settings, before)?
            }
            classes => classes?,
        };
        let path = self.folder.join(SIGNATURE_FILE);
        match &published.minisig {
            Some(minisig) => write_atomic(&path, minisig)?,
            None if path.exists() => std::fs::remove_file(&path).map_err(WriteError::at(&path))?,
            None => {}
        }
        write_atomic(&self.folder.join(INDEX_FILE), &published.json)?;
        let Checked { index, trust } = published.checked;
        self.remove_replaced(&replaced, &index, &classes);
        Ok(Outcome {
            folder: self.folder.clone(),
            id: index.id,
            version: index.version,
            key: trust.key.map(|key| key.id()),
            classes: classes.into_iter().map(|class| class.id).collect(),
            fetched: self.fetched.load(Ordering::Relaxed),
            kept: self.kept.load(Ordering::Relaxed),
            bytes: self.client.bytes.load(Ordering::Relaxed),
        })
    }

    /// Removes what an index from before named and the present one does not.
    fn remove_replaced(&self, named: &[FileEntry], index: &Index, classes: &[ClassEntry]) {
        let packs = classes.iter().map(|class| &class.file);
        let wanted: BTreeSet<_> = index.files().chain(packs).map(|file| &file.path).collect();
        for file in named.iter().filter(|file| !wanted.contains(&file.path)) {
            // What is not there, or cannot be removed, does no harm.
            let _ = std::fs::remove_file(self.folder.join(&file.path));
        }
    }

    /// The index, once it is trusted; `origin` becomes what to remember, on disk too.
    fn index(&self, settings: &FetchSettings, origin: &mut Option<Origin>) -> Result<Opened, Error> {
        let pinned = settings.public_key.as_ref().map(public_key).transpose()?;
        let kept = origin.as_ref().map(|origin| &origin.trust);
        let at = PathBuf::from(format!("{}{INDEX_FILE}", without_password(&self.client.url)));
        let mut opening = Opening::new(pinned);
        let opened = loop {
            if let Next::Ask { file, limit } = opening.next(kept).map_err(Error::pack(&at))? {
                match self.client.small(file, limit) {
                    Ok(bytes) => opening.came(bytes),
                    Err(Error::Download { ref problem, .. }) if opening.is_answer(problem) => {}
                    // Of one that was fetched before it may be missing for a moment.
                    Err(Error::Download { problem: Problem::Missing, .. })
                        if file == INDEX_FILE && kept.is_none() =>
                    {
                        return Err(Error::Refused {
                            what: format!(
                                "there is no gallery at {}: it has no {INDEX_FILE}",
                                self.client.url
                            ),
                            help: "check the address, in a browser for instance".to_owned(),
                        });
                    }
                    Err(error) => return Err(error),
                }
                continue;
            }
            match opening.decide(kept, since_1970().as_secs()).map_err(Error::pack(&at))? {
                Decision::Open(opened) => break *opened,
                Decision::FirstUse(key) => {
                    self.vouch(settings.trust.as_deref(), Some(key), [Some(key), None])?;
                    opening.vouch(key);
                }
                Decision::Again { wait } => self.client.wait(1, Some(wait)),
            }
        };
        let Checked { index, trust } = &opened.checked;
        self.vouch(settings.trust.as_deref(), None, [trust.key, trust.root])?;
        if let Some(kept) = kept.filter(|kept| kept.gallery != index.id) {
            return Err(Error::Refused {
                what: format!(
                    "{} holds gallery {:?}, not {:?}",
                    self.folder.display(),
                    kept.gallery,
                    index.id
                ),
                help: "choose another folder with --out".to_owned(),
            });
        }
        let now = Origin { url: self.client.url.clone(), trust: trust.clone() };
        // Even if nothing else comes, no older one is taken from now on.
        now.write(&self.folder)?;
        *origin = Some(now);
        Ok(opened)
    }

    /// Refuses a key that nobody vouches for, or `keys`, of which the first signs, if none has the fingerprint `asked`.
    fn vouch(
        &self,
        asked: Option<&str>,
        first_use: Option<PublicKey>,
        keys: [Option<PublicKey>; 2],
    ) -> Result<(), Error> {
        let digits =
            |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_lowercase();
        match (asked, first_use) {
            (Some("yes"), _) | (None, None) => Ok(()),
            (Some(asked), _) => {
                let found = keys[0].map_or("nobody".to_owned(), |key| format!("key {}", key.fingerprint()));
                let mut fingerprints = keys.iter().flatten().map(|key| digits(&key.fingerprint()));
                match fingerprints.any(|fingerprint| fingerprint == digits(asked)) {
                    true => Ok(()),
                    false => Err(Error::Refused {
                        what: format!(
                            "{} is signed by {found}, not {asked}",
                            without_password(&self.client.url)
                        ),
                        help: "ask its publisher for the right fingerprint".to_owned(),
                    }),
                }
            }
            (None, Some(key)) => {
                let fingerprint = key.fingerprint();
                let what = format!(
                    "{} is signed by key {fingerprint}, which nobody has vouched for",
                    self.client.url
                );
                if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
                    ask(&format!(
                        "{what}.\nIs this its publisher's fingerprint, and to be trusted from now on? [y/N] "
                    ));
                    let mut answer = String::new();
                    // What cannot be read is no yes.
                    let _ = std::io::stdin().read_line(&mut answer);
                    if matches!(answer.trim(), "y" | "Y" | "yes") {
                        return Ok(());
                    }
                }
                Err(Error::Refused {
                    what,
                    help: format!(
                        "compare it with what the publisher says, and pass --trust '{fingerprint}', or --public-key"
                    ),
                })
            }
        }
    }

    /// Fetches everything that is asked for, and brings the classes that were here `before` up to date.
    fn all(
        &self,
        index: &Index,
        settings: &FetchSettings,
        before: &[ClassEntry],
    ) -> Result<Vec<ClassEntry>, Error> {
        self.client.bar.set_length(index.learngene.size);
        self.client.bar.set_position(0);
        let classes = self.choose(index, settings, before)?;
        self.client.bar.inc_length(classes.iter().map(|class| class.file.size).sum());
        let mut jobs = vec![None];
        jobs.extend(classes.iter().map(Some));
        self.side_by_side(&jobs, |class| match class {
            None => self.file(&index.learngene, |bytes| index.read_learngene(bytes).map(drop)),
            Some(class) => self.file(&class.file, |bytes| index.read_pack(class, bytes).map(drop)),
        })?;
        Ok(classes)
    }

    /// The classes to have, with as few shards as it takes.
    fn choose(
        &self,
        index: &Index,
        settings: &FetchSettings,
        before: &[ClassEntry],
    ) -> Result<Vec<ClassEntry>, Error> {
        if settings.all_classes {
            let classes = Mutex::new(index.classes.clone());
            let add = |more| classes.lock().unwrap_or_else(PoisonError::into_inner).extend(more);
            let numbers: Vec<usize> = (0..index.shards.len()).collect();
            self.side_by_side(&numbers, |number| self.shard(index, *number).map(&add))?;
            if let Some(names) = &index.names {
                self.client.bar.inc_length(names.size);
                self.file(names, |bytes| index.read_names(bytes))?;
            }
            return Ok(classes.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        let mut shards = BTreeMap::new();
        let mut chosen: Vec<ClassEntry> = Vec::new();
        let mut names = None;
        for asked in &settings.classes {
            let mut found = self.by_id(index, &mut shards, asked)?;
            if found.is_none() {
                found = index.classes.iter().find(|class| class.name == *asked).cloned();
            }
            if let (None, Some(entry)) = (&found, &index.names) {
                let names = match &mut names {
                    Some(names) => names,
                    none => none.insert(self.file(entry, |bytes| index.read_names(bytes))?),
                };
                found = match names.iter().find(|(_, name)| name == asked) {
                    Some((id, _)) => self.by_id(index, &mut shards, id)?,
                    None => None,
                };
                if found.is_none() {
                    let (gallery, known) = (index.id.clone(), alike(names, asked));
                    return Err(Error::UnknownClass { asked: asked.clone(), gallery, known });
                }
            }
            chosen.push(found.map_or_else(|| class(index, asked).cloned(), Ok)?);
        }
        for class in before {
            // One that has left the gallery leaves this folder too.
            chosen.extend(self.by_id(index, &mut shards, &class.id)?);
        }
        let mut ids = BTreeSet::new();
        chosen.retain(|class| ids.insert(class.id.clone()));
        Ok(chosen)
    }

    /// The class of this id, which may take one shard.
    fn by_id(
        &self,
        index: &Index,
        shards: &mut BTreeMap<usize, Vec<ClassEntry>>,
        id: &str,
    ) -> Result<Option<ClassEntry>, Error> {
        if let Some(class) = index.class(id) {
            return Ok(Some(class.clone()));
        }
        let Some((number, _)) = index.shard(id).filter(|_| is_id(id)) else { return Ok(None) };
        let shard = match shards.entry(number) {
            Entry::Occupied(shard) => shard.into_mut(),
            Entry::Vacant(none) => none.insert(self.shard(index, number)?),
        };
        Ok(shard.iter().find(|class| class.id == id).cloned())
    }

    fn shard(&self, index: &Index, number: usize) -> Result<Vec<ClassEntry>, Error> {
        let Some(entry) = index.shards.get(number) else { return Ok(Vec::new()) };
        self.client.bar.inc_length(entry.size);
        self.file(entry, |bytes| index.read_shard(number, bytes))
    }

    /// `work` on every job, at most [`PARALLEL`] at once; the first error, if there is one.
    fn side_by_side<T: Sync>(
        &self,
        jobs: &[T],
        work: impl Fn(&T) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        self.client.stopped.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..PARALLEL.min(jobs.len()) {
                scope.spawn(|| {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if self.client.stopped.load(Ordering::Relaxed) {
                            return;
                        }
                        if let Err(error) = work(job) {
                            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                            self.client.stopped.store(true, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        self.client.stopped.store(false, Ordering::Relaxed);
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Returns what `read` makes of a file, once the file lies verified in the folder. Fetches it only when
    /// the folder lacks it or holds other bytes.
    fn file<T>(
        &self,
        entry: &FileEntry,
        read: impl Fn(&[u8]) -> tailor_packs::Result<T>,
    ) -> Result<T, Error> {
        let path = self.folder.join(&entry.path);
        if path.exists()
            && let Ok(value) = read(&read_limited(&path, entry.size)?)
        {
            self.kept.fetch_add(1, Ordering::Relaxed);
            self.client.bar.inc(entry.size);
            return Ok(value);
        }
        let mut part = Part::open(&path, entry)?;
        self.client.complete(&mut part)?;
        // Once more from the disk, as every later reader will find it.
        match read(&read_limited(&part.path, entry.size)?) {
            Ok(value) => {
                part.finish(&path)?;
                self.fetched.fetch_add(1, Ordering::Relaxed);
                Ok(value)
            }
            Err(source) => {
                part.remove()?;
                Err(Error::Pack {
                    path: format!("{}{}", without_password(&self.client.url), entry.path).into(),
                    source,
                })
            }
        }
    }
}

fn wants_new_index(error: &Error) -> bool {
    matches!(error, Error::Download { problem, .. } if problem.wants_new_index())
}
