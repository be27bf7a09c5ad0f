//! The largest size of each thing in a pack or gallery. A reader checks a size against these limits
//! and the bytes it holds before it allocates memory.

/// A whole learngene file or tailor pack, in bytes, for this program: [`BROWSER_FILE`] in WebAssembly,
/// else [`LOCAL_FILE`].
pub const FILE: u64 = if cfg!(target_family = "wasm") { BROWSER_FILE } else { LOCAL_FILE };
/// What a browser takes. The file, its weights as f32 and those that an engine has prepared share
/// 4 GiB of WebAssembly's memory, and a visitor's patience. DiT-B takes 260 MB in f16.
pub const BROWSER_FILE: u64 = 512 << 20;
/// What a machine of one's own takes, for models that their owner brings: 4,095 MiB, nearly all that
/// the 32-bit lengths of a ZIP archive can say. DiT-XL takes 1.4 GB in f16 and 2.7 GB in f32.
pub const LOCAL_FILE: u64 = 4095 << 20;
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
/// How many extensions a manifest may have.
pub const EXTENSIONS: u64 = 32;
/// The value of an extension, in bytes. What is longer belongs in an entry.
pub const EXTENSION: u64 = 4 << 10;
/// How many further entries a pack may have beside the four fixed ones.
pub const FURTHER_ENTRIES: u64 = 16;
/// All further entries of a pack together, in bytes.
pub const FURTHER: u64 = 16 << 20;
/// `index.json`, in bytes. This is room for some 2,000 classes; shards hold any further ones.
pub const INDEX: u64 = 1 << 20;
/// The version of an index: the largest whole number that every reader of JSON reads exactly.
pub const VERSION: u64 = 1 << 53;
/// The sampling steps that an index may recommend.
pub const SAMPLING_STEPS: u32 = 1000;
/// `index.json.minisig`, in bytes.
pub const SIGNATURE: u64 = 4 << 10;
/// A shard, which is a file with some of a large gallery's classes, in bytes. It is one chunk, so
/// the file and its chunk have the same digest.
pub const SHARD: u64 = CHUNK as u64;
/// How many shards a gallery may have.
pub const SHARDS: u64 = 1024;
/// The file with a gallery's class names, in bytes.
pub const NAMES: u64 = 8 << 20;
/// How many patches an image may have; each is one token of the transformer.
pub const TOKENS: u64 = 4096;
/// A chunk of a file, in bytes. The index holds a digest of each; only a file's last chunk is
/// shorter.
pub const CHUNK: usize = 1 << 20;
/// The id of a model, class or gallery, in bytes.
pub const ID: u64 = 64;
/// A name for people to read, in bytes.
pub const NAME: u64 = 200;
/// The name of a file in a gallery, in bytes.
pub const PATH: u64 = 160;
