#!/usr/bin/env python3
"""Compares what one device made with what another made, for cuda.sh; fails where they are too far apart.

    compare.py split RAW.npy K DIR          images of K classes, row by row, as class folders of PNG files
    compare.py gradients BEFORE ONE OTHER   checkpoints: one step after BEFORE on two devices
    compare.py losses ONE OTHER [FROM]      metrics.jsonl of two runs, from this step on
    compare.py images ONE.npy OTHER.npy     the same images made on two devices

Needs Python alone.
"""

import json
import pathlib
import sys

from files import npy, png, safetensors

BETA = 0.9  # of AdamW's first moment
BLOCK = 64
GRADIENTS, LOSSES, LEVELS = 0.05, 0.05, 2.0


def split(raw, classes, out):
    (count, channels, height, width), values = npy(pathlib.Path(raw))
    assert channels == 1, "grey images"
    pixels = bytes(round(127.5 * (value + 1)) for value in values)
    for number in range(count):
        row, label = divmod(number, int(classes))
        folder = pathlib.Path(out) / f"class-{label:02}"
        folder.mkdir(parents=True, exist_ok=True)
        image = pixels[number * height * width :][: height * width]
        (folder / f"{row}.png").write_bytes(png([image[i : i + width] for i in range(0, len(image), width)], 8))
    print(f"{count} images of {classes} classes")


def gradients(before, one, other):
    """AdamW's first moment is β·m + (1 − β)·g, so two checkpoints tell the gradient of the step between them.

    Values are compared in blocks of 64, each relative to its largest, so that no tensor hides behind a larger one.
    Below a thousandth of the largest value of all, rounding is all there is.
    """
    before, one, other = (safetensors(pathlib.Path(path)) for path in (before, one, other))
    worst, blocks = 0.0, 0
    for name in (name for name in one if "first" in name.split(".")):

        def gradient(after):
            return [(m - BETA * m0) / (1 - BETA) for m, m0 in zip(after[name], before[name], strict=True)]

        if one[name] == before[name] == other[name]:
            continue  # the tailor of a class that was not in the batch
        found, expected = gradient(one), gradient(other)
        floor = 1e-3 * max(map(abs, expected))
        for start in range(0, len(expected), BLOCK):
            pairs = list(zip(found[start : start + BLOCK], expected[start : start + BLOCK]))
            scale = max(floor, *(abs(e) for _, e in pairs))
            worst = max(worst, max(abs(f - e) for f, e in pairs) / scale)
            blocks += 1
    assert blocks > 0, "no gradient was found in these checkpoints"
    verdict(f"gradients, {blocks} blocks of {BLOCK} values: largest relative difference", worst, GRADIENTS)


def losses(one, other, first="0"):
    def curve(path):
        lines = map(json.loads, pathlib.Path(path).read_text().splitlines())
        return {line["step"]: line["loss"] for line in lines if line["step"] > int(first)}

    one, other = curve(one), curve(other)
    assert one and one.keys() == other.keys(), f"the runs logged other steps: {sorted(one)} {sorted(other)}"
    for step, loss in other.items():
        print(f"step {step}: {one[step]:.5f} and {loss:.5f}")
    worst = max(abs(one[step] / loss - 1) for step, loss in other.items())
    verdict(f"losses of {len(one)} spans: largest relative difference", worst, LOSSES)


def images(one, other):
    (one_shape, found), (shape, expected) = npy(pathlib.Path(one)), npy(pathlib.Path(other))
    assert one_shape == shape, f"{one_shape} and {shape}"
    assert max(expected) - min(expected) > 0.5, "the images are flat: this would pass for any"
    worst = max(127.5 * abs(f - e) for f, e in zip(found, expected))
    verdict(f"{shape[0]} images: largest difference in levels of 255", worst, LEVELS)


def verdict(what, found, allowed):
    print(f"{what}: {found:.5f} (allowed: {allowed})")
    # Written so that NaN fails too.
    if not found <= allowed:
        sys.exit("too far apart")


if __name__ == "__main__":
    commands = {command.__name__: command for command in (split, gradients, losses, images)}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
