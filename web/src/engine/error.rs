//! Every error that can stop the engine.

use crate::protocol::{Code, Failure, Remedy};
use tailor_core::{ModelError, UnknownSampler};
use tailor_packs::{DownloadError, PackError};

/// Why the engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file cannot be downloaded.
    #[error("{file} could not be downloaded: {problem}.", file = .0.file, problem = .0.problem)]
    Download(#[from] DownloadError),
    /// The address is not one of a folder on a web server.
    #[error("“{url}” is no address of a gallery: it must be a folder on a web server.")]
    Address {
        /// The address.
        url: String,
    },
    /// A file does not fit into memory.
    #[error(
        "The file {file} of {bytes} bytes does not fit into this browser's memory. Close other pages, then try again."
    )]
    Memory {
        /// The file's name.
        file: String,
        /// Its size.
        bytes: u64,
    },
    /// A file is not what the gallery's index promises.
    #[error("The file {file} is not what this gallery promises, so it was not used.")]
    Pack {
        /// The file's name.
        file: String,
        /// What is wrong with it.
        source: PackError,
    },
    /// The index cannot be trusted.
    #[error("The gallery was not opened: {source}.")]
    Index {
        /// What is wrong with it.
        source: PackError,
    },
    /// The gallery is signed by a key that nobody has vouched for on this device.
    #[error(
        "This gallery is signed. Ask its publisher whether the fingerprint of their key is {fingerprint}; \
         if it is, trust it, and this device accepts no other from then on."
    )]
    FirstUse {
        /// The key's fingerprint.
        fingerprint: String,
    },
    /// The gallery's model makes latents, which only an autoencoder turns into images.
    #[error(
        "This gallery's model makes latents of {channels} channels, and only an autoencoder, which this page does \
         not have, makes images of them. Draw with the command line: tailor sample --autoencoder."
    )]
    Latents {
        /// The model's channels.
        channels: u32,
    },
    /// The gallery does not have this class.
    #[error(
        "This gallery has no class “{class}”. Choose one that it shows. If somebody taught it on their own device, ask \
         them for its file, and drop it on this page."
    )]
    UnknownClass {
        /// The id asked for.
        class: String,
    },
    /// The gallery was made for a sampler that this version lacks.
    #[error("The gallery was made for another version of tailor.")]
    Sampler(#[from] UnknownSampler),
    /// The model cannot be assembled, or cannot make these images.
    #[error("The model cannot do this: {0}.")]
    Model(#[from] ModelError),
    /// A class cannot be taught.
    #[cfg(feature = "teacher")]
    #[error("The class cannot be taught: {reason}.")]
    Teaching {
        /// Why not.
        reason: String,
    },
    /// An order came before any gallery was opened.
    #[error("No gallery is open. Open one first.")]
    NoGallery,
    /// There is no GPU to compute on, or it was lost.
    #[error("The GPU cannot be used.")]
    Device {
        /// Burn's or the browser's words.
        reason: String,
    },
    /// The images could not be read back from the device.
    #[error("The images could not be read back.")]
    ReadBack {
        /// Burn's words.
        reason: String,
    },
    /// The images hold values that are NaN or infinite.
    #[error("The images hold values that are no numbers. Another seed or less guidance may help.")]
    NotFinite,
    /// The engine does not know the message.
    #[error("The engine was sent a message that it does not know.")]
    Message {
        /// The parser's words.
        reason: String,
    },
    /// The order was stopped.
    #[error("Stopped.")]
    Cancelled,
}

impl EngineError {
    /// Returns the error for the page, with its words and its one action.
    pub fn failure(&self) -> Failure {
        use EngineError as E;
        let (code, remedy) = match self {
            E::Download(error) => (Code::from(error.problem.name()), Remedy::Retry),
            E::Address { .. } => (Code::Address, Remedy::Choose),
            E::Memory { .. } => (Code::Memory, Remedy::Retry),
            E::Index { source: PackError::VersionTooNew { .. } } => (Code::VersionTooNew, Remedy::Reload),
            E::Index { source: PackError::IndexExpired { .. } } => (Code::IndexExpired, Remedy::Retry),
            E::Index { source: PackError::IndexRolledBack { .. } } => (Code::IndexRolledBack, Remedy::Retry),
            E::Index { source: PackError::SignatureMissing { .. } } => {
                (Code::SignatureMissing, Remedy::Retry)
            }
            E::Index { source: PackError::SignatureInvalid { .. } } => {
                (Code::SignatureInvalid, Remedy::Retry)
            }
            E::Index { source: PackError::WrongKey { .. } } => (Code::WrongKey, Remedy::Retry),
            E::Index { source: PackError::IndexReplaced { .. } } => (Code::IndexReplaced, Remedy::Retry),
            E::Index { source: PackError::OtherGallery { .. } } => (Code::OtherGallery, Remedy::Retry),
            E::Index { .. } => (Code::IndexRefused, Remedy::Retry),
            E::FirstUse { .. } => (Code::FirstUse, Remedy::Trust),
            E::Pack { source: PackError::VersionTooNew { .. }, .. } => (Code::VersionTooNew, Remedy::Reload),
            E::Pack { source: PackError::WrongLearngene { .. }, .. } => {
                (Code::WrongLearngene, Remedy::Reload)
            }
            E::Pack { source: PackError::DigestMismatch { .. }, .. } => (Code::DigestMismatch, Remedy::Retry),
            E::Pack { source: PackError::Truncated { .. }, .. } => (Code::Truncated, Remedy::Retry),
            E::Pack { .. } => (Code::PackRefused, Remedy::Retry),
            E::Latents { .. } => (Code::Latents, Remedy::Choose),
            E::UnknownClass { .. } => (Code::UnknownClass, Remedy::Choose),
            E::Sampler(_) => (Code::UnknownSampler, Remedy::Reload),
            E::Model(_) => (Code::Model, Remedy::Choose),
            #[cfg(feature = "teacher")]
            E::Teaching { .. } => (Code::Teaching, Remedy::Choose),
            E::NoGallery => (Code::NoGallery, Remedy::Reload),
            E::Device { .. } => (Code::Device, Remedy::UseCpu),
            E::ReadBack { .. } => (Code::ReadBack, Remedy::Retry),
            E::NotFinite => (Code::NotFinite, Remedy::Choose),
            E::Message { .. } => (Code::Message, Remedy::Reload),
            E::Cancelled => (Code::Cancelled, Remedy::Retry),
        };
        let detail = match self {
            E::Device { reason } | E::ReadBack { reason } | E::Message { reason } => reason.clone(),
            E::Pack { source, .. } => source.to_string(),
            E::Sampler(error) => error.to_string(),
            _ => String::new(),
        };
        let subject = match self {
            E::Download(error) => error.file.clone(),
            E::Memory { file, .. } | E::Pack { file, .. } => file.clone(),
            E::Address { url } => url.clone(),
            E::FirstUse { fingerprint } => fingerprint.clone(),
            E::Latents { channels } => channels.to_string(),
            E::UnknownClass { class } => class.clone(),
            _ => String::new(),
        };
        Failure { code, sentence: self.to_string(), detail, subject, remedy }
    }
}
