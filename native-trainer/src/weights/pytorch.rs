//! Weights that `torch.save` wrote: a ZIP archive with a pickle of the names, shapes and storages, and
//! an entry with the bytes of each storage.
//!
//! A pickle is a program. This reader runs it without ever calling anything: it builds the few things
//! that checkpoints of weights are made of, tuples, dictionaries and tensors, and takes whatever else it
//! finds for something without a meaning. Crates that read pickles know no storages (`serde-pickle`),
//! are not kept (`repugnant-pickle`), or come with a whole library of tensors (`candle-core`).
//!
//! All values lie in one list and refer to each other by number, so that no file can nest them so deeply
//! that dropping them overflows the stack.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use zip::ZipArchive;
use zip::read::ZipFile;

use super::{Place, Reason, Source, Stored, WeightsFile};
use crate::system::files;
use crate::system::float::Float;

/// The archive of a checkpoint.
pub(super) type Zip = ZipArchive<BufReader<File>>;

/// Bytes of the pickle. That of DiT-XL has 60 kB.
const MAX_PICKLE: u64 = 16 << 20;

/// Axes of a tensor, and bytes of a name: what is longer is no name of PyTorch's. Without these limits a
/// short pickle could repeat a long one until memory is full.
const MAX_AXES: usize = 8;
const MAX_NAME: usize = 256;

/// Values that a pickle makes. That of DiT-XL makes some ten thousand.
const MAX_VALUES: usize = 1 << 20;

/// Names under which training programs keep weights beside other things, the most wanted first.
const INSIDE: [&str; 3] = ["ema", "model", "state_dict"];

pub(super) fn open(path: &Path) -> Result<WeightsFile, Reason> {
    let damaged = |reason: String| Reason::Damaged(reason);
    let mut zip = ZipArchive::new(BufReader::new(files::open(path)?)).map_err(|e| damaged(e.to_string()))?;
    let names: Vec<String> = zip.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let Some(top) = names.iter().find_map(|name| name.strip_suffix("data.pkl")) else {
        return Err(damaged("it is an archive without the data.pkl of PyTorch".to_owned()));
    };
    if top.len() > MAX_NAME {
        return Err(damaged(format!(
            "its entries lie in a folder with a name of more than {MAX_NAME} bytes"
        )));
    }
    let entry = |zip: &mut Zip, name: &str, limit: u64| -> Result<Vec<u8>, Reason> {
        let mut bytes = Vec::new();
        let found = zip.by_name(&format!("{top}{name}")).map_err(|e| damaged(format!("{name}: {e}")))?;
        let limit_here = if is_summed(&found) { limit + 1 } else { found.size().min(limit + 1) };
        let read = found.take(limit_here).read_to_end(&mut bytes);
        read.map_err(|e| damaged(format!("{name}: {e}")))?;
        match bytes.len() as u64 > limit {
            true => Err(damaged(format!("{name} has more than {limit} bytes"))),
            false => Ok(bytes),
        }
    };
    if names.iter().any(|name| *name == format!("{top}byteorder"))
        && entry(&mut zip, "byteorder", 64)? != b"little"
    {
        return Err(damaged("it was saved by a big-endian machine".to_owned()));
    }
    let pickle = entry(&mut zip, "data.pkl", MAX_PICKLE)?;
    let machine = Machine::run(&pickle).map_err(|reason| damaged(format!("data.pkl: {reason}")))?;
    let tensors = machine.tensors(top).map_err(damaged)?;
    let metadata = HashMap::new();
    Ok(WeightsFile { path: path.to_owned(), file: Source::Archive(Box::new(zip)), tensors, metadata })
}

/// `length` bytes of an entry after the first `skip`, or as many as there are.
pub(super) fn bytes(zip: &mut Zip, entry: &str, skip: usize, length: usize) -> io::Result<Vec<u8>> {
    let mut found = zip.by_name(entry).map_err(io::Error::other)?;
    io::copy(&mut (&mut found).take(skip as u64), &mut io::sink())?;
    let mut bytes = Vec::new();
    (&mut found).take(length as u64).read_to_end(&mut bytes)?;
    if is_summed(&found) {
        // Its checksum is compared at its end.
        io::copy(&mut found, &mut io::sink())?;
    }
    Ok(bytes)
}

/// Whether an entry has a checksum: `torch.serialization.set_crc32_options(False)` writes zeros instead.
fn is_summed(entry: &ZipFile<'_, BufReader<File>>) -> bool {
    entry.crc32() != 0
}

/// A value of a pickle; a number stands for another value.
#[derive(Clone, Debug)]
enum Value {
    /// What has no meaning here.
    Other,
    Int(i64),
    Text(String),
    Tuple(Vec<usize>),
    Dict(Vec<(usize, usize)>),
    /// A name of Python's that means something here, as `module name`.
    Global(&'static str),
    Storage {
        float: Option<Float>,
        key: String,
    },
    Tensor {
        storage: usize,
        offset: i64,
        shape: Vec<i64>,
        strides: Vec<i64>,
    },
}

/// The names of Python's that mean something here.
const GLOBALS: [&str; 7] = [
    "collections OrderedDict",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_tensor_v2",
    "torch HalfStorage",
    "torch BFloat16Storage",
    "torch FloatStorage",
    "torch DoubleStorage",
];

impl Value {
    /// The name if it is one of [`GLOBALS`]: of others a few bytes could ask for copies until memory is full.
    fn global(name: &str) -> Self {
        GLOBALS.into_iter().find(|known| *known == name).map_or(Self::Other, Self::Global)
    }
}

/// What runs a pickle.
struct Machine {
    values: Vec<Value>,
    stack: Vec<usize>,
    marks: Vec<usize>,
    memo: HashMap<u32, usize>,
}

/// The bytes that are still to be run.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("it ends early")?;
        self.0 = rest;
        Ok(taken)
    }

    /// A whole number of so many bytes.
    fn number(&mut self, bytes: usize) -> Result<usize, String> {
        let number = self.take(bytes)?.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).map_err(|_| "a length is larger than memory".to_owned())
    }

    fn text(&mut self, length: usize) -> Result<String, String> {
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn line(&mut self) -> Result<String, String> {
        let end = self.0.iter().position(|byte| *byte == b'\n').ok_or("it ends early")?;
        let line = self.text(end)?;
        self.take(1)?;
        Ok(line)
    }
}

impl Machine {
    /// Runs a pickle; its value is then the last of the stack.
    fn run(pickle: &[u8]) -> Result<Self, String> {
        let mut machine =
            Self { values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
        let mut bytes = Bytes(pickle);
        loop {
            let code = bytes.take(1)?[0];
            if code == b'.' {
                return Ok(machine);
            }
            machine.step(code, &mut bytes)?;
            if machine.values.len() > MAX_VALUES {
                return Err(format!("it makes more than {MAX_VALUES} values"));
            }
        }
    }

    fn step(&mut self, code: u8, bytes: &mut Bytes<'_>) -> Result<(), String> {
        match code {
            // PROTO, FRAME
            0x80 | 0x95 => {
                bytes.take(if code == 0x80 { 1 } else { 8 })?;
            }
            // Whole numbers
            b'J' => {
                let word = bytes.take(4)?;
                self.push(Value::Int(i64::from(i32::from_le_bytes([word[0], word[1], word[2], word[3]]))));
            }
            b'K' => self.int(bytes, 1)?,
            b'M' => self.int(bytes, 2)?,
            0x8a => {
                let length = bytes.number(1)?;
                let digits = bytes.take(length)?;
                let negative = digits.last().is_some_and(|byte| byte & 0x80 != 0);
                let mut word = [if negative { 0xff } else { 0 }; 8];
                self.push(match word.get_mut(..length) {
                    Some(low) => {
                        low.copy_from_slice(digits);
                        Value::Int(i64::from_le_bytes(word))
                    }
                    None => Value::Other,
                });
            }
            // Floats, None, truth values
            b'G' => {
                bytes.take(8)?;
                self.push(Value::Other);
            }
            b'N' | 0x88 | 0x89 => self.push(Value::Other),
            // Texts: SHORT_BINUNICODE, BINUNICODE, SHORT_BINSTRING, BINSTRING
            0x8c | b'U' => self.text(bytes, 1)?,
            b'X' | b'T' => self.text(bytes, 4)?,
            // Empty containers, tuples
            b'}' => self.push(Value::Dict(Vec::new())),
            b']' | 0x8f => self.push(Value::Other),
            b')' => self.push(Value::Tuple(Vec::new())),
            b'(' => self.marks.push(self.stack.len()),
            b't' => {
                let items = self.marked()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let items = self.stack.split_off(self.room(count)?);
                self.push(Value::Tuple(items));
            }
            // Memory: BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => self.keep(bytes.number(1)?)?,
            b'r' => self.keep(bytes.number(4)?)?,
            0x94 => self.keep(self.memo.len())?,
            b'h' => self.recall(bytes.number(1)?)?,
            b'j' => self.recall(bytes.number(4)?)?,
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let name = format!("{} {}", bytes.line()?, bytes.line()?);
                self.push(Value::global(&name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (&self.values[module], &self.values[name]) {
                    (Value::Text(module), Value::Text(name)) if module.len().max(name.len()) <= MAX_NAME => {
                        let name = format!("{module} {name}");
                        self.push(Value::global(&name));
                    }
                    _ => return Err("a global name is no short text".to_owned()),
                }
            }
            // REDUCE, NEWOBJ: a call, which is not made
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let value = self.made(function, arguments);
                self.push(value);
            }
            // BUILD, APPEND, POP: what an object is filled with, and what is not wanted
            b'b' | b'a' | b'0' => {
                self.pop()?;
            }
            // SETITEM, SETITEMS, APPENDS, ADDITEMS, POP_MARK
            b's' => {
                let items = self.stack.split_off(self.room(2)?);
                self.fill(&items)?;
            }
            b'u' => {
                let items = self.marked()?;
                self.fill(&items)?;
            }
            b'e' | 0x90 | b'1' => drop(self.marked()?),
            // BINPERSID: a storage
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(id);
                self.push(storage);
            }
            code => return Err(format!("the instruction {code:#04x} is not one that torch.save writes")),
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn int(&mut self, bytes: &mut Bytes<'_>, length: usize) -> Result<(), String> {
        let number = bytes.number(length)?;
        self.push(Value::Int(number as i64));
        Ok(())
    }

    fn text(&mut self, bytes: &mut Bytes<'_>, length: usize) -> Result<(), String> {
        let length = bytes.number(length)?;
        let text = bytes.text(length)?;
        self.push(Value::Text(text));
        Ok(())
    }

    /// The length of the stack without its last `count` values, none of which may be before the last mark.
    fn room(&self, count: usize) -> Result<usize, String> {
        let least = self.marks.last().copied().unwrap_or(0);
        self.stack
            .len()
            .checked_sub(count)
            .filter(|left| *left >= least)
            .ok_or_else(|| "its stack is empty".to_owned())
    }

    fn pop(&mut self) -> Result<usize, String> {
        self.room(1)?;
        self.stack.pop().ok_or_else(|| "its stack is empty".to_owned())
    }

    /// What lies above the last mark.
    fn marked(&mut self) -> Result<Vec<usize>, String> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn keep(&mut self, at: usize) -> Result<(), String> {
        let last = *self.stack.last().ok_or("its stack is empty")?;
        self.memo.insert(at as u32, last);
        Ok(())
    }

    fn recall(&mut self, at: usize) -> Result<(), String> {
        let value = *self.memo.get(&(at as u32)).ok_or("it recalls what it did not keep")?;
        self.stack.push(value);
        Ok(())
    }

    /// Puts keys and values into the dictionary on the stack.
    fn fill(&mut self, items: &[usize]) -> Result<(), String> {
        let dict = *self.stack.last().ok_or("its stack is empty")?;
        if let Value::Dict(entries) = &mut self.values[dict] {
            entries.extend(items.as_chunks::<2>().0.iter().map(|[key, value]| (*key, *value)));
        }
        Ok(())
    }

    /// What a call would give.
    fn made(&self, function: usize, arguments: usize) -> Value {
        let (Value::Global(name), Value::Tuple(arguments)) =
            (&self.values[function], &self.values[arguments])
        else {
            return Value::Other;
        };
        match (*name, &arguments[..]) {
            ("collections OrderedDict", _) => Value::Dict(Vec::new()),
            // Of anything larger, a few bytes could ask for copies until memory is full.
            ("torch._utils _rebuild_parameter", [tensor, ..]) => match &self.values[*tensor] {
                tensor @ Value::Tensor { .. } => tensor.clone(),
                _ => Value::Other,
            },
            ("torch._utils _rebuild_tensor_v2", [storage, offset, shape, strides, ..]) => {
                let ints = |at: &usize| match &self.values[*at] {
                    Value::Tuple(items) if items.len() <= MAX_AXES => {
                        items.iter().map(|at| self.whole(*at)).collect::<Option<Vec<_>>>()
                    }
                    _ => None,
                };
                match (self.whole(*offset), ints(shape), ints(strides)) {
                    (Some(offset), Some(shape), Some(strides)) => {
                        Value::Tensor { storage: *storage, offset, shape, strides }
                    }
                    _ => Value::Other,
                }
            }
            _ => Value::Other,
        }
    }

    fn whole(&self, at: usize) -> Option<i64> {
        match self.values[at] {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    /// The storage that `("storage", torch.FloatStorage, key, place, length)` stands for.
    fn storage(&self, id: usize) -> Value {
        let Value::Tuple(parts) = &self.values[id] else { return Value::Other };
        let [_, kind, key, ..] = &parts[..] else { return Value::Other };
        let (Value::Global(kind), Value::Text(key)) = (&self.values[*kind], &self.values[*key]) else {
            return Value::Other;
        };
        if key.len() > MAX_NAME {
            return Value::Other;
        }
        let float = match *kind {
            "torch HalfStorage" => Some(Float::F16),
            "torch BFloat16Storage" => Some(Float::Bf16),
            "torch FloatStorage" => Some(Float::F32),
            "torch DoubleStorage" => Some(Float::F64),
            _ => None,
        };
        Value::Storage { float, key: key.clone() }
    }

    /// The entries of a dictionary whose keys are texts.
    fn named(&self, dict: usize) -> BTreeMap<&str, usize> {
        let Value::Dict(entries) = &self.values[dict] else { return BTreeMap::new() };
        let text = |(key, value): &(usize, usize)| match &self.values[*key] {
            Value::Text(key) => Some((key.as_str(), *value)),
            _ => None,
        };
        entries.iter().filter_map(text).collect()
    }

    /// The tensors of the checkpoint, whose entries begin with `top`.
    fn tensors(&self, top: &str) -> Result<BTreeMap<String, Stored>, String> {
        let root = *self.stack.last().ok_or("data.pkl holds nothing")?;
        let named = self.named(root);
        let mut inside = INSIDE.iter().filter_map(|name| named.get(name)).map(|dict| self.named(*dict));
        let found = inside.find(|inside| !inside.is_empty());
        let named = found.unwrap_or(named);
        let mut tensors = BTreeMap::new();
        for (name, value) in named {
            let Value::Tensor { storage, offset, shape, strides } = &self.values[value] else { continue };
            let Value::Storage { float, key } = &self.values[*storage] else { continue };
            let sizes =
                |values: &[i64]| values.iter().map(|v| usize::try_from(*v).ok()).collect::<Option<Vec<_>>>();
            let (Some(shape), Some(strides), Ok(skip)) =
                (sizes(shape), sizes(strides), usize::try_from(*offset))
            else {
                return Err(format!("{name} has a negative size"));
            };
            if !is_row_major(&shape, &strides) {
                return Err(format!("{name} is not stored row by row; save it after .contiguous()"));
            }
            let place = Place::In { entry: format!("{top}data/{key}"), skip };
            tensors.insert(name.to_owned(), Stored { shape, float: *float, place });
        }
        match tensors.is_empty() {
            true => Err("it holds no tensors by name".to_owned()),
            false => Ok(tensors),
        }
    }
}

fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1usize;
    shape.len() == strides.len()
        && shape.iter().zip(strides).rev().all(|(size, stride)| {
            // The stride of an axis of one has no meaning.
            let fits = *size == 1 || *stride == expected;
            expected = expected.saturating_mul(*size);
            fits
        })
}
