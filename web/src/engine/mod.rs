//! The engine: downloads what is asked for, verifies it, assembles a model and samples.
//!
//! ```text
//! worker    messages in and out, one request at a time
//! session   what the page can ask for
//! index     a gallery's index: downloaded, checked, described
//! gallery   an open gallery: its files, and the model made of them
//! download  bytes from the network, chunk by chunk
//! store     verified bytes kept on this device, by digest
//! opfs      the browser's own file system
//! stop      how an order is stopped
//! locks     one worker at a time, over all tabs
//! host      what the browser gives a worker: its global object, its clock, the way to the page
//! device    what computes: the processor with a team of workers, or WebGPU
//! ```
//!
//! A set is extended, not collected: collecting sorts first, and each kind of sorting is 5 kB more to download.
//!
//! Bytes from the network and from the store alike pass `tailor-packs` before anything looks at them.

pub mod device;
pub mod download;
pub mod error;
pub mod gallery;
mod host;
pub mod index;
pub mod locks;
pub mod opfs;
pub mod session;
pub mod stop;
pub mod store;
pub mod worker;

pub use error::EngineError;
