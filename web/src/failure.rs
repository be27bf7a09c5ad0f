//! What can go wrong, in words, with a code for programs and one action that may help.

use serde::{Deserialize, Serialize};

/// An error in words, with one action that may help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's name, for programs.
    pub code: Code,
    /// What happened, for people.
    pub sentence: String,
    /// The cause in the words of the library or browser; may be empty.
    pub detail: String,
    /// What the failure is about, such as a file's name; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// What the visitor can do.
    pub remedy: Remedy,
}

impl Failure {
    /// Makes a failure without details.
    pub fn new(code: Code, sentence: impl Into<String>, remedy: Remedy) -> Self {
        Self { code, sentence: sentence.into(), detail: String::new(), subject: String::new(), remedy }
    }
}

/// Writes the codes and their names once, for both directions.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal,)*) => {
        /// The kind of a failure. Its name stays the same, since tests and other programs look for
        /// it.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum Code {
            $($(#[$doc])* $code,)*
            /// A code of another version of the engine, as it names it.
            Other(String),
        }

        impl Code {
            /// Every code that this version knows.
            pub const KNOWN: &[Code] = &[$(Code::$code,)*];

            /// Returns the name that is sent, and that `data-code` shows.
            pub fn name(&self) -> &str {
                match self {
                    $(Code::$code => $name,)*
                    Code::Other(name) => name,
                }
            }
        }

        impl From<&str> for Code {
            fn from(name: &str) -> Self {
                match name {
                    $($name => Code::$code,)*
                    other => Code::Other(other.to_owned()),
                }
            }
        }
    };
}

codes! {
    /// The address is no folder on a web server.
    Address = "address",
    /// The file does not fit into memory.
    Memory = "memory",
    /// The server does not have the file.
    Missing = "missing",
    /// The server does not give the file out.
    Forbidden = "forbidden",
    /// The server answered with a status that has no code of its own here.
    Status = "status",
    /// The server was overloaded or out of order at every attempt.
    Busy = "busy",
    /// The server asks for a longer wait than the engine grants.
    Later = "later",
    /// A web page came instead of the file.
    WebPage = "web-page",
    /// The server sent the reader on to another site.
    Elsewhere = "elsewhere",
    /// The file came compressed in a way that was not asked for.
    Encoded = "encoded",
    /// The file has another length than the index says.
    WrongLength = "wrong-length",
    /// The file arrived damaged at every attempt.
    Damaged = "damaged",
    /// No answer came, or none that the browser lets this page read.
    Unreachable = "unreachable",
    /// The server stopped sending at every attempt.
    Stalled = "stalled",
    /// The connection broke at every attempt.
    Broken = "broken",
    /// The file is larger than such a file may be.
    TooLarge = "too-large",
    /// The gallery or file is of a newer version than this program.
    VersionTooNew = "version-too-new",
    /// The index has expired.
    IndexExpired = "index-expired",
    /// The index is older than one that was seen.
    IndexRolledBack = "index-rolled-back",
    /// The gallery was signed before and is no longer.
    SignatureMissing = "signature-missing",
    /// The signature does not fit the index.
    SignatureInvalid = "signature-invalid",
    /// The gallery is signed by another key than the trusted one.
    WrongKey = "wrong-key",
    /// The index has the version of an earlier one, but other content.
    IndexReplaced = "index-replaced",
    /// There is another gallery at this address than before.
    OtherGallery = "other-gallery",
    /// The index cannot be used for another reason.
    IndexRefused = "index-refused",
    /// The gallery is signed by a key that nobody has vouched for yet.
    FirstUse = "first-use",
    /// The pack belongs to another learngene.
    WrongLearngene = "wrong-learngene",
    /// The file's bytes are not those that the index promises.
    DigestMismatch = "digest-mismatch",
    /// The file ends early.
    Truncated = "truncated",
    /// The file cannot be used for another reason.
    PackRefused = "pack-refused",
    /// The gallery's model makes latents, which no browser turns into images.
    Latents = "latents",
    /// The gallery has no such class.
    UnknownClass = "unknown-class",
    /// The gallery wants a sampler that this version lacks.
    UnknownSampler = "unknown-sampler",
    /// The model cannot make these images.
    Model = "model",
    /// The class cannot be taught.
    Teaching = "teaching",
    /// No gallery is open.
    NoGallery = "no-gallery",
    /// The GPU cannot be used.
    Device = "device",
    /// The images could not be read back from the device.
    ReadBack = "read-back",
    /// The images hold values that are NaN or infinite.
    NotFinite = "not-finite",
    /// The receiver does not know the message.
    Message = "message",
    /// The order was stopped.
    Cancelled = "cancelled",
    /// The engine stopped unexpectedly.
    Panic = "panic",
    /// The engine did not load, or broke down.
    Engine = "engine",
    /// The browser does not let the page start a worker.
    Worker = "worker",
    /// The browser has no WebAssembly SIMD.
    Simd = "simd",
}

impl From<String> for Code {
    fn from(name: String) -> Self {
        Self::from(&*name)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.name().to_owned()
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a visitor can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remedy {
    /// Do the same again.
    Retry,
    /// Load the page again.
    Reload,
    /// Go on with the CPU engine.
    UseCpu,
    /// Choose another class or setting; nothing else helps.
    Choose,
    /// Trust the key that is shown, from now on.
    Trust,
}
