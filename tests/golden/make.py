"""Writes GALLERY.png: the images that one version of `tailor` makes of a gallery, pixel by pixel.

    python3 make.py path/to/tailor VERSION

Needs Python alone. What is made stands in runs.json; what the pictures hold, in README.md.
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "benches"))
import files  # noqa: E402


def main(tailor, version):
    for gallery, plan in json.loads((HERE / "runs.json").read_text()).items():
        if plan["version"] != version:
            continue
        rows, channels = [], 1
        for sampler, steps in plan["samplers"]:
            cells = []
            for run in plan["runs"]:
                channels, images = sample(tailor, gallery, plan["classes"], sampler, steps, run)
                cells += images
            # The images of a row stand side by side, so line y of the row is line y of each of them.
            rows += [b"".join(image[y] for image in cells) for y in range(len(cells[0]))]
            print(gallery, sampler, len(cells), "images", flush=True)
        (HERE / f"{gallery}.png").write_bytes(files.png(rows, 16, channels))


def sample(tailor, gallery, classes, sampler, steps, run):
    """Channels and images of one run, in the order of its array; an image is a list of lines of 16-bit values."""
    with tempfile.TemporaryDirectory() as folder:
        raw = pathlib.Path(folder) / "raw.npy"
        command = [tailor, "sample", "--gallery", HERE.parent.parent / "web/galleries" / gallery]
        command += ["--sampler", sampler, "--steps", str(steps), "--guidance", str(run["guidance"])]
        command += ["--seed", str(run["seed"]), "--count", str(run["count"]), "--device", "cpu"]
        for name in classes[: run["classes"]]:
            command += ["--class", name]
        if run["classes"] == 0:
            command.append("--learngene-only")
        command += ["--out", raw.with_suffix(".png"), "--raw", raw]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        (count, channels, height, width), values = files.npy(raw)
    levels = [struct.pack(">H", round((value + 1) / 2 * 65535)) for value in values]

    def line(image, y):
        start = (image * channels * height + y) * width
        planes = [levels[start + c * height * width :][:width] for c in range(channels)]
        return b"".join(value for pixel in zip(*planes) for value in pixel)

    return channels, [[line(image, y) for y in range(height)] for image in range(count)]


if __name__ == "__main__":
    main(*sys.argv[1:])
