//! How much memory reading takes, at most, counted by the allocator itself.
//!
//! The one file of this crate with unsafe code: an allocator cannot be written without.
#![allow(unsafe_code, clippy::unwrap_used)]

#[path = "support/attacks.rs"]
mod attacks;
#[path = "support/mutants.rs"]
mod mutants;
mod support;
#[path = "support/zip.rs"]
mod zip;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use support::*;
use tailor_packs::*;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

impl Counting {
    fn more(bytes: usize) {
        PEAK.fetch_max(NOW.fetch_add(bytes, Relaxed) + bytes, Relaxed);
    }
}

// Safety: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::more(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::more(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both at once, as when the old block cannot grow.
        Self::more(size);
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One measurement at a time: the counter is everybody's.
static ALONE: Mutex<()> = Mutex::new(());

/// The result, and the most bytes that were allocated at any moment on the way to it.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = work();
    (result, PEAK.load(Relaxed).saturating_sub(before))
}

/// What a refused file may take: 1 MiB and the largest manifest.
const REFUSED: usize = (1 << 20) + limits::MANIFEST as usize;

/// The most that a refused file took so far.
static WORST: AtomicUsize = AtomicUsize::new(0);

fn refused<T: std::fmt::Debug>(what: &str, read: impl Fn() -> Result<T>) {
    let (result, bytes) = peak(|| read().map(drop));
    WORST.fetch_max(bytes, Relaxed);
    assert!(result.is_err(), "{what} was accepted");
    assert!(bytes <= REFUSED, "{what}: {bytes} bytes for {}", result.unwrap_err());
}

/// A learngene of this preset with values that need no thought.
fn large(name: &str, tailor: bool, storage: Storage<'_>) -> Vec<u8> {
    let config = ModelConfig::preset(name).unwrap();
    let specs = if tailor { config.tailor_tensors() } else { config.learngene_tensors() };
    let mut all = Tensors::new();
    for spec in specs {
        all.insert(&spec.name, &spec.shape, vec![0.5; spec.len()]).unwrap();
    }
    let card = card();
    let contents = Contents { storage, ..contents(&config, &all, &card) };
    match tailor {
        true => write_tailor(&contents, Digest::of(b""), &class()).unwrap(),
        false => write_learngene(&contents).unwrap(),
    }
}

#[test]
fn an_accepted_file_takes_its_tensors_and_little_more() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let mut rows = Vec::new();
    let usual = [("letters", false), ("letters", true), ("dit-b-2", true), ("dit-b-2", false)];
    let usual = usual.map(|(name, tailor)| (name, tailor, Storage::Usual));
    let int8 = [("letters", true, Storage::Int8), ("dit-b-2", false, Storage::Int8)];
    for (name, tailor, storage) in usual.into_iter().chain(int8) {
        let bytes = large(name, tailor, storage);
        let entry = FileEntry::of("x", &bytes);
        let config = ModelConfig::preset(name).unwrap();
        let index = Index {
            parameters: ParameterCounts::of(&config).unwrap(),
            config,
            learngene: FileEntry {
                sha256: if tailor { Digest::of(b"") } else { entry.sha256 },
                ..entry.clone()
            },
            classes: vec![ClassEntry::new(&class(), entry)],
            ..index()
        };
        let through_index = || match tailor {
            true => index.read_tailor("a", &bytes).map(Pack::Tailor),
            false => index.read_learngene(&bytes).map(Pack::Learngene),
        };
        let ways: [(&str, &dyn Fn() -> Result<Pack>); 2] =
            [("alone", &|| read_any(&bytes)), ("through the index", &through_index)];
        for (how, read) in ways {
            let (pack, found) = peak(read);
            let values = match pack.unwrap() {
                Pack::Learngene(learngene) => learngene.tensors.parameters(),
                Pack::Tailor(tailor) => tailor.tensors.parameters(),
            };
            let allowed = 4.0 * values as f64 * 1.05 + f64::from(1 << 20);
            assert!(found as f64 <= allowed, "{name}: {found} bytes, {allowed} allowed");
            rows.push(format!(
                "{name:8} {:9} {how:17} {:>11} file {:>11} values {found:>11} peak",
                if tailor { "tailor" } else { "learngene" },
                bytes.len(),
                4 * values
            ));
        }
    }
    println!("{}", rows.join("\n"));
}

#[test]
fn a_refused_file_takes_hardly_anything() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let good = large("cifar", false, Storage::Usual);
    let entry = FileEntry::of("x", &good);
    let index = Index { learngene: entry.clone(), config: ModelConfig::preset("cifar").unwrap(), ..index() };

    let mut last_value = good.clone();
    let tensors = archive::read(&good).unwrap().get(archive::TENSORS).unwrap();
    let end = tensors.as_ptr() as usize - good.as_ptr() as usize + tensors.len();
    last_value[end - 1] = 0x7c;
    refused("a flipped byte", || read_any(&last_value));
    refused("a flipped byte, through the index", || index.read_learngene(&last_value));
    refused("half of it", || read_any(&good[..good.len() / 2]));
    refused("another kind", || read_tailor(&good, None));

    // From here on with right checksums and digests.
    let mut forge = Forge::of(&good);
    let end = forge.tensors.len();
    forge.tensors[end - 2..].copy_from_slice(&[0, 0x7c]);
    let bytes = forge.bytes();
    refused("an infinite last value", || read_any(&bytes));
    let vouched = Index { learngene: FileEntry::of("x", &bytes), ..index.clone() };
    refused("an infinite last value, through the index", || vouched.read_learngene(&bytes));

    let small = Forge::of(&tailor());
    for (what, card) in [
        ("a card of numbers", format!("{{\"x\":[{}0]}}", "0,".repeat(130_000))),
        ("a card of lists", format!("{{\"x\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000))),
        (
            "a card of keys",
            format!("{{{}\"x\":1}}", (0..25_000).map(|i| format!("\"{i}\":1,")).collect::<String>()),
        ),
        ("a card of one text", format!("{{\"title\":\"\\n{}\"}}", "x".repeat(250_000))),
    ] {
        let bytes = Forge { card: card.into_bytes(), ..small.clone() }.bytes();
        refused(what, || read_any(&bytes));
    }

    // Headers of safetensors, for the largest number of tensors that a config has.
    let mut forge = Forge::of(&learngene());
    let config = &mut forge.manifest.config;
    (config.depth, config.factored) = (64, "q,k,v,o,in,out,adaln".parse().unwrap());
    // In int8 each matrix has its scales beside it.
    let wide = |spec: &TensorSpec| if spec.shape.len() > 1 { DataType::I8 } else { DataType::F32 };
    let int8: Vec<DataType> = forge.manifest.config.learngene_tensors().iter().map(wide).collect();
    let header = |json: String| [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
    let shape = |n: usize| format!("{{\"label\":{{\"dtype\":\"F32\",\"shape\":[{}1]}}}}", "1,".repeat(n));
    for (what, tensors) in [
        ("no header", Vec::new()),
        ("a header of nothing", header("{}".into())),
        ("a shape of many axes", header(shape(130_000))),
        ("a long name", header(format!("{{\"\\n{}\":1}}", "x".repeat(262_000)))),
        (
            "many names",
            header((0..20_000).map(|i| format!("{}\"{i}\":1", if i == 0 { "{" } else { "," })).collect()),
        ),
        ("the largest length", u64::MAX.to_le_bytes().to_vec()),
    ] {
        for types in [Vec::new(), int8.clone()] {
            let mut forge = Forge { tensors: tensors.clone(), ..forge.clone() };
            forge.manifest.types = types;
            forge.manifest.format = forge.manifest.needed_format();
            let bytes = forge.bytes();
            refused(what, || read_any(&bytes));
        }
    }

    // Manifests that announce more than they hold.
    for forge in [&small, &Forge::of(&grown_tailor())] {
        let manifest = forge.manifest.to_bytes().unwrap();
        for at in 0..manifest.len() {
            let bomb = [&manifest[..at], &[0xff, 0xff, 0xff, 0xff, 0x0f], &manifest[at + 1..]].concat();
            let bytes = forge.with_manifest(&bomb);
            refused(&format!("a length of 4 GiB at byte {at}"), || read_any(&bytes));
        }
    }
    // As many extensions as there is room for, of which the last is not known.
    let names: Vec<String> = (0..16).map(|n| format!("a{n:02}")).collect();
    let value = vec![1; limits::EXTENSION as usize - 100];
    let extensions: Vec<Named<'_>> =
        names.iter().map(|name| (name.as_str(), name == "a15", value.as_slice())).collect();
    let bytes = grow(&learngene(), &extensions, &[]);
    refused("64 KiB of extensions", || read_any(&bytes));
    let full = vec![0x01; limits::MANIFEST as usize];
    let bytes = small.with_manifest(&full);
    refused("64 KiB of nonsense", || read_any(&bytes));
}

#[test]
fn a_malicious_file_takes_hardly_anything() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    for attack in attacks::all().iter().filter(|attack| !attack.error.is_empty()) {
        refused(attack.name, || attack.reader.read(&attack.files));
    }
}

/// JSON of `size` bytes or a little less: `before`, as many of `item` as there is room for, and `after`.
fn full(size: u64, before: &str, item: impl Fn(usize) -> String, after: &str) -> Vec<u8> {
    let mut json = before.to_owned();
    for number in 0.. {
        let item = item(number);
        if json.len() + item.len() + after.len() >= size as usize {
            break;
        }
        json += if number == 0 { "" } else { "," };
        json += &item;
    }
    (json + after).into_bytes()
}

#[test]
fn a_refused_index_takes_hardly_anything() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let gallery = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/galleries/letters/index.json");
    let (real, mut random) = (std::fs::read(gallery).unwrap(), mutants::Random(8));
    for number in 0..2000 {
        let mutant = random.mutate(&real);
        let (result, bytes) = peak(|| Index::parse(&mutant).is_err());
        assert!(!result || bytes <= REFUSED, "mutant {number}: {bytes} bytes");
    }

    // The largest there can be, wrong only at the end.
    let good = serde_json::to_string(&Index { classes: Vec::new(), ..index() }).unwrap();
    let (before, after) = good.split_at(good.find("\"classes\":[").unwrap() + 11);
    let digest = format!("\"{}\"", "0".repeat(64));
    let file = |path: &str, chunks: usize| {
        let (size, list) = ((chunks << 20).max(1), vec![&*digest; chunks].join(","));
        let list = if chunks == 0 { list } else { format!(",\"chunks\":[{list}]") };
        format!("{{\"path\":\"{path}\",\"size\":{size},\"sha256\":{digest}{list}}}")
    };
    let class =
        |id: &str, name: &str, file: &str| format!("{{\"id\":\"{id}\",\"name\":\"{name}\",\"file\":{file}}}");
    let short = |n: usize| class(&format!("{n:x}"), "A", &file(&format!("{n:x}"), 0));
    let long = |n: usize| class(&format!("{n:064}"), &"A".repeat(200), &file(&format!("{n:0160}"), 0));
    let two = |n: usize| class(&format!("{n:x}"), "A", &file(&format!("{n:x}"), 2));
    let many = |n: usize| class(&format!("{n:x}"), "A", &file(&format!("{n:x}"), 500));
    let shard = |n: usize| file(&format!("{n:x}"), 0);
    let classes = |item: &dyn Fn(usize) -> String, after: &str| full(limits::INDEX, before, item, after);
    let (unknown, again) = ("],\"x\":1}", format!(",{}{after}", short(0)));
    let shards = format!("{before}],\"shards\":[");
    let chunks = format!("{before}{{\"file\":{{\"chunks\":[");
    let text = |from: &str, piece: &str| {
        let many = piece.repeat((limits::INDEX as usize - good.len()) / piece.len());
        good.replacen(from, &format!("{from}{many}"), 1).into_bytes()
    };
    for (what, wrong, json) in [
        ("classes", "unknown field `x`", classes(&short, unknown)),
        ("classes of long names", "unknown field `x`", classes(&long, unknown)),
        ("classes of two chunks", "unknown field `x`", classes(&two, unknown)),
        ("classes of many chunks", "unknown field `x`", classes(&many, unknown)),
        ("a class again", "stands there twice", classes(&short, &again)),
        ("bytes after the last class", "trailing", classes(&short, &format!("{after}x"))),
        ("shards", "more than 1024", full(limits::INDEX, &shards, shard, "]}")),
        ("shards without names", "without names", full(100_000, &shards, shard, "]}")),
        ("chunks", "more than 4095", full(limits::INDEX, &chunks, |_| digest.clone(), "]}}]}")),
        ("a title", "a text has", text("\"title\":\"", "x")),
        ("a title of escapes", "a text has", text("\"title\":\"", "\\u0001")),
        ("a key", "a text has", text("\"", "x")),
        ("a digest", "a text has", text("\"sha256\":\"", "0")),
        ("a number", "out of range", text("\"version\":", "1")),
        ("brackets", "invalid type", vec![b'['; limits::INDEX as usize]),
    ] {
        let error = Index::parse(&json).unwrap_err().to_string();
        assert!(error.contains(wrong) && error.len() < 10_000, "{what}: {error}");
        refused(what, || Index::parse(&json));
    }

    let expired = classes(&short, after);
    refused("an expired index", || trust::check(None, None, &expired, None, u64::MAX));

    // The lists of a large gallery, as the index vouches for them.
    let vouched = |bytes: &[u8]| {
        let file = FileEntry::of("x.json", bytes);
        Index { shards: vec![file.clone()], names: Some(file), ..support::index() }
    };
    let shard = full(limits::SHARD, "[", |n| short(n + (1 << 20)), &format!(",{}]", short(0)));
    refused("a shard", || vouched(&shard).read_shard(0, &shard));
    let names = full(limits::NAMES, "[", |n| format!("[\"{n:06x}\",\"A\"]"), ",[\"0\",\"A\"]]");
    refused("names", || vouched(&names).read_names(&names));
    println!("refused files took {} bytes at most, of {REFUSED}", WORST.load(Relaxed));
}
