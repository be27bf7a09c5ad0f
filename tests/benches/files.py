"""Files that the scripts around here read and write, with Python alone."""

import json
import struct
import zlib


def png(lines, bits, channels=1):
    """A picture, grey or (3 channels) in colour, of 8 or 16 bits a value from its lines of big-endian values."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    width = len(lines[0]) // (bits // 8 * channels)
    head = struct.pack(">IIBBBBB", width, len(lines), bits, 2 if channels == 3 else 0, 0, 0, 0)
    # Every line is stored as its difference from the one above (filter 2), which packs well.
    above = [bytes(len(lines[0])), *lines]
    differences = (bytes((a - b) & 255 for a, b in zip(line, up)) for line, up in zip(lines, above))
    body = zlib.compress(b"".join(b"\2" + line for line in differences), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def npy(path):
    """Shape and values of a NumPy array file of f32, as `tailor sample --raw` writes it."""
    data = path.read_bytes()
    length = struct.unpack_from("<H", data, 8)[0]
    axes = data[10 : 10 + length].decode().split("(")[1].split(")")[0].split(",")
    return [int(axis) for axis in axes if axis.strip()], floats(data[10 + length :])


def safetensors(path):
    """Name -> values of every f32 tensor of a safetensors file."""
    data = path.read_bytes()
    length = struct.unpack_from("<Q", data)[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    header.pop("__metadata__", None)
    wanted = {name: entry["data_offsets"] for name, entry in header.items() if entry["dtype"] == "F32"}
    return {name: floats(body[start:end]) for name, (start, end) in wanted.items()}


def floats(data):
    return struct.unpack(f"<{len(data) // 4}f", data)
