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
FEATURES = ["learned-variance", "qk-norm", "rms-norm", "rope", "separate-attention", "swiglu", "tanh-gelu"]
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
    further = []
    while data[at : at + 4] == b"PK\x03\x04":
        need(len(data) >= at + 30, "cut off")
        crc, length, length_again, name_length = struct.unpack_from("<IIIH", data, at + 14)
        name = data[at + 30 : at + 30 + name_length].decode("ascii", "replace")
        if name in ENTRIES:
            need(not further and name in known, f"entry {name!r} out of place")
            need(length <= LIMITS[name], f"{name} is too large")
        else:
            need(entries and is_further(name), f"entry {name!r} out of place")
            need(not further or further[-1] < name, "further entries out of order")
            further.append(name)
            total = length + sum(len(entries[name]) for name in further[:-1])
            need(len(further) <= 16 and total <= 16 << 20, "too much in further entries")
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


def is_further(name):
    return re.fullmatch("[a-z0-9_-][a-z0-9._-]{0,63}", name) and name not in ENTRIES


def ascending(names):
    return all(a < b for a, b in zip(names, names[1:]))


def second(p, m):
    """What format 2 has after the entries."""
    m["further"] = []
    for _ in range(min(p.number(64), 17)):
        required = p.variant([False, True])
        m["further"].append((p.text(), p.number(64), p.take(32)))
        need(not required, "a further entry that this reader does not know")
    need(len(m["further"]) <= 16 and sum(e[1] for e in m["further"]) <= 16 << 20, "too much in further entries")
    names = [e[0] for e in m["further"]]
    need(all(map(is_further, names)) and ascending(names), "names of further entries")
    extensions = []
    for _ in range(min(p.number(64), 33)):
        extensions.append((p.text(), p.variant([False, True]), p.take(p.number(64))))
    names = [name for name, _, _ in extensions]
    need(len(names) <= 32 and all(map(is_id, names)) and ascending(names), "names of extensions")
    for name, required, value in extensions:
        need(len(value) <= 4096, "a long extension")
        if name in FEATURES:
            need(required and not value, f"extension {name}")
            m["features"].add(name)
        elif name == "tensor-types":
            need(required, "tensor-types")
            types = Postcard(value)
            m["types"] = [types.variant(["F32", "F16", "I8"]) for _ in range(min(types.number(64), 4096))]
            need(types.at == len(value), "bytes after the number formats")
        else:
            need(not required, f"extension {name}, which this reader does not know")
    need(m["further"] or extensions, "nothing that needs format 2")


def manifest(data):
    p = Postcard(data)
    version = p.number(16)
    need(version in (1, 2), "version")
    m = {"kind": p.variant(["learngene", "tailor"]), "features": set(), "types": None, "further": []}
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
    if version == 2:
        second(p, m)
    c["features"] = m["features"]
    attention = {"qkv", "q", "k", "v"} & set(c["factored"])
    need("separate-attention" not in m["features"] or not attention, "separate attention")
    need("learned-variance" not in m["features"] or c["objective"] == "ddpm", "learned variance of a flow")
    need(not {"swiglu", "tanh-gelu"} <= m["features"], "two activations")
    need("rope" not in m["features"] or c["width"] // c["heads"] % 4 == 0, "rope")
    zeros = p.take(p.number(64))
    need(len(zeros) < 8 and not any(zeros), "alignment")
    need(p.at == len(data) and len(data) % 8 == 0, "length")
    return m


def specs(kind, c):
    """Name and shape of every tensor, in the order of the document's tables."""
    d, p = c["width"], c["patch_size"] ** 2 * c["channels"]
    g, n = c["learngene_components"], c["tailor_components"]
    separate = {"q", "k", "v"} & set(c["factored"]) or "separate-attention" in c["features"]
    widths = {m: (d, d) for m in "qkv"} if separate else {"qkv": (d, 3 * d)}
    gated = "swiglu" in c["features"]
    hidden = (d + 1) // 3 * 8 if gated else 4 * d
    widths.update({"o": (d, d), "in": (d, 2 * hidden if gated else hidden), "out": (hidden, d), "adaln": (d, 6 * d)})
    outputs = 2 * p if "learned-variance" in c["features"] else p
    if kind == "tailor":
        yield "label", [d]
    else:
        yield from [("patch.weight", [p, d]), ("patch.bias", [d])]
        yield from [("time.0.weight", [256, d]), ("time.0.bias", [d])]
        yield from [("time.1.weight", [d, d]), ("time.1.bias", [d]), ("label.null", [d])]
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
        if kind == "learngene" and "qk-norm" in c["features"]:
            yield from [(f"blocks.{block}.{which}_norm", [d // c["heads"]]) for which in "qk"]
    if kind == "learngene":
        yield from [("final.adaln.weight", [d, 2 * d]), ("final.adaln.bias", [2 * d])]
        yield from [("final.linear.weight", [d, outputs]), ("final.linear.bias", [outputs])]


def channels(name, shape):
    """The number of scales of a tensor in int8, and how many values in a row share one."""
    return (shape[0], math.prod(shape[1:])) if name.endswith(".v") else (shape[-1], 1)


def check_tensors(body, m):
    tensors = list(specs(m["kind"], m["config"]))
    usual = ["F16" if len(shape) > 1 else "F32" for _, shape in tensors]
    types = m["types"] or usual
    need(len(types) == len(tensors), "as many number formats as tensors")
    need(m["types"] is None or types != usual, "the usual number formats")
    width = {"F32": 4, "F16": 2, "I8": 1}
    parts = []
    for (name, shape), dtype in zip(tensors, types):
        need(dtype != "I8" or len(shape) > 1, "a vector in int8")
        parts.append((name, dtype, shape))
        if dtype == "I8":
            parts.append((name + ".scale", "F32", [channels(name, shape)[0]]))
    parts.sort(key=lambda part: (-width[part[1]], part[0]))
    header, at, places = {}, 0, []
    for name, dtype, shape in parts:
        end = at + width[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        places.append((name, dtype, shape, at, end))
        at = end
        need(at <= 512 << 20, "too many values")
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    need(len(text) <= 256 << 10, "a long header")
    start = 8 + len(text)
    need(body[:start] == struct.pack("<Q", len(text)) + text, "header of the tensors")
    need(len(body) == start + at, "length of the tensors")
    scales = {}
    for name, dtype, shape, at, end in places:
        code = {"F32": "f", "F16": "e", "I8": "b"}[dtype]
        values = struct.unpack_from(f"<{(end - at) // width[dtype]}{code}", body, start + at)
        need(all(map(math.isfinite, values)), f"{name} is not finite")
        if name.endswith(".scale"):
            scales[name] = values
            for scale in values:
                bits = struct.unpack("<I", struct.pack("<f", scale))[0]
                need(bits == 0 or 0x800000 <= bits < 0x7F800000 and bits % 128 == 0, f"{name} of 17 bits")
                need(127 * scale < 2.0**128, f"{name} is too large")
        elif dtype == "I8":
            count, row = channels(name, shape)
            for channel, scale in enumerate(scales[name + ".scale"]):
                most = max(abs(v) for at, v in enumerate(values) if at // row % count == channel)
                need(most == (127 if scale else 0), f"{name} is not full")


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
    others = [name for name in entries if name != ENTRIES[0]]
    need([e[0] for e in m["entries"]] == [name for name in others if name in ENTRIES], "entries")
    need([e[0] for e in m["further"]] == [name for name in others if name not in ENTRIES], "further entries")
    for name, length, digest in m["entries"] + m["further"]:
        need(len(entries[name]) == length, f"length of {name}")
        need(hashlib.sha256(entries[name]).digest() == digest, f"digest of {name}")
    check_card(entries["card.json"])
    need(entries.get("preview.png", b"\x89PNG\r\n\x1a\n").startswith(b"\x89PNG\r\n\x1a\n"), "preview")
    check_tensors(entries["tensors.safetensors"], m)
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
