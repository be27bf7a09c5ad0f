"""Training speed of a dense DiT on an NVIDIA GPU, as fast as PyTorch makes it: prints one line of JSON.

    python bench_cuda.py --preset dit-b-2 --batch 256

bf16 autocast over f32 weights, torch.compile, scaled_dot_product_attention, fused AdamW and EMA.
"""

import argparse
import json
import math
import time

import torch
from torch import nn
from torch.nn import functional as F

# D, L, heads of DiT at patch 2 (Peebles & Xie 2023, Table 1).
PRESETS = {"dit-s-2": (384, 12, 6), "dit-b-2": (768, 12, 12), "dit-l-2": (1024, 24, 16)}
CHANNELS, SIDE, PATCH, CLASSES = 4, 32, 2, 1000


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(d, elementwise_affine=False, eps=1e-6)
        self.qkv, self.o = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))
        self.modulation = nn.Linear(d, 6 * d)

    def forward(self, x, condition):
        b, t, d = x.shape
        shift, scale, gate, shift_m, scale_m, gate_m = self.modulation(condition)[:, None].chunk(6, dim=2)
        h = self.norm(x) * (1 + scale) + shift
        q, k, v = self.qkv(h).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d)
        x = x + gate * self.o(h)
        return x + gate_m * self.mlp(self.norm(x) * (1 + scale_m) + shift_m)


class DiT(nn.Module):
    def __init__(self, d, depth, heads):
        super().__init__()
        self.patch = nn.Conv2d(CHANNELS, d, PATCH, PATCH)
        self.positions = nn.Buffer(torch.randn(1, (SIDE // PATCH) ** 2, d))
        self.time = nn.Sequential(nn.Linear(256, d), nn.SiLU(), nn.Linear(d, d))
        self.label = nn.Embedding(CLASSES + 1, d)
        self.blocks = nn.ModuleList(Block(d, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(d, elementwise_affine=False, eps=1e-6)
        self.modulation, self.final = nn.Linear(d, 2 * d), nn.Linear(d, PATCH * PATCH * CHANNELS)

    def forward(self, x, t, label):
        frequencies = torch.exp(-math.log(10_000) * torch.arange(128, device=x.device) / 128)
        angles = t[:, None] * frequencies
        condition = F.silu(self.time(torch.cat([angles.cos(), angles.sin()], 1)) + self.label(label))
        tokens = self.patch(x).flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            tokens = block(tokens, condition)
        shift, scale = self.modulation(condition)[:, None].chunk(2, dim=2)
        return self.final(self.norm(tokens) * (1 + scale) + shift)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", choices=PRESETS, default="dit-b-2")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--warm-up", type=int, default=10)
    args = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    model = DiT(*PRESETS[args.preset]).cuda()
    ema = [p.detach().clone() for p in model.parameters()]
    compiled = torch.compile(model)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0, fused=True)

    def step():
        image, noise = torch.randn(2, args.batch, CHANNELS, SIDE, SIDE, device="cuda")
        t = torch.rand(args.batch, device="cuda")
        label = torch.randint(CLASSES, (args.batch,), device="cuda")
        mixed = torch.lerp(image, noise, t[:, None, None, None])
        target = F.unfold(noise - image, PATCH, stride=PATCH).transpose(1, 2)
        with torch.autocast("cuda", torch.bfloat16):
            loss = (compiled(mixed, 1000 * t, label).float() - target).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        torch._foreach_lerp_(ema, [p.detach() for p in model.parameters()], 1e-4)

    for _ in range(args.warm_up):
        step()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(args.steps):
        step()
    torch.cuda.synchronize()
    rate = args.steps * args.batch / (time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated()
    print(json.dumps({"images_per_second": round(rate, 1), "peak_memory": peak, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
