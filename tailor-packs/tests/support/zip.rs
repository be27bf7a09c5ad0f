//! ZIP archives as nobody should write them.
#![allow(unreachable_pub)]

/// An entry of which everything can be a lie.
#[derive(Clone, Default)]
pub struct Entry {
    pub name: Vec<u8>,
    /// Name in the central directory, if another.
    pub central_name: Option<Vec<u8>>,
    pub data: Vec<u8>,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub stored: u32,
    pub original: u32,
    pub extra: Vec<u8>,
    pub central_extra: Vec<u8>,
    pub comment: Vec<u8>,
    pub attributes: u32,
    pub disk: u16,
    /// Bytes after the data: a data descriptor, or a gap.
    pub after: Vec<u8>,
    /// CRC and lengths in the central directory, if others.
    pub central: Option<(u32, u32, u32)>,
    /// Offset in the central directory, if another.
    pub offset: Option<u32>,
    /// Length of the name in the local header, if another.
    pub name_len: Option<u16>,
}

impl Entry {
    pub fn new(name: &str, data: &[u8]) -> Self {
        let (crc, len) = (crc32fast::hash(data), data.len() as u32);
        let (name, data) = (name.as_bytes().to_vec(), data.to_vec());
        Self { name, data, crc, stored: len, original: len, ..Self::default() }
    }
}

#[derive(Clone, Default)]
pub struct Zip {
    pub entries: Vec<Entry>,
    pub prefix: Vec<u8>,
    /// Between the central directory and the end record.
    pub before_end: Vec<u8>,
    pub comment: Vec<u8>,
    /// Entry count in the end record, if another.
    pub count: Option<u16>,
    /// Leave out the central directory and the end record.
    pub headless: bool,
}

fn put(out: &mut Vec<u8>, shorts: &[u16]) {
    shorts.iter().for_each(|v| out.extend(v.to_le_bytes()));
}

fn put_long(out: &mut Vec<u8>, longs: &[u32]) {
    longs.iter().for_each(|v| out.extend(v.to_le_bytes()));
}

impl Zip {
    pub fn bytes(&self) -> Vec<u8> {
        let (mut out, mut directory) = (self.prefix.clone(), Vec::new());
        for e in &self.entries {
            let offset = e.offset.unwrap_or(out.len() as u32);
            out.extend(b"PK\x03\x04");
            put(&mut out, &[10, e.flags, e.method, 0, 0x21]);
            put_long(&mut out, &[e.crc, e.stored, e.original]);
            put(&mut out, &[e.name_len.unwrap_or(e.name.len() as u16), e.extra.len() as u16]);
            out.extend([&e.name[..], &e.extra, &e.data, &e.after].concat());

            let name = e.central_name.as_ref().unwrap_or(&e.name);
            let (crc, stored, original) = e.central.unwrap_or((e.crc, e.stored, e.original));
            directory.extend(b"PK\x01\x02");
            put(&mut directory, &[10, 10, e.flags, e.method, 0, 0x21]);
            put_long(&mut directory, &[crc, stored, original]);
            let lengths = [name.len(), e.central_extra.len(), e.comment.len()].map(|n| n as u16);
            put(&mut directory, &[lengths[0], lengths[1], lengths[2], e.disk, 0]);
            put_long(&mut directory, &[e.attributes, offset]);
            directory.extend([&name[..], &e.central_extra, &e.comment].concat());
        }
        if self.headless {
            return out;
        }
        let (start, count) = (out.len() as u32, self.count.unwrap_or(self.entries.len() as u16));
        let length = directory.len() as u32;
        out.extend([directory, self.before_end.clone()].concat());
        out.extend(b"PK\x05\x06");
        put(&mut out, &[0, 0, count, count]);
        put_long(&mut out, &[length, start]);
        put(&mut out, &[self.comment.len() as u16]);
        out.extend(&self.comment);
        out
    }
}
