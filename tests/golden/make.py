"""Writes letters.png and fashion.png: the images that one version of `tailor` makes, pixel by pixel.

    python3 make.py path/to/tailor

Needs Python alone. What is made stands in runs.json; what the pictures hold, in README.md.
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

HERE = pathlib.Path(__file__).parent


def main(tailor):
    plan = json.loads((HERE / "runs.json").read_text())
    for gallery, classes in plan["classes"].items():
        rows = []
        for sampler in plan["samplers"]:
            cells = [image for run in plan["runs"] for image in sample(tailor, plan, gallery, classes, sampler, run)]
            # The images of a row stand side by side, so line y of the row is line y of each of them.
            rows += [b"".join(image[y] for image in cells) for y in range(len(cells[0]))]
            print(gallery, sampler, len(cells), "images", flush=True)
        (HERE / f"{gallery}.png").write_bytes(png(rows))


def sample(tailor, plan, gallery, classes, sampler, run):
    """The images of one run, in the order of its array; each a list of lines of 16-bit pixels."""
    with tempfile.TemporaryDirectory() as folder:
        raw = pathlib.Path(folder) / "raw.npy"
        command = [tailor, "sample", "--gallery", HERE.parent.parent / "web/galleries" / gallery]
        command += ["--sampler", sampler, "--steps", str(plan["steps"]), "--guidance", str(run["guidance"])]
        command += ["--seed", str(run["seed"]), "--count", str(run["count"]), "--device", "cpu"]
        for name in classes[: run["classes"]]:
            command += ["--class", name]
        if run["classes"] == 0:
            command.append("--learngene-only")
        command += ["--out", raw.with_suffix(".png"), "--raw", raw]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        (count, _channels, height, width), values = npy(raw.read_bytes())
    pixels = [struct.pack(">H", round((value + 1) / 2 * 65535)) for value in values]
    lines = [b"".join(pixels[i : i + width]) for i in range(0, len(pixels), width)]
    return [lines[i * height : (i + 1) * height] for i in range(count)]


def npy(data):
    """Shape and values of a NumPy array file of f32."""
    length = struct.unpack_from("<H", data, 8)[0]
    # The header is a Python dictionary of literals.
    header = data[10 : 10 + length].decode()
    shape = [int(axis) for axis in header.split("(")[1].split(")")[0].split(",") if axis.strip()]
    return shape, [value for (value,) in struct.iter_unpack("<f", data[10 + length :])]


def png(lines):
    """A grey picture of 16 bits a pixel; every line is stored as its difference from the one above."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    width = len(lines[0]) // 2
    head = struct.pack(">IIBBBBB", width, len(lines), 16, 0, 0, 0, 0)
    above = [bytes(len(lines[0])), *lines]
    differences = (bytes((a - b) & 255 for a, b in zip(line, up)) for line, up in zip(lines, above))
    body = zlib.compress(b"".join(b"\2" + line for line in differences), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


if __name__ == "__main__":
    main(*sys.argv[1:])
