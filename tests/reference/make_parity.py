"""Writes fixtures/parity-*.safetensors: small random models with inputs, outputs and gradients.

Computed in f64 from f32 values and stored as f32, so the error that a test measures is its own.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file

from dit import Config, DiT, random_tensors

# Per sample a list of (tailor, weight): two one-hot gates, one gate off, one soft gate. No gate names tailor 2.
GATES = [[(3, 1.0)], [(0, 1.0)], [], [(1, 0.25), (3, 0.5)]]

# One-hot gates and one off, as in training.
SHARP = [[(3, 1.0)], [(0, 1.0)], [], [(1, 1.0)]]

def small(objective, **features):
    return Config(1, 8, 4, 16, 1, 2, 3, 2, ["qkv", "o", "in", "out"], objective, **features)


MODELS = {
    "fused": (5, Config(3, 8, 2, 32, 2, 4, 6, 2, ["qkv", "o", "in", "out", "adaln"], "flow")),
    "separate": (4, Config(1, 8, 4, 24, 2, 3, 5, 3, ["q", "k", "v", "o", "in", "out"], "ddpm")),
    "tanh": (4, small("flow", gelu="tanh")),
}


def main():
    torch.set_num_threads(1)
    for seed, (name, (classes, config)) in enumerate(MODELS.items()):
        path = pathlib.Path(__file__).parent / "fixtures" / f"parity-{name}.safetensors"
        gates = GATES if seed < 2 else SHARP
        tensors = fixture(config, classes, gates, torch.Generator().manual_seed(seed))
        tensors = {key: value.detach().contiguous() for key, value in tensors.items()}
        # One entry only: safetensors does not order the entries of its metadata.
        save_file(tensors, path, metadata={"config": json.dumps(config.told())})


def fixture(config, classes, gates, generator):
    f32 = {f"learngene.{n}": v for n, v in random_tensors(config.learngene_tensors(), generator).items()}
    for k in range(classes):
        tailor = random_tensors(config.tailor_tensors(), generator)
        f32 |= {f"tailor.{k}.{n}": v for n, v in tailor.items()}
    batch, side, channels = len(gates), config.image_size, config.channels
    tokens = (side // config.patch_size) ** 2
    f32["x"] = torch.randn(batch, channels, side, side, generator=generator)
    f32["target"] = torch.randn(batch, channels, side, side, generator=generator)
    f32["t"] = torch.tensor([0.0, 37.5, 500.0, 999.0])
    f32["block.x"] = torch.randn(batch, tokens, config.width, generator=generator)
    f32["block.s"] = torch.randn(batch, config.width, generator=generator)
    width = max(len(gate) for gate in gates)
    padded = [gate + [(0, 0.0)] * (width - len(gate)) for gate in gates]
    f32["gate.class"] = torch.tensor([[c for c, _ in gate] for gate in padded], dtype=torch.int32)
    f32["gate.weight"] = torch.tensor([[w for _, w in gate] for gate in padded])

    leaves = {n: v.double().requires_grad_() for n, v in f32.items() if n.startswith(("learngene.", "tailor."))}
    masked, gathered = (run(config, classes, leaves, f32, form) for form in ("masked", "gathered"))
    for name, value in masked.items():
        assert (value - gathered[name]).abs().max() < 1e-5, name
    return f32 | {name: value.float() for name, value in gathered.items()}


def run(config, classes, leaves, inputs, form):
    """Output, loss, gradients and the output of block 0 alone."""
    learngene = {n: leaves[f"learngene.{n}"] for n in config.learngene_tensors()}
    bank = {n: torch.stack([leaves[f"tailor.{k}.{n}"] for k in range(classes)]) for n in config.tailor_tensors()}
    model = DiT(config, learngene, bank, form)
    gate = (inputs["gate.class"].long(), inputs["gate.weight"].double())
    out = model.forward(inputs["x"].double(), inputs["t"].double(), gate)
    loss = (out - inputs["target"].double()).square().mean()
    gradients = torch.autograd.grad(loss, list(leaves.values()), retain_graph=True)
    block = model.block(0, inputs["block.x"].double(), inputs["block.s"].double(), gate)
    return {"out": out, "loss": loss, "block.out": block} | {f"grad.{n}": g for n, g in zip(leaves, gradients)}


if __name__ == "__main__":
    main()
