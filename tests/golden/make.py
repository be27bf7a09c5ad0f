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

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "benches"))
import files  # noqa: E402


def main(tailor):
    plan = json.loads((HERE / "runs.json").read_text())
    for gallery, classes in plan["classes"].items():
        rows = []
        for sampler in plan["samplers"]:
            cells = [image for run in plan["runs"] for image in sample(tailor, plan, gallery, classes, sampler, run)]
            # The images of a row stand side by side, so line y of the row is line y of each of them.
            rows += [b"".join(image[y] for image in cells) for y in range(len(cells[0]))]
            print(gallery, sampler, len(cells), "images", flush=True)
        (HERE / f"{gallery}.png").write_bytes(files.png(rows, 16))


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
        (count, _channels, height, width), values = files.npy(raw)
    pixels = [struct.pack(">H", round((value + 1) / 2 * 65535)) for value in values]
    lines = [b"".join(pixels[i : i + width]) for i in range(0, len(pixels), width)]
    return [lines[i * height : (i + 1) * height] for i in range(count)]


if __name__ == "__main__":
    main(*sys.argv[1:])
