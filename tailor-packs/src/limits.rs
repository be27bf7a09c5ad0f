//! The largest of everything. A reader checks each against the bytes it holds before it allocates.

/// A whole learngene file or tailor pack, in bytes.
pub const FILE: u64 = 512 << 20;
/// `manifest.postcard`, in bytes.
pub const MANIFEST: u64 = 64 << 10;
/// The header of `tensors.safetensors` with its length, in bytes.
pub const TENSOR_HEADER: u64 = 256 << 10;
/// `card.json`, in bytes.
pub const CARD: u64 = 256 << 10;
/// Keys and values of `card.json`, nested ones included.
pub const CARD_VALUES: u64 = 2048;
/// `preview.png`, in bytes.
pub const PREVIEW: u64 = 1 << 20;
/// Extensions of a manifest.
pub const EXTENSIONS: u64 = 32;
/// The value of an extension, in bytes. What is longer belongs in an entry.
pub const EXTENSION: u64 = 4 << 10;
/// Entries of a pack beside the fixed ones.
pub const FURTHER_ENTRIES: u64 = 16;
/// All of these together, in bytes.
pub const FURTHER: u64 = 16 << 20;
/// `index.json`, in bytes: some 2000 classes, and any number in shards.
pub const INDEX: u64 = 1 << 20;
/// `index.json.minisig`, in bytes.
pub const SIGNATURE: u64 = 4 << 10;
/// A shard of a gallery's classes, in bytes: one chunk, so that its digest is its chunk's.
pub const SHARD: u64 = CHUNK as u64;
/// Shards of a gallery.
pub const SHARDS: u64 = 1024;
/// The file with a gallery's class names, in bytes.
pub const NAMES: u64 = 8 << 20;
/// Patches of an image, which are the tokens of its transformer.
pub const TOKENS: u64 = 4096;
/// A chunk whose digest the index holds, in bytes; only a file's last chunk is shorter.
pub const CHUNK: usize = 1 << 20;
/// The id of a model, class or gallery, in bytes.
pub const ID: u64 = 64;
/// A name for people to read, in bytes.
pub const NAME: u64 = 200;
/// The name of a file in a gallery, in bytes.
pub const PATH: u64 = 160;
