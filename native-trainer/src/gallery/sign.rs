//! Keys, and galleries signed with them: what `minisign` makes and checks.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use minisign::{KeyPair, SecretKey, SecretKeyBox};
use tailor_packs::index::{INDEX_FILE, INDEX_VERSION, SIGNATURE_FILE};
use tailor_packs::{Index, NewFile, PublicKey, limits, signature};

use crate::error::Error;
use crate::settings::gallery::SigningSettings;
use crate::system::clock::since_1970;
use crate::system::files::{WriteError, lock, read_limited, write_atomic};

/// Classes up to which an index holds all of them: some 60 kB.
const UNSHARDED: usize = 200;
/// Classes that the index of a larger gallery holds itself: what a page shows before anybody searches.
const SHOWN_FIRST: usize = 48;

/// Where a password comes from when nobody is there to be asked.
const PASSWORD: &str = "TAILOR_KEY_PASSWORD";

/// A key that was made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The file of the secret key, to be kept to oneself.
    pub secret: PathBuf,
    /// The file of the public key.
    pub public: PathBuf,
    /// The public key.
    pub key: PublicKey,
}

/// Makes a key: a new secret key in `NAME.key` and its public key in `NAME.pub`, where neither is yet. The secret
/// one is encrypted with a password unless it is to be `open`.
///
/// # Errors
/// A file that is there, a password that cannot be had, or anything wrong with the disk.
pub fn keygen(name: &Path, open: bool) -> Result<NewKey, Error> {
    let with_ending = |ending: &str| {
        let mut path = name.to_owned().into_os_string();
        path.push(ending);
        PathBuf::from(path)
    };
    let (secret_path, public_path) = (with_ending(".key"), with_ending(".pub"));
    for path in [&secret_path, &public_path] {
        if path.exists() {
            return Err(Error::Refused {
                what: format!("{} is there already", path.display()),
                help: "choose another name: a key that is lost cannot be made again".to_owned(),
            });
        }
    }
    let failed = |error: minisign::PError| Error::Refused {
        what: format!("no key could be made: {error}"),
        help: String::new(),
    };
    let pair = match open {
        true => KeyPair::generate_unencrypted_keypair(),
        false => KeyPair::generate_encrypted_keypair(Some(password("new password: ", true)?)),
    };
    let pair = pair.map_err(failed)?;
    let secret = pair.sk.to_box(None).map_err(failed)?.into_string();
    let public = pair.pk.to_box().map_err(failed)?.into_string();
    write_secret(&secret_path, &secret)?;
    write_atomic(&public_path, public.as_bytes())?;
    let key = parse(&public_path, &public)?;
    Ok(NewKey { secret: secret_path, public: public_path, key })
}

/// Only its owner may read a secret key, from the first byte on.
fn write_secret(path: &Path, text: &str) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(WriteError::at(path))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    Ok(written.map_err(|source| {
        // Half a key would keep its name from a whole one.
        let _ = std::fs::remove_file(path);
        WriteError { path: path.to_owned(), source }
    })?)
}

/// The password: from the environment, or from whoever sits at the terminal, twice for a new one.
fn password(prompt: &str, new: bool) -> Result<String, Error> {
    let refused = |what: String| Error::Refused { what, help: format!("set {PASSWORD}, or use a terminal") };
    let empty = || Error::Refused {
        what: "the password is empty".to_owned(),
        help: "choose another, or leave the key open with --no-password".to_owned(),
    };
    if let Ok(password) = std::env::var(PASSWORD) {
        return if new && password.is_empty() { Err(empty()) } else { Ok(password) };
    }
    if !std::io::stdin().is_terminal() {
        return Err(refused("nobody can be asked for the key's password".to_owned()));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map_err(|e| refused(format!("no password was read: {e}")))
    };
    let first = ask(prompt)?;
    if new && first.is_empty() {
        return Err(empty());
    }
    if new && ask("the same again: ")? != first {
        return Err(refused("the two passwords differ".to_owned()));
    }
    Ok(first)
}

/// A public key: the line that begins with `RW`, or the path of a `.pub` file.
///
/// # Errors
/// [`Error::Read`], or [`Error::Refused`] for a file that holds none. What it holds instead is not shown: it
/// may be secret.
pub fn public_key(asked: impl AsRef<OsStr>) -> Result<PublicKey, Error> {
    let asked = asked.as_ref();
    if let Some(key) = asked.to_str().and_then(|text| text.parse().ok()) {
        return Ok(key);
    }
    let path = Path::new(asked);
    let bytes = read_limited(path, limits::SIGNATURE)?;
    let text = String::from_utf8_lossy(&bytes);
    text.parse().map_err(|_| {
        // Two letters of the algorithm, two of the password's hash and two of the checksum's, in base 64.
        let mut lines = text.lines().map(str::trim_start);
        let is_secret = lines.any(|line| line.starts_with("RWRTY0Iy") || line.starts_with("RWQAAEIy"));
        let what = if is_secret { "is a secret key" } else { "holds no public key" };
        Error::Refused {
            what: format!("{} {what}", path.display()),
            help: "name the .pub file, or the line in it that begins with RW".to_owned(),
        }
    })
}

fn parse(path: &Path, text: &str) -> Result<PublicKey, Error> {
    text.parse().map_err(Error::pack(path))
}

/// Whoever signs a gallery.
pub struct Signer {
    secret: SecretKey,
    public: PublicKey,
}

impl Signer {
    /// Opens a secret key's file.
    fn open(path: &Path) -> Result<Self, Error> {
        let refused = |reason: String| Error::Refused {
            what: format!("{}: {reason}", path.display()),
            help: "name the .key file that `tailor keygen` or `minisign -G` wrote, and give its password"
                .to_owned(),
        };
        let text = read_limited(path, limits::SIGNATURE)?;
        let text = String::from_utf8(text).map_err(|_| refused("no secret key".to_owned()))?;
        let boxed = || SecretKeyBox::from_string(&text).map_err(|e| refused(e.to_string()));
        let secret = match boxed()?.into_unencrypted_secret_key() {
            Ok(secret) => secret,
            Err(_) => {
                let password = password(&format!("password of {}: ", path.display()), false)?;
                boxed()?.into_secret_key(Some(password)).map_err(|e| refused(e.to_string()))?
            }
        };
        let public = minisign::PublicKey::from_secret_key(&secret).map_err(|e| refused(e.to_string()))?;
        let public = public.to_base64().parse().map_err(Error::pack(path))?;
        Ok(Self { secret, public })
    }

    /// The signature file for an index.
    fn sign(&self, index: &Index, json: &[u8]) -> Result<String, Error> {
        let comment =
            format!("gallery:{} version:{} timestamp:{}", index.id, index.version, since_1970().as_secs());
        let signed = minisign::sign(None, &self.secret, json, Some(&comment), Some(signature::COMMENTS[1]));
        let signed = signed.map_err(|e| Error::Refused {
            what: format!("the index could not be signed: {e}"),
            help: String::new(),
        })?;
        Ok(signed.into_string())
    }
}

/// How a gallery's index is to be written: signed or not. Made before anything else, so that a wrong password
/// costs no work. For as long as it lives no other program writes the index.
pub struct Signing {
    _lock: File,
    signer: Option<Signer>,
    next_key: Option<PublicKey>,
    expires: Option<u64>,
}

impl Signing {
    /// What the settings say, for the gallery in `folder`.
    ///
    /// # Errors
    /// [`Error::Lock`] when another program is changing the gallery; a key that cannot be used; [`Error::Refused`]
    /// when a signed gallery would lose its signature.
    pub fn new(settings: &SigningSettings, folder: &Path) -> Result<Self, Error> {
        let lock = lock(folder, "changing the gallery")?;
        if settings.key.is_none() && folder.join(SIGNATURE_FILE).exists() {
            return Err(Error::Refused {
                what: format!("{} is signed, and its readers refuse it without", folder.display()),
                help: format!("pass --key; or remove {SIGNATURE_FILE}, and readers must trust it anew"),
            });
        }
        let signer = settings.key.as_deref().map(Signer::open).transpose()?;
        let next_key = settings.next_key.as_ref().map(public_key).transpose()?;
        let expires =
            settings.expires_in.map(|days| since_1970().as_secs().saturating_add(86_400 * u64::from(days)));
        Ok(Self { _lock: lock, signer, next_key, expires })
    }

    /// Refuses to write `index` anew, in the gallery in `folder`, when its readers would refuse it: signed with a key
    /// that neither signed it before nor was named as the next one, or expired when no other time is asked for.
    ///
    /// # Errors
    /// [`Error::Refused`] with what to do.
    pub fn check(&self, folder: &Path, index: &Index) -> Result<(), Error> {
        let trusted = [index.key, index.next_key];
        if let Some(signer) = self.signer.as_ref().filter(|_| folder.join(SIGNATURE_FILE).exists())
            && !trusted.contains(&Some(signer.public))
        {
            return Err(Error::Refused {
                what: format!(
                    "{} is signed with another key, and its readers would refuse this one",
                    folder.display()
                ),
                help: format!(
                    "sign with the other key and name this one with --next-key; or remove {SIGNATURE_FILE}, and \
                     readers must trust it anew"
                ),
            });
        }
        let expires = self.expires.or(index.expires);
        if expires.is_none_or(|expires| expires >= since_1970().as_secs()) {
            return Ok(());
        }
        Err(Error::Refused {
            what: format!("the index in {} has expired, and readers would refuse it", folder.display()),
            help: "say with --expires-in how many days the new one holds".to_owned(),
        })
    }

    /// Writes the index, which holds every class, to the gallery in `folder`, and its signature just before.
    /// Between the two a reader finds a signature that does not fit and tries again. Of a large gallery most
    /// classes go to shards, which are written first.
    ///
    /// # Errors
    /// [`Error::Pack`] for an index that no reader would take, [`Error::Write`] names the file.
    pub fn write(&self, folder: &Path, index: &mut Index) -> Result<(), Error> {
        self.complete(index);
        let whole = index.clone();
        let (published, files) = match index.classes.len() {
            0..=UNSHARDED => (whole, Vec::new()),
            _ => whole.sharded(SHOWN_FIRST).map_err(Error::pack(&folder.join(INDEX_FILE)))?,
        };
        self.save(folder, &published, &files)
    }

    /// Writes an index as it was published, whose shards are there, and its signature just before.
    ///
    /// # Errors
    /// As [`Signing::write`].
    pub fn write_again(&self, folder: &Path, published: &mut Index) -> Result<(), Error> {
        self.complete(published);
        self.save(folder, published, &[])
    }

    /// Says in the index who signs it, and how long it holds.
    fn complete(&self, index: &mut Index) {
        // One that was read in an older format gets what only the newest has.
        index.format = INDEX_VERSION;
        index.key = self.signer.as_ref().map(|signer| signer.public);
        // What is not asked for anew stays; the key that signs now is no longer the next one.
        index.next_key = self.next_key.or(index.next_key).filter(|next| Some(*next) != index.key);
        index.expires = self.expires.or(index.expires);
    }

    fn save(&self, folder: &Path, published: &Index, files: &[NewFile]) -> Result<(), Error> {
        let path = folder.join(INDEX_FILE);
        let json = published.to_json().map_err(Error::pack(&path))?;
        // Named by their content: those of the index that is there now stay for its readers.
        for file in files {
            write_atomic(&folder.join(&file.entry.path), &file.bytes)?;
        }
        if let Some(signer) = &self.signer {
            let signature = signer.sign(published, &json)?;
            // What a reader would refuse is not published.
            signer.public.verify(&json, signature.as_bytes()).map_err(Error::pack(&path))?;
            write_atomic(&folder.join(SIGNATURE_FILE), signature.as_bytes())?;
        }
        Ok(write_atomic(&path, &json)?)
    }
}
