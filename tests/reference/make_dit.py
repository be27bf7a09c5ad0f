"""Writes small DiTs with random weights, in the layout of facebookresearch/DiT, and what they compute.

    python make_dit.py     # fixtures/dit.pt, dit.safetensors, dit-exact.safetensors, dit-out.safetensors

`dit.pt` is a checkpoint of training as DiT's own program writes it: a dictionary of the weights, of their
moving average and of the program's arguments. `dit.safetensors` holds the same moving average. Both have
DiT's tanh GELU and learned variance; `dit-exact` has the exact GELU and no learned variance. Weights are
`[out, in]`, as in PyTorch, and none of them is zero.
"""

import argparse
import collections
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

OUT = pathlib.Path(__file__).parent / "fixtures"
CHANNELS, SIDE, PATCH, WIDTH, DEPTH, HEADS, CLASSES = 4, 8, 2, 8, 2, 2, 3


def sincos(width, places):
    omega = 1.0 / 10000 ** (np.arange(width // 2, dtype=np.float64) / (width / 2))
    angles = np.outer(places.reshape(-1), omega)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def positions(width, side):
    columns, rows = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32))
    return np.concatenate([sincos(width // 2, columns), sincos(width // 2, rows)], axis=1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, HEADS, d // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        x = F.softmax(q @ k.transpose(-2, -1) * (d // HEADS) ** -0.5, dim=-1) @ v
        return self.proj(x.transpose(1, 2).reshape(b, t, d))


class Mlp(nn.Module):
    def __init__(self, approximate):
        super().__init__()
        self.fc1, self.fc2, self.approximate = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH), approximate

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate=self.approximate))


def norm(x):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def modulate(x, shift, scale):
    return x * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)


class Block(nn.Module):
    def __init__(self, approximate):
        super().__init__()
        self.attn, self.mlp = Attention(), Mlp(approximate)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, 6 * WIDTH))

    def forward(self, x, c):
        shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = self.adaLN_modulation(c).chunk(6, dim=1)
        x = x + gate_msa.unsqueeze(1) * self.attn(modulate(norm(x), shift_msa, scale_msa))
        return x + gate_mlp.unsqueeze(1) * self.mlp(modulate(norm(x), shift_mlp, scale_mlp))


class Final(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(WIDTH, PATCH * PATCH * channels)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, 2 * WIDTH))

    def forward(self, x, c):
        shift, scale = self.adaLN_modulation(c).chunk(2, dim=1)
        return self.linear(modulate(norm(x), shift, scale))


class Named(nn.Module):
    """A module that only lends its name to others."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


class DiT(nn.Module):
    def __init__(self, approximate, learned_variance):
        super().__init__()
        self.channels = CHANNELS * (2 if learned_variance else 1)
        self.x_embedder = Named(proj=nn.Conv2d(CHANNELS, WIDTH, PATCH, PATCH))
        self.t_embedder = Named(mlp=nn.Sequential(nn.Linear(256, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH)))
        self.y_embedder = Named(embedding_table=nn.Embedding(CLASSES + 1, WIDTH))
        table = torch.from_numpy(positions(WIDTH, SIDE // PATCH)).float().unsqueeze(0)
        self.pos_embed = nn.Parameter(table, requires_grad=False)
        self.blocks = nn.ModuleList([Block(approximate) for _ in range(DEPTH)])
        self.final_layer = Final(self.channels)

    def forward(self, x, t, y):
        """x [B,C,H,W], t [B], y [B] with CLASSES for the null label -> [B,C or 2C,H,W]"""
        half = 128
        angles = t[:, None] * torch.exp(-math.log(10000) * torch.arange(half, dtype=t.dtype) / half)[None]
        c = self.t_embedder.mlp(torch.cat([angles.cos(), angles.sin()], dim=-1).to(x.dtype))
        c = c + self.y_embedder.embedding_table(y)
        x = self.x_embedder.proj(x).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            x = block(x, c)
        x, side = self.final_layer(x, c), SIDE // PATCH
        x = x.reshape(-1, side, side, PATCH, PATCH, self.channels)
        return torch.einsum("nhwpqc->nchpwq", x).reshape(-1, self.channels, SIDE, SIDE)


def made(seed, approximate, learned_variance):
    torch.manual_seed(seed)
    model = DiT(approximate, learned_variance)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name != "pos_embed":
                scale = 0.3 if value.ndim == 1 else value[0].numel() ** -0.5
                value.copy_(torch.randn_like(value) * scale)
    return model.eval()


@torch.inference_mode()
def main():
    x, t = torch.randn(3, CHANNELS, SIDE, SIDE, generator=torch.Generator().manual_seed(5)), torch.tensor([0.0, 371.0, 999.0])
    y = torch.tensor([0, 2, CLASSES])
    out = {"x": x, "t": t, "y": y.int()}
    for name, seed, settings in [("dit", 1, ("tanh", True)), ("dit-exact", 2, ("none", False))]:
        model = made(seed, *settings)
        weights = {key: value.contiguous() for key, value in model.state_dict().items()}
        save_file(weights, OUT / f"{name}.safetensors")
        out[f"{name}.out"] = model.double()(x.double(), t.double(), y).float()
        if name == "dit":
            other = made(9, *settings).state_dict()
            average = collections.OrderedDict((key, value.float()) for key, value in model.state_dict().items())
            args = argparse.Namespace(model="DiT-tiny/2", num_classes=CLASSES, lr=1e-4)
            torch.save({"model": other, "ema": average, "opt": {"state": {}, "param_groups": [{"lr": 1e-4}]}, "args": args}, OUT / f"{name}.pt")
    save_file(out, OUT / "dit-out.safetensors")


if __name__ == "__main__":
    main()
