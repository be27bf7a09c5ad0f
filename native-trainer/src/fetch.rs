//! `tailor fetch`: a gallery, or some of its classes, from a server into a folder.
//!
//! ```text
//! index.json, index.json.minisig   as published, byte for byte; written last
//! letters-….learngene, a-….tailor  what was asked for, and the shards that it takes to know it
//! NAME.part                        a file on its way: chunk n begins at n MiB, and is verified
//! .tailor-fetch.json               where it is from, and who is trusted to sign it
//! ```
//!
//! What to ask for and what to think of the answer is decided in [`tailor_packs::download`], and whom to trust
//! in [`trust::check`], as in the browser. Here are only the connections, the threads and the files.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use tailor_packs::download::{
    Answer, Download, DownloadError, Failure, PARALLEL, Problem, Request, STALL, SmallDownload, Step, backoff,
};
use tailor_packs::index::{INDEX_FILE, SIGNATURE_FILE};
use tailor_packs::manifest::is_id;
use tailor_packs::{ClassEntry, FileEntry, Index, PackError, PublicKey, Trust, Verdict, limits, trust};
use ureq::http::{Uri, header};
use ureq::{Agent, ResponseExt};

use crate::cli::{FetchArgs, json, print};
use crate::error::Error;
use crate::files::{WriteError, create_folder, give_name, lock, write_atomic};
use crate::gallery::{Gallery, class, read_limited};
use crate::sign::{now, public_key};
use crate::train::leave;

/// What a folder remembers of the gallery that was fetched into it. Its presence says that classes may be
/// missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The gallery's address, with its last slash.
    pub url: String,
    /// Who is trusted to sign it.
    pub trust: Trust,
}

impl Origin {
    const FILE: &str = ".tailor-fetch.json";
    /// A gallery's id, its address and three keys are less.
    const LIMIT: u64 = 64 << 10;

    /// What the folder remembers, if anything was fetched into it.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Refused`] for a file that cannot be understood, rather than to trust anew.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(Self::FILE);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = read_limited(&path, Self::LIMIT)?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::Refused {
            what: format!("{}: {error}", path.display()),
            help: "remove it, and the gallery's key must be trusted anew".to_owned(),
        })
    }

    fn write(&self, folder: &Path) -> Result<(), Error> {
        Ok(write_atomic(&folder.join(Self::FILE), json(self).as_bytes())?)
    }
}

/// How long to wait for a server.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// What every wait before another attempt is multiplied by: 1, and next to nothing in tests.
    pub waits: f64,
    /// After how long without a byte a connection has stalled.
    pub stall: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { waits: 1.0, stall: STALL }
    }
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The folder, now a gallery.
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

/// Runs `tailor fetch`.
///
/// # Errors
/// As [`fetch`].
pub fn run(args: &FetchArgs) -> Result<(), Error> {
    let outcome = fetch(args, Pace::default())?;
    if args.json {
        return print(&json(&outcome));
    }
    let signed = outcome.key.as_ref().map_or("unsigned".to_owned(), |key| format!("signed by key {key}"));
    print(&format!(
        "{} version {}, {signed}: {} classes in {}; {} files came, {}, and {} were here\n",
        outcome.id,
        outcome.version,
        outcome.classes.len(),
        outcome.folder.display(),
        outcome.fetched,
        HumanBytes(outcome.bytes),
        outcome.kept,
    ))
}

/// Fetches what `args` ask for. The index is written last, so until then the folder is the gallery that it was.
///
/// # Errors
/// [`Error::Download`] for what a server does; [`Error::Pack`] for an index that is not to be trusted or a file
/// that is not what it should be; [`Error::UnknownClass`]; [`Error::Refused`] when nobody vouches for the
/// key, or the folder holds another gallery; anything wrong with the disk.
pub fn fetch(args: &FetchArgs, pace: Pace) -> Result<Outcome, Error> {
    let url = address(&args.url)?;
    let folder = args.out.clone().map_or_else(|| default_folder(&url), Ok)?;
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
    let agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects_will_error(false)
        .timeout_resolve(Some(pace.stall))
        .timeout_connect(Some(pace.stall))
        .timeout_per_read(Some(pace.stall))
        .timeout_per_write(Some(pace.stall))
        .build();
    let style = ProgressStyle::with_template("{bytes}/{total_bytes} {bar:30} {bytes_per_sec}, {eta} left");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let fetcher = Fetcher {
        agent: agent.into(),
        pace,
        url,
        folder,
        bar,
        stopped: AtomicBool::new(false),
        bytes: AtomicU64::new(0),
        fetched: AtomicUsize::new(0),
        kept: AtomicUsize::new(0),
    };
    let outcome = fetcher.run(args, origin).inspect_err(|_| leave(&fetcher.folder, fresh));
    fetcher.bar.finish_and_clear();
    outcome
}

/// Whether the folder holds nothing but hidden files, which is how no file of a gallery is called.
fn is_empty(folder: &Path) -> Result<bool, Error> {
    let mut entries = std::fs::read_dir(folder).map_err(Error::read(folder))?;
    Ok(!entries.any(|entry| entry.is_ok_and(|entry| !entry.file_name().to_string_lossy().starts_with('.'))))
}

/// The gallery's address with its last slash.
fn address(asked: &str) -> Result<String, Error> {
    let folder = asked.strip_suffix(INDEX_FILE).unwrap_or(asked);
    let web = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if asked.contains(['?', '#']) || !folder.parse().is_ok_and(|uri| web(&uri)) {
        return Err(Error::Refused {
            what: format!("{asked:?} is no address of a gallery"),
            help: "name the folder of its index.json, such as https://example.org/galleries/letters/"
                .to_owned(),
        });
    }
    Ok(if folder.ends_with('/') { folder.to_owned() } else { format!("{folder}/") })
}

/// The last part of the address, as of what `git clone` takes.
fn default_folder(url: &str) -> Result<PathBuf, Error> {
    let name = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match !name.is_empty() && !name.starts_with('.') && name.chars().all(plain) {
        true => Ok(name.into()),
        false => Err(Error::Refused {
            what: format!("{url} does not end in a name for a folder"),
            help: "name one with --out".to_owned(),
        }),
    }
}

/// An index that is trusted, as it came.
struct Published {
    json: Vec<u8>,
    minisig: Option<Vec<u8>>,
    index: Index,
    key: Option<PublicKey>,
}

struct Fetcher {
    agent: Agent,
    pace: Pace,
    url: String,
    folder: PathBuf,
    bar: ProgressBar,
    /// Set once one of several downloads has failed, so that the others end soon.
    stopped: AtomicBool,
    bytes: AtomicU64,
    fetched: AtomicUsize,
    kept: AtomicUsize,
}

impl Fetcher {
    fn run(&self, args: &FetchArgs, mut origin: Option<Origin>) -> Result<Outcome, Error> {
        // A folder that is not in order is put in order.
        let old = origin.as_ref().and_then(|_| Gallery::open(&self.folder).ok());
        let before = old.as_ref().map_or(&[][..], |gallery| &gallery.index.classes);
        let packs = before.iter().map(|class| &class.file);
        let mut replaced: Vec<_> =
            old.iter().flat_map(|old| old.published.files()).chain(packs).cloned().collect();
        let mut published = self.index(args, &mut origin)?;
        let classes = match self.all(&published.index, args, before) {
            Err(error @ Error::Download { .. }) if wants_new_index(&error) => {
                // Published anew meanwhile, perhaps.
                let newer = self.index(args, &mut origin)?;
                if newer.json == published.json {
                    return Err(error);
                }
                replaced.extend(published.index.files().cloned());
                published = newer;
                self.all(&published.index, args, before)?
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
        self.remove_replaced(&replaced, &published.index, &classes);
        Ok(Outcome {
            folder: self.folder.clone(),
            id: published.index.id,
            version: published.index.version,
            key: published.key.map(|key| key.id()),
            classes: classes.into_iter().map(|class| class.id).collect(),
            fetched: self.fetched.load(Ordering::Relaxed),
            kept: self.kept.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
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
    fn index(&self, args: &FetchArgs, origin: &mut Option<Origin>) -> Result<Published, Error> {
        let pinned = args.public_key.as_deref().map(public_key).transpose()?;
        let kept = origin.as_ref().map(|origin| &origin.trust);
        let at = PathBuf::from(format!("{}{INDEX_FILE}", self.url));
        let mut again = true;
        let (json, minisig, verdict) = loop {
            let json = self.small(INDEX_FILE, limits::INDEX)?;
            // A gallery that is not signed need not have a file that says so.
            let expected = pinned.is_some()
                || kept.is_some_and(|kept| kept.root.is_some())
                || Index::parse(&json).map_err(Error::pack(&at))?.key.is_some();
            let minisig = match expected.then(|| self.small(SIGNATURE_FILE, limits::SIGNATURE)) {
                Some(Err(Error::Download { problem: Problem::Missing | Problem::Forbidden(_), .. })) => None,
                minisig => minisig.transpose()?,
            };
            match trust::check(pinned.as_ref(), kept, &json, minisig.as_deref(), now()) {
                // Who came between the signature and the index while both were replaced, tries again.
                Err(PackError::SignatureInvalid { .. }) if again => {
                    again = false;
                    self.wait(1, None);
                }
                verdict => break (json, minisig, verdict.map_err(Error::pack(&at))?),
            }
        };
        let (first_use, checked) = match verdict {
            Verdict::FirstUse { key, checked } => (Some(key), checked),
            Verdict::Signed(checked) | Verdict::Unsigned(checked) => (None, checked),
        };
        self.vouch(args.trust.as_deref(), first_use, &checked.trust)?;
        if let Some(kept) = kept.filter(|kept| kept.gallery != checked.index.id) {
            return Err(Error::Refused {
                what: format!(
                    "{} holds gallery {:?}, not {:?}",
                    self.folder.display(),
                    kept.gallery,
                    checked.index.id
                ),
                help: "choose another folder with --out".to_owned(),
            });
        }
        let key = checked.trust.key;
        let now = Origin { url: self.url.clone(), trust: checked.trust };
        // Even if nothing else comes, no older one is taken from now on.
        now.write(&self.folder)?;
        *origin = Some(now);
        Ok(Published { json, minisig, index: checked.index, key })
    }

    /// Refuses a key that nobody vouches for, or another than the one of which `asked` is the fingerprint.
    fn vouch(&self, asked: Option<&str>, first_use: Option<PublicKey>, trust: &Trust) -> Result<(), Error> {
        let digits =
            |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_lowercase();
        match (asked, first_use) {
            (Some("yes"), _) | (None, None) => Ok(()),
            (Some(asked), _) => {
                let keys = [trust.key, trust.root].into_iter().flatten();
                let found = trust.key.map_or("nobody".to_owned(), |key| format!("key {}", key.fingerprint()));
                let mut fingerprints = keys.map(|key| digits(&key.fingerprint()));
                match fingerprints.any(|fingerprint| fingerprint == digits(asked)) {
                    true => Ok(()),
                    false => Err(Error::Refused {
                        what: format!("{} is signed by {found}, not {asked}", self.url),
                        help: "ask its publisher for the right fingerprint".to_owned(),
                    }),
                }
            }
            (None, Some(key)) => {
                let fingerprint = key.fingerprint();
                let what =
                    format!("{} is signed by key {fingerprint}, which nobody has vouched for", self.url);
                if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
                    eprint!(
                        "{what}.\nIs this its publisher's fingerprint, and to be trusted from now on? [y/N] "
                    );
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
    fn all(&self, index: &Index, args: &FetchArgs, before: &[ClassEntry]) -> Result<Vec<ClassEntry>, Error> {
        self.bar.set_length(index.learngene.size);
        self.bar.set_position(0);
        let classes = self.choose(index, args, before)?;
        self.bar.inc_length(classes.iter().map(|class| class.file.size).sum());
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
        args: &FetchArgs,
        before: &[ClassEntry],
    ) -> Result<Vec<ClassEntry>, Error> {
        if args.all_classes {
            let classes = Mutex::new(index.classes.clone());
            let add = |more| classes.lock().unwrap_or_else(PoisonError::into_inner).extend(more);
            let numbers: Vec<usize> = (0..index.shards.len()).collect();
            self.side_by_side(&numbers, |number| self.shard(index, *number).map(&add))?;
            if let Some(names) = &index.names {
                self.bar.inc_length(names.size);
                self.file(names, |bytes| index.read_names(bytes))?;
            }
            return Ok(classes.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        let mut shards = BTreeMap::new();
        let mut chosen: Vec<ClassEntry> = Vec::new();
        let mut names = None;
        for asked in &args.classes {
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
                    let (gallery, known) = (index.id.clone(), crate::gallery::alike(names, asked));
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
        self.bar.inc_length(entry.size);
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
        self.stopped.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..PARALLEL.min(jobs.len()) {
                scope.spawn(|| {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if self.stopped.load(Ordering::Relaxed) {
                            return;
                        }
                        if let Err(error) = work(job) {
                            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                            self.stopped.store(true, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        self.stopped.store(false, Ordering::Relaxed);
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Has the file in the folder under its own name, verified, and gives what `read` makes of it. Nothing is
    /// fetched that is here and right.
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
            self.bar.inc(entry.size);
            return Ok(value);
        }
        let mut part = Part::open(&path, entry)?;
        let held = part.held.clone();
        let download = Download::resume(entry, |n| held.get(n).copied().unwrap_or_default(), None);
        self.bar.inc(download.received());
        let mut into = IntoPart { download, part: &mut part, written: Ok(()) };
        if let Err(error) = self.drive(&entry.path, &mut into) {
            if part.file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
                // Of no use to the next attempt; who cannot remove it has an empty file more.
                let _ = std::fs::remove_file(&part.path);
            }
            return Err(error);
        }
        // Once more from the disk, as every later reader will find it.
        match read(&read_limited(&part.path, entry.size)?) {
            Ok(value) => {
                give_name(&part.file, &part.path, &path)?;
                self.fetched.fetch_add(1, Ordering::Relaxed);
                Ok(value)
            }
            Err(source) => {
                drop(part.file);
                std::fs::remove_file(&part.path).map_err(WriteError::at(&part.path))?;
                Err(Error::Pack { path: format!("{}{}", self.url, entry.path).into(), source })
            }
        }
    }

    /// The bytes of a file that no index vouches for.
    fn small(&self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let mut download = SmallDownload::new(name, limit);
        self.drive(name, &mut download)?;
        Ok(download.into_bytes())
    }

    /// Makes one request after the other until the file is there.
    fn drive(&self, name: &str, file: &mut dyn Incoming) -> Result<(), Error> {
        let url = format!("{}{name}", self.url);
        let mut cause = None;
        while let Some(request) = file.request() {
            let before = file.received();
            let step = self.exchange(&url, &request, file, &mut cause);
            file.written()?;
            match step {
                Ok(Step::Done) => return Ok(()),
                Ok(Step::Retry { attempt, at_least }) => self.wait(attempt, at_least),
                Ok(Step::Read | Step::Next) => {}
                Err(DownloadError { problem, .. }) => {
                    let connection =
                        matches!(problem, Problem::Unreachable | Problem::Broken | Problem::Stalled);
                    return Err(Error::Download { url, problem, cause: cause.filter(|_| connection) });
                }
            }
            // A part of a chunk that was of no use was counted too soon.
            self.bar.dec(before.saturating_sub(file.received()));
            if self.stopped.load(Ordering::Relaxed) {
                return Err(Error::Refused { what: format!("{url} was left"), help: String::new() });
            }
        }
        Ok(())
    }

    /// One request and its answer.
    fn exchange(
        &self,
        url: &str,
        request: &Request,
        file: &mut dyn Incoming,
        cause: &mut Option<String>,
    ) -> Result<Step, DownloadError> {
        let mut call = self.agent.get(url).header(header::ACCEPT_ENCODING, "identity");
        for (name, value) in [(header::RANGE, &request.range), (header::IF_RANGE, &request.if_range)] {
            call = value.iter().fold(call, |call, value| call.header(name.clone(), value));
        }
        if request.fresh {
            call = call.header(header::CACHE_CONTROL, "no-cache");
        }
        let mut failed = |file: &mut dyn Incoming, error: ureq::Error, otherwise| {
            *cause = Some(error.to_string());
            file.failed(match &error {
                ureq::Error::Timeout(_) => Failure::Stalled,
                ureq::Error::Io(error) if error.kind() == ErrorKind::TimedOut => Failure::Stalled,
                _ => otherwise,
            })
        };
        let mut response = match call.call() {
            Ok(response) => response,
            Err(error) => return failed(file, error, Failure::Unreachable),
        };
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let asked = url.parse::<Uri>().ok().and_then(|uri| server(&uri));
        let answered = server(response.get_uri());
        let elsewhere = (asked != answered).then(|| response.get_uri().to_string());
        let answer = Answer {
            status: response.status().as_u16(),
            content_range: text(header::CONTENT_RANGE),
            content_length: text(header::CONTENT_LENGTH),
            content_type: text(header::CONTENT_TYPE),
            content_encoding: text(header::CONTENT_ENCODING),
            etag: text(header::ETAG),
            retry_after: text(header::RETRY_AFTER),
            elsewhere: elsewhere.as_deref(),
            now: now(),
        };
        let step = file.answer(&answer)?;
        if step != Step::Read {
            return Ok(step);
        }
        let length_known = answer.content_length.is_some();
        let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match body.read(&mut buffer) {
                Ok(0) => return file.ended(),
                Ok(count) => {
                    self.bytes.fetch_add(count as u64, Ordering::Relaxed);
                    let before = file.received();
                    let step = file.bytes(&buffer[..count])?;
                    self.bar.inc(file.received().saturating_sub(before));
                    if step != Step::Read || self.stopped.load(Ordering::Relaxed) {
                        if length_known && step == Step::Done {
                            // Only who has seen its end can use a connection again.
                            let _ = body.read(&mut buffer);
                        }
                        return Ok(step);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return failed(file, error.into(), Failure::Broken),
            }
        }
    }

    fn wait(&self, attempt: u32, at_least: Option<Duration>) {
        // The keys of a new hasher are random: that is all that a jitter has to be.
        let jitter = RandomState::new().hash_one(attempt) as f64 / u64::MAX as f64;
        std::thread::sleep(backoff(attempt, at_least, jitter).mul_f64(self.pace.waits));
    }
}

fn wants_new_index(error: &Error) -> bool {
    matches!(error, Error::Download { problem, .. } if problem.wants_new_index())
}

/// Scheme, host and port.
fn server(uri: &Uri) -> Option<(String, String, u16)> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((scheme, uri.host()?.to_ascii_lowercase(), port))
}

/// A file on its way, with an index's word for it or without.
trait Incoming {
    fn request(&mut self) -> Option<Request>;
    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step, DownloadError>;
    fn bytes(&mut self, bytes: &[u8]) -> Result<Step, DownloadError>;
    fn ended(&mut self) -> Result<Step, DownloadError>;
    fn failed(&mut self, failure: Failure) -> Result<Step, DownloadError>;
    /// For the progress bar.
    fn received(&self) -> u64 {
        0
    }
    /// What is wrong with the disk.
    fn written(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl Incoming for SmallDownload {
    fn request(&mut self) -> Option<Request> {
        Some(Request { range: None, if_range: None, fresh: true })
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step, DownloadError> {
        self.answer(answer)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<Step, DownloadError> {
        self.bytes(bytes)
    }

    fn ended(&mut self) -> Result<Step, DownloadError> {
        self.ended()
    }

    fn failed(&mut self, failure: Failure) -> Result<Step, DownloadError> {
        self.failed(failure)
    }
}

/// A download, and where its chunks go.
struct IntoPart<'a> {
    download: Download,
    part: &'a mut Part,
    /// The first failure of the disk; after it nothing is kept.
    written: Result<(), WriteError>,
}

impl Incoming for IntoPart<'_> {
    fn request(&mut self) -> Option<Request> {
        self.download.request()
    }

    fn answer(&mut self, answer: &Answer<'_>) -> Result<Step, DownloadError> {
        self.download.answer(answer)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<Step, DownloadError> {
        let step = self.download.bytes(bytes, |number, chunk| {
            if self.written.is_ok() {
                self.written = self.part.keep(number, chunk);
            }
        })?;
        // With a disk that is full the rest need not come.
        Ok(if self.written.is_ok() { step } else { Step::Done })
    }

    fn ended(&mut self) -> Result<Step, DownloadError> {
        self.download.ended()
    }

    fn failed(&mut self, failure: Failure) -> Result<Step, DownloadError> {
        self.download.failed(failure)
    }

    fn received(&self) -> u64 {
        self.download.received()
    }

    fn written(&mut self) -> Result<(), Error> {
        Ok(std::mem::replace(&mut self.written, Ok(()))?)
    }
}

/// `NAME.part`: the chunks of a file that came so far, each where it belongs.
struct Part {
    file: File,
    path: PathBuf,
    entry: FileEntry,
    /// Which chunks are there and right.
    held: Vec<bool>,
}

impl Part {
    /// Opens the file beside `path`, and hashes what is in it already.
    fn open(path: &Path, entry: &FileEntry) -> Result<Self, Error> {
        const ENDING: &str = ".part";
        if entry.path.ends_with(ENDING) {
            // It could be mistaken for another file on its way.
            return Err(Error::Refused {
                what: format!("a file of the gallery is called {}", entry.path),
                help: "ask its publisher for another name".to_owned(),
            });
        }
        let mut name = path.as_os_str().to_owned();
        name.push(ENDING);
        let path = PathBuf::from(name);
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.map_err(WriteError::at(&path))?;
        let length = file.metadata().map_err(Error::read(&path))?.len();
        if length > entry.size {
            file.set_len(entry.size).map_err(WriteError::at(&path))?;
        }
        let mut part = Self { file, path, entry: entry.clone(), held: Vec::new() };
        let mut chunk = Vec::new();
        for number in 0..entry.chunks.len() {
            let range = entry.chunk_range(number);
            let there = range.end <= length;
            if there {
                chunk.resize((range.end - range.start) as usize, 0);
                let read = part
                    .file
                    .seek(SeekFrom::Start(range.start))
                    .and_then(|_| part.file.read_exact(&mut chunk));
                read.map_err(Error::read(&part.path))?;
            }
            part.held.push(there && entry.verify_chunk(number, &chunk).is_ok());
        }
        Ok(part)
    }

    fn keep(&mut self, number: usize, chunk: &[u8]) -> Result<(), WriteError> {
        let start = SeekFrom::Start(self.entry.chunk_range(number).start);
        let written = self.file.seek(start).and_then(|_| self.file.write_all(chunk));
        written.map_err(WriteError::at(&self.path))
    }
}
