#!/usr/bin/env python3
"""Two builds of `tailor` side by side on this machine, in turns: is the new one slower than the old one?

    tests/benches/against.py OLD NEW [--pairs 15] [--training | --sampling]

Each pair runs one build and then the other, every second pair the other way round, so that a machine whose speed
drifts favours neither. What is printed is the median of the pairs' ratios, and between which bounds it lies in 95 of
100 resamplings of the pairs (percentile bootstrap). Needs Python alone.

- training: images per second of `tailor train`, the network of the replication, batch 64, on random pictures drawn here
- sampling: milliseconds per step of `tailor sample`, one letter with guidance, on every core and (on Linux) on one;
  the difference of a long and a short run, so that starting and reading files do not count
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

from files import png

ROOT = pathlib.Path(__file__).parents[2]
LETTERS = ROOT / "web/galleries/letters"
# A file, because what a preset is called can be another network in another build.
NETWORK = ROOT / "docs/replication/letters.toml"
CLASSES, IMAGES, SIDE = 62, 20, 32
SHORT, LONG = 20, 220


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--training", action="store_true", help="training alone")
    parser.add_argument("--sampling", action="store_true", help="sampling alone")
    args = parser.parse_args()
    builds = [build.resolve() for build in (args.old, args.new)]
    for build in builds:
        if not os.access(build, os.X_OK):
            sys.exit(f"{build} is no program; build it with: cargo build -p tailor-trainer --bin tailor")
    print("| what | old | new | new : old, median of the pairs | 95 % interval | pairs |\n|---|---|---|---|---|---|")
    if not args.sampling:
        with tempfile.TemporaryDirectory() as folder:
            data = pictures(pathlib.Path(folder) / "data")
            row("training, the replication's letters, batch 64, images/s", builds, args.pairs, lambda build: train(build, data))
    if not args.training:
        row("a sampling step, one letter, every core, ms", builds, args.pairs, sample)
        if hasattr(os, "sched_setaffinity"):
            row("a sampling step, one letter, one core, ms", builds, args.pairs, lambda build: sample(build, cores=1))


def row(what, builds, pairs, measure):
    for build in builds:
        measure(build)  # files into memory, clocks up to speed
    old, new = [], []
    for pair in range(pairs):
        turns = [(builds[0], old), (builds[1], new)]
        for build, figures in turns if pair % 2 == 0 else reversed(turns):
            figures.append(measure(build))
        print(f"{what}: pair {pair + 1} of {pairs}: {old[-1]:.2f} {new[-1]:.2f}", file=sys.stderr)
    ratios = [b / a for a, b in zip(old, new)]
    least, most = interval(ratios)
    print(
        f"| {what} | {statistics.median(old):.2f} | {statistics.median(new):.2f} "
        f"| {statistics.median(ratios):.3f} | {least:.3f} to {most:.3f} | {pairs} |",
        flush=True,
    )


def interval(ratios, resamplings=10_000):
    """Between which bounds the median of the ratios lies in 95 of 100 resamplings."""
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(resamplings))
    return medians[round(0.025 * resamplings)], medians[round(0.975 * resamplings) - 1]


def train(build, data):
    """Images per second after the first ten of 40 steps."""
    with tempfile.TemporaryDirectory() as out:
        command = [build, "train", "--data", data, "--config", NETWORK, "--out", out, "--device", "cpu"]
        command += ["--batch-size", "64", "--steps", "40", "--log-every", "10", "--sample-every", "0"]
        quietly(command)
        log = (pathlib.Path(out) / "metrics.jsonl").read_text().splitlines()
        return statistics.median(json.loads(line)["images_per_second"] for line in log[1:])


def sample(build, cores=None):
    """Milliseconds per step."""

    def seconds(steps):
        with tempfile.TemporaryDirectory() as out:
            command = [build, "sample", "--gallery", LETTERS, "--class", "A", "--guidance", "2", "--device", "cpu"]
            command += ["--sampler", "dpm++", "--steps", str(steps), "--out", pathlib.Path(out) / "a.png"]
            start = time.perf_counter()
            quietly(command, cores)
            return time.perf_counter() - start

    return 1000 * (seconds(LONG) - seconds(SHORT)) / (LONG - SHORT)


def quietly(command, cores=None):
    """Runs a command, on so many cores; its words are shown when it fails."""
    few = sorted(os.sched_getaffinity(0))[:cores] if cores else None
    started = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=(lambda: os.sched_setaffinity(0, few)) if few else None,
    )
    _, words = started.communicate()
    if started.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{words.decode(errors='replace')}")


def pictures(folder):
    """Class folders of random grey pictures."""
    draw = random.Random(0)
    for label in range(CLASSES):
        place = folder / f"{label:05}"
        place.mkdir(parents=True)
        for number in range(IMAGES):
            (place / f"{number}.png").write_bytes(png([draw.randbytes(SIDE) for _ in range(SIDE)], 8))
    return folder


if __name__ == "__main__":
    main()
