"""Writes fixtures/parity-*.safetensors: small random models with inputs, outputs and gradients.

Computed in f64 from f32 values and stored as f32, so the error that a test measures is its own.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file

from dit import Config, DiT, patchify, random_tensors

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
    "variance": (4, small("ddpm", learned_variance=True)),
    "qk-norm": (4, small("flow", qk_norm=True)),
    "rms-norm": (4, small("flow", norm="rms")),
    "rope": (4, small("flow", rope=True)),
    "swiglu": (4, small("flow", swiglu=True)),
    "features": (4, small("ddpm", norm="rms", qk_norm=True, rope=True, swiglu=True, learned_variance=True)),
    "clean": (4, small("flow", clean_output=True)),
    "cosine": (4, small("flow")),
    "few-steps": (4, small("flow", few_steps=True)),
}


def main():
    torch.set_num_threads(1)
    for seed, (name, (classes, config)) in enumerate(MODELS.items()):
        path = pathlib.Path(__file__).parent / "fixtures" / f"parity-{name}.safetensors"
        gates = GATES if seed < 2 else SHARP
        weight = 0.7 if name == "cosine" else 0.0
        tensors = fixture(config, classes, gates, weight, torch.Generator().manual_seed(seed))
        tensors = {key: value.detach().contiguous() for key, value in tensors.items()}
        # One entry only: safetensors does not order the entries of its metadata.
        save_file(tensors, path, metadata={"config": json.dumps(config.told())})


def fixture(config, classes, gates, cosine, generator):
    f32 = {f"learngene.{n}": v for n, v in random_tensors(config.learngene_tensors(), generator).items()}
    for k in range(classes):
        tailor = random_tensors(config.tailor_tensors(), generator)
        f32 |= {f"tailor.{k}.{n}": v for n, v in tailor.items()}
    batch, side, channels = len(gates), config.image_size, config.channels
    tokens = (side // config.patch_size) ** 2
    f32["x"] = torch.randn(batch, channels, side, side, generator=generator)
    f32["target"] = torch.randn(batch, channels, side, side, generator=generator)
    f32["t"] = torch.tensor([0.0, 37.5, 500.0, 999.0])
    if config.few_steps:
        f32["stride"] = torch.tensor([3, 0, 4, 1], dtype=torch.int32)
    f32["block.x"] = torch.randn(batch, tokens, config.width, generator=generator)
    f32["block.s"] = torch.randn(batch, config.width, generator=generator)
    width = max(len(gate) for gate in gates)
    padded = [gate + [(0, 0.0)] * (width - len(gate)) for gate in gates]
    f32["gate.class"] = torch.tensor([[c for c, _ in gate] for gate in padded], dtype=torch.int32)
    f32["gate.weight"] = torch.tensor([[w for _, w in gate] for gate in padded])

    leaves = {n: v.double().requires_grad_() for n, v in f32.items() if n.startswith(("learngene.", "tailor."))}
    if cosine:
        f32["cosine"] = torch.tensor([cosine])
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
    stride = inputs["stride"].long() if config.few_steps else None
    out = model.forward(inputs["x"].double(), inputs["t"].double(), gate, stride)
    target = inputs["target"].double()
    loss = (out[:, : config.channels] - target).square().mean()
    if config.learned_variance:
        loss = loss + bits(out, inputs["x"].double(), target, inputs["t"].long()).mean()
    if "cosine" in inputs:
        # LightningDiT's second loss (arXiv 2501.01423): its vectors are a latent cell's channels, ours a patch's values.
        # A thousandth of a unit in each value keeps the first gradient of an output of zeros small.
        ours, theirs = patchify(config, out), patchify(config, target)
        lengths = (ours.square().mean(-1) + 1e-3) * (theirs.square().mean(-1) + 1e-3)
        cosine = (ours * theirs).mean(-1) / lengths.sqrt()
        loss = loss + inputs["cosine"].double().item() * (1 - cosine).mean()
    gradients = torch.autograd.grad(loss, list(leaves.values()), retain_graph=True)
    block = model.block(0, inputs["block.x"].double(), inputs["block.s"].double(), gate)
    return {"out": out, "loss": loss, "block.out": block} | {f"grad.{n}": g for n, g in zip(leaves, gradients)}


def bits(out, x, noise, t):
    """Per value the term of the variational bound, in bits: Nichol & Dhariwal 2021, eqs. 4 to 6 and 15.

    The mean's prediction is held fixed. Written with torch.distributions from the paper's equations.
    """
    predicted, v = out.chunk(2, dim=1)
    predicted = predicted.detach()
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    cumulated = torch.cumprod(1 - betas, 0)
    before = torch.cat([torch.ones(1, dtype=torch.float64), cumulated[:-1]])
    posterior = betas * (1 - before) / (1 - cumulated)
    posterior[0] = posterior[1]
    a, b, beta, variance = (values[t].reshape(-1, 1, 1, 1) for values in (cumulated, before, betas, posterior))

    def mean(noise):
        clean = (x - (1 - a).sqrt() * noise) / a.sqrt()
        return (beta * b.sqrt() * clean + (1 - b) * (1 - beta).sqrt() * x) / (1 - a), clean

    (true, clean), (ours, _) = mean(noise), mean(predicted)
    deviation = torch.exp(((v + 1) / 2 * beta.log() + (1 - v) / 2 * variance.log()) / 2)
    normal = torch.distributions.Normal
    kl = torch.distributions.kl_divergence(normal(true, variance.sqrt().expand_as(true)), normal(ours, deviation))

    def cdf(z):
        return 0.5 * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (z + 0.044715 * z**3)))

    above, below = (cdf((clean - ours + side / 255) / deviation) for side in (1, -1))
    likelihood = torch.where(clean < -0.999, above, torch.where(clean > 0.999, 1 - below, above - below))
    decoder = -likelihood.clamp(min=1e-12).log()
    return torch.where(t.reshape(-1, 1, 1, 1) == 0, decoder, kl) / torch.log(torch.tensor(2.0, dtype=torch.float64))


if __name__ == "__main__":
    main()
