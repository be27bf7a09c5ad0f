"""Reads the net of a published gallery: the numbers that our own engines compute with."""

import io
import json
import pathlib
import zipfile

import torch
from safetensors.torch import load

from dit import Config, DiT

LETTERS = pathlib.Path(__file__).parents[2] / "web/galleries/letters"


def read(folder=LETTERS, name="latin-capital-a"):
    """Config, learngene and the tailor of one class; tensors are f32 by name."""
    folder = pathlib.Path(folder)
    index = json.loads((folder / "index.json").read_text())
    entry = next(entry for entry in index["classes"] if entry["id"] == name)
    learngene, pack = (tensors(folder / file["path"]) for file in (index["learngene"], entry["file"]))
    return Config(**index["config"]), learngene, pack


def tensors(path):
    """The tensors of a learngene file or pack, which is a ZIP archive."""
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        return {name: value.float() for name, value in load(archive.read("tensors.safetensors")).items()}


def model(config, learngene, tailor, form="masked"):
    """The net with this tailor alone in its bank."""
    return DiT(config, learngene, {name: value[None] for name, value in tailor.items()}, form)


# A step with guidance: row 0 is the learngene alone, row 1 has the tailor.
GUIDED = (torch.tensor([[0], [0]]), torch.tensor([[0.0], [1.0]]))
