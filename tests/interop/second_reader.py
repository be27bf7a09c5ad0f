"""A second reader of packs, written from docs/pack-format.md alone, in Python without any library.

    python3 tests/interop/second_reader.py FILE…    reads packs: prints each file's name and what it is, or why not
    python3 tests/interop/second_reader.py          reads tests/attacks: takes the controls and nothing else

The test `interop` of tailor-packs runs it, so the document says all that a reader needs.
"""

import hashlib
import json
import math
import pathlib
import re
import struct
import sys
import zlib

ENTRIES = ["manifest.postcard", "tensors.safetensors", "card.json", "preview.png"]
LIMITS = dict(zip(ENTRIES, [64 << 10, 512 << 20, 256 << 10, 1 << 20]))
MATRICES = ["qkv", "q", "k", "v", "o", "in", "out", "adaln"]
INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


class Refused(Exception):
    pass


def need(condition, why):
    if not condition:
        raise Refused(why)


def archive(data):
    """The entries by name. Builds the headers that there must be, and compares."""
    need(len(data) <= 512 << 20, "too large")
    entries, central, at, known = {}, b"", 0, iter(ENTRIES)
    while data[at : at + 4] == b"PK\x03\x04":
        need(len(data) >= at + 30, "cut off")
        crc, length, length_again, name_length = struct.unpack_from("<IIIH", data, at + 14)
        name = data[at + 30 : at + 30 + name_length].decode("ascii", "replace")
        need(name in known, f"entry {name!r} out of place")
        need(length <= LIMITS[name], f"{name} is too large")
        common = struct.pack("<HHHHHIIIHH", 10, 0, 0, 0, 0x21, crc, length, length, len(name), 0)
        header = b"PK\x03\x04" + common + name.encode()
        need(data[at : at + len(header)] == header, "local header")
        body = data[at + len(header) : at + len(header) + length]
        need(len(body) == length and zlib.crc32(body) == crc, f"bytes of {name}")
        central += b"PK\x01\x02\x0a\x00" + common + bytes(10) + struct.pack("<I", at) + name.encode()
        entries[name], at = body, at + len(header) + length
    count = len(entries)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(central), at, 0)
    need(data[at:] == central + end, "directory")
    need(all(name in entries for name in ENTRIES[:3]), "an entry is missing")
    return entries


class Postcard:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        need(self.at + length <= len(self.data), "manifest is cut off")
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, bits):
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                need(shift == 0 or byte, "a number in a long form")
                need(value < 1 << bits, "a number out of range")
                return value
            shift += 7
            need(shift < 70, "a number without end")

    def variant(self, names):
        number = self.number(32)
        need(number < len(names), "no such variant")
        return names[number]

    def text(self):
        try:
            return self.take(self.number(64)).decode()
        except UnicodeDecodeError as error:
            raise Refused(str(error)) from error

    def option(self, read):
        return self.variant([lambda: None, read])()


def is_id(text):
    return re.fullmatch("[a-z0-9_-]{1,64}", text)


def manifest(data):
    p = Postcard(data)
    need(p.number(16) == 1, "version")
    m = {"kind": p.variant(["learngene", "tailor"])}
    if m["kind"] == "tailor":
        m["learngene"] = p.take(32).hex()
        m["class"] = p.text(), p.text(), p.option(p.text)
        class_id, name, wordnet = m["class"]
        need(is_id(class_id), "class id")
        need(name.strip() and len(name.encode()) <= 200 and not INVISIBLE.search(name), "class name")
        need(wordnet is None or re.fullmatch("n[0-9]{8}", wordnet), "WordNet id")
    need(is_id(p.text()), "model id")
    sizes = "channels image_size patch_size width depth heads learngene_components tailor_components".split()
    c = m["config"] = {size: p.number(32) for size in sizes}
    c["factored"] = [p.variant(MATRICES) for _ in range(min(p.number(64), 9))]
    order = [MATRICES.index(matrix) for matrix in c["factored"]]
    need(order == sorted(set(order)), "factored matrices")
    need("qkv" not in c["factored"] or not {"q", "k", "v"} & set(c["factored"]), "both kinds of attention")
    c["objective"] = p.variant(["ddpm", "flow"])
    most = dict(zip(sizes, [16, 256, 256, 4096, 64, 4096, 4096, 1024]))
    need(all(1 <= c[size] <= most[size] for size in sizes), "a size out of range")
    need(c["image_size"] % c["patch_size"] == 0 and c["width"] % c["heads"] == 0, "a size that does not divide")
    need(c["width"] % 4 == 0, "width")
    need((c["image_size"] // c["patch_size"]) ** 2 <= 4096, "patches")
    m["weights"], m["steps"] = p.variant(["ema", "raw"]), p.number(64)
    m["entries"] = [(p.text(), p.number(64), p.take(32)) for _ in range(min(p.number(64), 4))]
    zeros = p.take(p.number(64))
    need(len(zeros) < 8 and not any(zeros), "alignment")
    need(p.at == len(data) and len(data) % 8 == 0, "length")
    return m


def specs(kind, c):
    """Name and shape of every tensor."""
    d, p = c["width"], c["patch_size"] ** 2 * c["channels"]
    g, n = c["learngene_components"], c["tailor_components"]
    separate = {"q", "k", "v"} & set(c["factored"])
    widths = {"qkv": (d, 3 * d), "o": (d, d), "in": (d, 4 * d), "out": (4 * d, d), "adaln": (d, 6 * d)}
    widths.update({m: (d, d) for m in "qkv"} if separate else {})
    if separate:
        del widths["qkv"]
    if kind == "tailor":
        yield "label", [d]
    for block in range(c["depth"]):
        for matrix, (m1, m2) in widths.items():
            name = f"blocks.{block}.{matrix}"
            if matrix in c["factored"]:
                k = n if kind == "tailor" else g
                yield from [(f"{name}.u", [m1, k]), (f"{name}.sigma", [k]), (f"{name}.v", [k, m2])]
            elif kind == "learngene":
                yield f"{name}.weight", [m1, m2]
            if kind == "learngene":
                yield f"{name}.bias", [m2]
    if kind == "learngene":
        yield from [("patch.weight", [p, d]), ("patch.bias", [d]), ("label.null", [d])]
        yield from [("time.0.weight", [256, d]), ("time.0.bias", [d])]
        yield from [("time.1.weight", [d, d]), ("time.1.bias", [d])]
        yield from [("final.adaln.weight", [d, 2 * d]), ("final.adaln.bias", [2 * d])]
        yield from [("final.linear.weight", [d, p]), ("final.linear.bias", [p])]


def check_tensors(body, kind, config):
    tensors = sorted(specs(kind, config), key=lambda t: (len(t[1]) > 1, t[0]))
    header, at, places = {}, 0, []
    for name, shape in tensors:
        width, dtype = (2, "F16") if len(shape) > 1 else (4, "F32")
        end = at + width * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        places.append((name, width, at, end))
        at = end
        need(at <= 512 << 20, "too many values")
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    need(body[:start] == struct.pack("<Q", len(text)) + text, "header of the tensors")
    need(len(body) == start + at, "length of the tensors")
    for name, width, at, end in places:
        values = struct.unpack_from(f"<{(end - at) // width}{'e' if width == 2 else 'f'}", body, start + at)
        need(all(map(math.isfinite, values)), f"{name} is not finite")


def check_card(text):
    def once(pairs):
        need(len(dict(pairs)) == len(pairs), "a key twice")
        return dict(pairs)

    def values(x):
        inner = list(x.values()) if isinstance(x, dict) else x if isinstance(x, list) else []
        return 1 + (len(inner) if isinstance(x, dict) else 0) + sum(map(values, inner))

    try:
        card = json.loads(text, object_pairs_hook=once)
        need(values(card) <= 2048, "too many values in the card")
    except (ValueError, RecursionError) as error:
        raise Refused(f"card: {error}") from error
    need(isinstance(card, dict), "card")
    need(all(isinstance(card.get(key), str) for key in ["title", "data", "licence"]), "card")


def read(data):
    """The manifest of a pack in which everything is right; raises Refused."""
    entries = archive(data)
    m = manifest(entries["manifest.postcard"])
    others = [name for name in ENTRIES[1:] if name in entries]
    need([e[0] for e in m["entries"]] == others, "entries")
    for name, length, digest in m["entries"]:
        need(len(entries[name]) == length, f"length of {name}")
        need(hashlib.sha256(entries[name]).digest() == digest, f"digest of {name}")
    check_card(entries["card.json"])
    need(entries.get("preview.png", b"\x89PNG\r\n\x1a\n").startswith(b"\x89PNG\r\n\x1a\n"), "preview")
    check_tensors(entries["tensors.safetensors"], m["kind"], m["config"])
    return m


def main(paths):
    folder = pathlib.Path(__file__).resolve().parent.parent / "attacks"
    for path in map(pathlib.Path, paths) if paths else sorted(folder.glob("*.pack")):
        try:
            verdict = "accepted " + read(path.read_bytes())["kind"]
        except Refused as error:
            verdict = f"refused {error}"
        print(path.stem if not paths else path.name, verdict)


if __name__ == "__main__":
    main(sys.argv[1:])
