//! Small packs, and the means to forge bad ones whose checksums and digests are right.
#![allow(dead_code, unreachable_pub)]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use blake2::{Blake2b512, Digest as _};
use ed25519_dalek::{Signer as _, SigningKey};
use tailor_packs::archive::{CARD, MANIFEST, PREVIEW, TENSORS};
use tailor_packs::*;

pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot much of a picture";

/// The smallest model: its packs have a few kilobytes.
pub fn config() -> ModelConfig {
    ModelConfig {
        channels: 1,
        image_size: 2,
        patch_size: 1,
        width: 4,
        depth: 1,
        heads: 2,
        learngene_components: 2,
        tailor_components: 1,
        factored: FactoredSet::all_fused(),
        objective: Objective::Flow,
        gelu: Gelu::Exact,
        learned_variance: false,
        separate_attention: false,
        norm: Norm::Layer,
        qk_norm: false,
        rope: false,
        swiglu: false,
        clean_output: false,
        few_steps: false,
    }
}

/// Values that f16 holds exactly, so that a round trip is equal.
pub fn tensors(specs: &[TensorSpec]) -> Tensors {
    let mut tensors = Tensors::new();
    for (t, spec) in specs.iter().enumerate() {
        let values = (0..spec.len()).map(|i| ((i * 7 + t * 3) % 31) as f32 / 16.0 - 0.875).collect();
        tensors.insert(&spec.name, &spec.shape, values).unwrap();
    }
    tensors
}

pub fn card() -> Card {
    Card {
        title: "Test".into(),
        data: "none".into(),
        licence: "CC0-1.0".into(),
        authors: vec!["tailor".into()],
        tool: "tailor 0.1.0".into(),
        metrics: [("loss".to_owned(), 0.25.into()), ("judge".to_owned(), "a person".into())].into(),
        training: [("batch".to_owned(), 64.0.into())].into(),
        extra: [("note".to_owned(), serde_json::json!({"any": ["thing", 1]}))].into(),
    }
}

pub fn class() -> Class {
    Class { id: "a".into(), name: "A".into(), wordnet: Some("n02084071".into()) }
}

/// What a pack is written from, without a preview.
pub fn contents<'a>(config: &'a ModelConfig, tensors: &'a Tensors, card: &'a Card) -> Contents<'a> {
    Contents { steps: 9, ..Contents::new("test", config, tensors, card) }
}

pub fn write_learngene_of(config: &ModelConfig, preview: Option<&[u8]>) -> Vec<u8> {
    let (tensors, card) = (tensors(&config.learngene_tensors()), card());
    write_learngene(&Contents { preview, ..contents(config, &tensors, &card) }).unwrap()
}

pub fn learngene() -> Vec<u8> {
    write_learngene_of(&config(), None)
}

pub fn tailor() -> Vec<u8> {
    tailor_for(Digest::of(&learngene()))
}

pub fn tailor_for(learngene: Digest) -> Vec<u8> {
    let config = config();
    let (tensors, card) = (tensors(&config.tailor_tensors()), card());
    let contents =
        Contents { weights: Weights::Raw, preview: Some(PNG), ..contents(&config, &tensors, &card) };
    write_tailor(&contents, learngene, &class()).unwrap()
}

/// A tailor of format 2: its matrices in int8, an extension and an entry that nobody knows.
pub fn grown_tailor() -> Vec<u8> {
    let config = wide();
    let (tensors, card) = (tensors(&config.tailor_tensors()), card());
    let extensions = [Extension { name: "x-note".into(), value: b"anything".into() }];
    let further = [Further { name: "x-run.bin", bytes: b"a recorded run" }];
    let contents = Contents {
        preview: Some(PNG),
        storage: Storage::Int8,
        extensions: &extensions,
        further: &further,
        ..contents(&config, &tensors, &card)
    };
    write_tailor(&contents, Digest::of(b"a learngene"), &class()).unwrap()
}

/// A small model whose matrices are smaller in int8.
pub fn wide() -> ModelConfig {
    ModelConfig { width: 8, factored: "o".parse().unwrap(), ..config() }
}

/// A pack taken apart, to be put together wrongly.
#[derive(Clone)]
pub struct Forge {
    pub manifest: Manifest,
    pub tensors: Vec<u8>,
    pub card: Vec<u8>,
    pub preview: Option<Vec<u8>>,
    pub further: Vec<(String, Vec<u8>)>,
}

impl Forge {
    pub fn of(bytes: &[u8]) -> Self {
        let manifest = read_any(bytes).unwrap().manifest().clone();
        let archive = archive::read(bytes).unwrap();
        let entry = |name| archive.get(name).map(<[u8]>::to_vec);
        let further = pack::further(bytes).unwrap();
        Self {
            manifest,
            tensors: entry(TENSORS).unwrap(),
            card: entry(CARD).unwrap(),
            preview: entry(PREVIEW),
            further: further.iter().map(|f| (f.name.to_owned(), f.bytes.to_vec())).collect(),
        }
    }

    /// The pack, with lengths, digests and checksums that fit.
    pub fn bytes(mut self) -> Vec<u8> {
        self.describe();
        let manifest = self.manifest.to_bytes().unwrap();
        self.with_manifest(&manifest)
    }

    /// Makes the manifest's lengths and digests fit.
    pub fn describe(&mut self) {
        for entry in self.manifest.entries.iter_mut().chain(&mut self.manifest.further) {
            let bytes = match entry.name.as_str() {
                TENSORS => &self.tensors,
                CARD => &self.card,
                PREVIEW => self.preview.as_ref().unwrap(),
                name => self.further.iter().find(|(further, _)| further == name).map(|(_, b)| b).unwrap(),
            };
            *entry = describe(&entry.name, bytes);
        }
    }

    /// The pack with these bytes as its manifest.
    pub fn with_manifest(&self, manifest: &[u8]) -> Vec<u8> {
        archive::write(&self.entries(manifest)).unwrap()
    }

    fn entries<'a>(&'a self, manifest: &'a [u8]) -> Vec<(&'a str, &'a [u8])> {
        let mut entries = vec![(MANIFEST, manifest), (TENSORS, &self.tensors), (CARD, &self.card)];
        entries.extend(self.preview.as_ref().map(|preview| (PREVIEW, preview.as_slice())));
        entries.extend(self.further.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
        entries
    }
}

/// A name, whether who does not know it must refuse the pack, and bytes.
pub type Named<'a> = (&'a str, bool, &'a [u8]);

/// The bytes of a manifest in format 2, whatever they say: that of format 1, these entries and these extensions.
pub fn spell_2(manifest: &Manifest, further: &[(bool, Entry)], extensions: &[Named<'_>]) -> Vec<u8> {
    let first = postcard::to_allocvec(&Manifest { format: 1, ..manifest.clone() }).unwrap();
    let second = postcard::to_allocvec(&(further, extensions)).unwrap();
    let bare = [&[2], &first[1..], &second].concat();
    let align = vec![0u8; (8 - (bare.len() + 1) % 8) % 8];
    [bare, postcard::to_allocvec(&align).unwrap()].concat()
}

/// A pack of format 1 with these extensions and entries beside its own, as somebody else might write it.
pub fn grow(pack: &[u8], extensions: &[Named<'_>], further: &[Named<'_>]) -> Vec<u8> {
    let entry = |(name, required, bytes): &Named<'_>| (*required, describe(name, bytes));
    let named: Vec<_> = further.iter().map(entry).collect();
    grow_as(&Forge::of(pack), &named, extensions, further)
}

/// The same with another list of the entries in the manifest.
pub fn grow_as(
    forge: &Forge,
    named: &[(bool, Entry)],
    extensions: &[Named<'_>],
    further: &[Named<'_>],
) -> Vec<u8> {
    let mut forge = forge.clone();
    forge.describe();
    let manifest = spell_2(&forge.manifest, named, extensions);
    let mut entries = forge.entries(&manifest);
    entries.extend(further.iter().map(|(name, _, bytes)| (*name, *bytes)));
    archive::write(&entries).unwrap()
}

/// An entry as a manifest has it.
pub fn describe(name: &str, bytes: &[u8]) -> Entry {
    Entry { name: name.into(), len: bytes.len() as u64, sha256: Digest::of(bytes) }
}

/// What a pack was written from.
pub fn rewrite(bytes: &[u8]) -> Vec<u8> {
    let further = pack::further(bytes).unwrap();
    let write = |manifest: &Manifest, tensors: &Tensors, card: &Card, preview: &Option<Vec<u8>>| {
        let contents = Contents {
            weights: manifest.weights,
            steps: manifest.steps,
            preview: preview.as_deref(),
            storage: manifest.storage(),
            extensions: &manifest.extensions,
            further: &further,
            ..Contents::new(&manifest.model, &manifest.config, tensors, card)
        };
        match &manifest.kind {
            Kind::Learngene => write_learngene(&contents).unwrap(),
            Kind::Tailor { learngene, class } => write_tailor(&contents, *learngene, class).unwrap(),
        }
    };
    match read_any(bytes).unwrap() {
        Pack::Learngene(l) => write(&l.manifest, &l.tensors, &l.card, &l.preview),
        Pack::Tailor(t) => write(&t.manifest, &t.tensors, &t.card, &t.preview),
    }
}

/// The index of a gallery with one class.
pub fn index() -> Index {
    let config = config();
    let sampling = Sampling { sampler: "euler".into(), steps: 20, guidance: 1.5 };
    let learngene = FileEntry::of("test-1.learngene", &learngene());
    Index {
        version: 3,
        expires: Some(2_000_000_000),
        classes: vec![ClassEntry::new(&class(), FileEntry::of("a-1.tailor", &tailor()))],
        ..Index::new("test", "Test", &config, sampling, learngene).unwrap()
    }
}

/// Somebody who signs galleries, with a key that is the same each time.
pub struct Publisher {
    pub id: [u8; 8],
    pub key: SigningKey,
}

pub fn publisher() -> Publisher {
    Publisher { id: *b"\x01tailor\x01", key: SigningKey::from_bytes(&[1; 32]) }
}

pub fn another_publisher() -> Publisher {
    Publisher { id: *b"\x02tailor\x02", key: SigningKey::from_bytes(&[2; 32]) }
}

impl Publisher {
    pub fn public(&self) -> PublicKey {
        key_line(b"Ed", &self.id, self.key.verifying_key().as_bytes()).parse().unwrap()
    }

    /// The signature file over `json`, as `minisign` writes it.
    pub fn sign(&self, json: &[u8]) -> Vec<u8> {
        self.sign_as(json, signature::COMMENTS[0], "version 3")
    }

    pub fn sign_as(&self, json: &[u8], untrusted: &str, trusted: &str) -> Vec<u8> {
        let signature = self.key.sign(&Blake2b512::digest(json)).to_bytes();
        let global = self.key.sign(&[&signature[..], trusted.as_bytes()].concat()).to_bytes();
        minisig(untrusted, b"ED", &self.id, &signature, trusted, &global)
    }
}

/// A signature file of these parts.
pub fn minisig(
    untrusted: &str,
    kind: &[u8; 2],
    id: &[u8; 8],
    signature: &[u8; 64],
    trusted: &str,
    global: &[u8; 64],
) -> Vec<u8> {
    let first = STANDARD.encode([&kind[..], id, signature].concat());
    let last = STANDARD.encode(global);
    format!("untrusted comment: {untrusted}\n{first}\ntrusted comment: {trusted}\n{last}\n").into_bytes()
}

/// A key's line of base64.
pub fn key_line(kind: &[u8; 2], id: &[u8; 8], key: &[u8; 32]) -> String {
    STANDARD.encode([&kind[..], id, key].concat())
}
