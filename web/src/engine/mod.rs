//! The engine, which runs in a worker: downloads the files that an order needs, verifies them,
//! assembles a model and samples.
//!
//! ```text
//! worker    receives messages, and carries out one request at a time
//! session   the requests: open a gallery, drop a class, make images
//! index     downloads, checks and describes a gallery's index
//! gallery   an open gallery: gets its files, and makes a model of them
//! download  downloads files, chunk by chunk
//! store     keeps verified bytes on this device, by digest
//! opfs      the browser's own file system
//! stop      stops orders
//! hold      has orders wait while the page is hidden
//! own       packs of classes that were taught on this device
//! locks     locks that one worker holds at a time, over all tabs
//! teach     teaches a class of one's own; in the program `teacher` alone
//! host      the worker's global object, its clock, and messages to the page
//! device    computes: on the processor with a team of workers, or with WebGPU
//! ```
//!
//! A set is extended, not collected: collecting sorts first, and each kind of sorting adds 5 kB to the
//! download.
//!
//! Nothing uses a byte from the network or from the store before `tailor-packs` has checked it.

pub mod device;
pub mod download;
pub mod error;
pub mod gallery;
pub mod hold;
mod host;
pub mod index;
pub mod locks;
pub mod opfs;
pub mod own;
pub mod session;
pub mod stop;
pub mod store;
#[cfg(feature = "teacher")]
pub mod teach;
pub mod worker;

pub use error::EngineError;
