"""Weights by a formula, which the tests make as well: no file needs to hold them."""

import math

import numpy as np
import torch

# What scales normalised values.
GAINS = (
    "bn.weight",
    "norm1.weight",
    "norm2.weight",
    "layernorm.weight",
    "lambda1",
    "group_norm.weight",
    "norm_out.weight",
)


def uniform(stream, count):
    """Values in [-1, 1) by the finaliser of SplitMix64, of a number that counts them."""
    with np.errstate(over="ignore"):
        z = (np.uint64(stream) << np.uint64(32)) + np.arange(count, dtype=np.uint64)
        z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1).astype(np.float32)


def weights(shapes):
    """Each tensor by its place among the sorted names: large enough for signals to pass all layers."""
    tensors = {}
    for stream, (name, shape) in enumerate(sorted(shapes.items())):
        values = uniform(stream, math.prod(shape))
        if name.endswith("running_var"):
            values = 1 + np.float32(0.5) * values
        elif len(shape) > 1 and "embeddings.position" not in name and "token" not in name:
            values = np.float32(math.sqrt(6 / math.prod(shape[1:]))) * values
        elif name.endswith(GAINS):
            values = 1 + np.float32(0.2) * values
        else:
            values = np.float32(0.2) * values
        tensors[name] = torch.from_numpy(values.reshape(shape))
    return tensors


def listed(shapes):
    """What the tests make weights for."""
    return {f"shape.{name}": torch.tensor(shape) for name, shape in shapes.items()}
