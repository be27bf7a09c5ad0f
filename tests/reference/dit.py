"""The model in plain PyTorch: a DiT (Peebles & Xie 2023) whose matrices are sums of components (KIND).

Written to be read beside the paper and to be held against the Rust model. Weights are `[in, out]`,
`y = x @ W + b`. Names and shapes of tensors are those of `ModelConfig` in `tailor-packs`.

Letters: B batch, T tokens, D width, H heads, G learngene components, N components per tailor,
K tailors in the bank, M tailors per sample, C channels, p patch side.
"""

import dataclasses
import math

import torch
import torch.nn.functional as F

TIME_FEATURES = 256
STRIDES = 5  # rows of the table of strides, which says how far the next step goes
ALL = ["qkv", "q", "k", "v", "o", "in", "out", "adaln"]  # the order in which tensors are listed


@dataclasses.dataclass
class Config:
    """Field names are those of the serialised `ModelConfig`."""

    channels: int
    image_size: int
    patch_size: int
    width: int
    depth: int
    heads: int
    learngene_components: int
    tailor_components: int
    factored: list[str]
    objective: str
    gelu: str = "exact"
    learned_variance: bool = False
    norm: str = "layer"
    qk_norm: bool = False
    rope: bool = False
    swiglu: bool = False
    clean_output: bool = False
    few_steps: bool = False

    def told(self):
        """The fields as JSON has them: what is as by default is left out."""
        fields = dataclasses.fields(self)
        return {f.name: getattr(self, f.name) for f in fields if getattr(self, f.name) != f.default}

    def widths(self, matrix):
        d = self.width
        hidden = 8 * round(d / 3) if self.swiglu else 4 * d
        wide = 2 * hidden if self.swiglu else hidden
        return {"qkv": (d, 3 * d), "in": (d, wide), "out": (hidden, d), "adaln": (d, 6 * d)}.get(matrix, (d, d))

    def block_matrices(self):
        separate = any(m in self.factored for m in ("q", "k", "v"))
        return [m for m in ALL if m not in (("qkv",) if separate else ("q", "k", "v"))]

    def learngene_tensors(self):
        """Name -> shape of every tensor that the classes share."""
        d, g, patch = self.width, self.learngene_components, self.patch_size**2 * self.channels
        shapes = {
            "patch.weight": (patch, d),
            "patch.bias": (d,),
            "time.0.weight": (TIME_FEATURES, d),
            "time.0.bias": (d,),
            "time.1.weight": (d, d),
            "time.1.bias": (d,),
            "label.null": (d,),
        }
        if self.few_steps:
            shapes["stride.table"] = (STRIDES, d)
        for layer in range(self.depth):
            for matrix in self.block_matrices():
                name, (m1, m2) = f"blocks.{layer}.{matrix}", self.widths(matrix)
                if matrix in self.factored:
                    shapes |= {f"{name}.u": (m1, g), f"{name}.sigma": (g,), f"{name}.v": (g, m2)}
                else:
                    shapes[f"{name}.weight"] = (m1, m2)
                shapes[f"{name}.bias"] = (m2,)
            if self.qk_norm:
                shapes |= {f"blocks.{layer}.{which}_norm": (d // self.heads,) for which in "qk"}
        shapes |= {"final.adaln.weight": (d, 2 * d), "final.adaln.bias": (2 * d,)}
        outputs = 2 * patch if self.learned_variance else patch
        return shapes | {"final.linear.weight": (d, outputs), "final.linear.bias": (outputs,)}

    def tailor_tensors(self):
        """Name -> shape of every tensor of one class."""
        n, shapes = self.tailor_components, {"label": (self.width,)}
        for layer in range(self.depth):
            for matrix in (m for m in ALL if m in self.factored):
                name, (m1, m2) = f"blocks.{layer}.{matrix}", self.widths(matrix)
                shapes |= {f"{name}.u": (m1, n), f"{name}.sigma": (n,), f"{name}.v": (n, m2)}
        return shapes


class DiT:
    """`learngene`: name -> tensor. `bank`: name -> tensor with a leading axis over K tailors.

    `form` says how tailors take part: "masked" multiplies every component of the bank by the expanded
    gate, "gathered" multiplies each sample with its own tailors only. Both give the same result.
    """

    def __init__(self, config, learngene, bank, form):
        assert form in ("masked", "gathered")
        self.config, self.learngene, self.bank, self.form = config, learngene, bank, form
        like = learngene["patch.weight"]
        self.positions = sincos_positions(config).to(like)
        self.turns = rotary(config).to(like.dtype.to_complex()) if config.rope else None

    def forward(self, x, t, gate, stride=None):
        """x [B,C,H,W], t [B] from 0 to 1000, stride [B] int in a model for few steps, gate = (class [B,M] int, weight [B,M]) -> [B,C,H,W], or [B,2C,H,W] with variances"""
        tokens = self.dense("patch", patchify(self.config, x)) + self.positions
        s = self.time(t) + self.label(gate)  # [B,D]
        if self.config.few_steps:
            s = s + self.learngene["stride.table"][stride]
        s = F.silu(s)
        for layer in range(self.config.depth):
            tokens = self.block(layer, tokens, s, gate)
        shift, scale = self.dense("final.adaln", s).chunk(2, dim=-1)
        out = unpatchify(self.config, self.dense("final.linear", modulate(self.norm(tokens), shift, scale)))
        if self.config.clean_output:
            # The network gives x0, and x_t - x0 is t times the velocity: arXiv 2511.13720, with its bound on 1/t.
            out = (x - out) / (t / 1000).clamp(min=0.05)[:, None, None, None]
        return out

    def block(self, layer, x, s, gate):
        """adaLN-Zero block. x [B,T,D], s [B,D] = silu(time + label)"""

        def linear(matrix, y):
            return self.linear(f"blocks.{layer}.{matrix}", y, gate)

        modulation = linear("adaln", s[:, None])[:, 0].chunk(6, dim=-1)
        shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = modulation
        y = modulate(self.norm(x), shift_msa, scale_msa)
        fused = "qkv" in self.config.block_matrices()
        qkv = linear("qkv", y).chunk(3, dim=-1) if fused else [linear(m, y) for m in "qkv"]
        x = x + gate_msa[:, None] * linear("o", self.attention(layer, *qkv))
        y = modulate(self.norm(x), shift_mlp, scale_mlp)
        return x + gate_mlp[:, None] * linear("out", self.activate(linear("in", y)))

    def norm(self, x):
        if self.config.norm == "rms":
            return F.rms_norm(x, x.shape[-1:], eps=1e-6)
        return F.layer_norm(x, x.shape[-1:], eps=1e-6)

    def attention(self, layer, q, k, v):
        """softmax(q kᵀ / sqrt(D/H)) v per head; q, k, v [B,T,D], heads lie side by side in D."""
        q, k, v = (y.unflatten(-1, (self.config.heads, -1)).transpose(1, 2) for y in (q, k, v))
        if self.config.qk_norm:
            q, k = (
                F.rms_norm(y, y.shape[-1:], 1 + self.learngene[f"blocks.{layer}.{which}_norm"], eps=1e-6)
                for which, y in (("q", q), ("k", k))
            )
        if self.config.rope:
            q, k = (torch.view_as_real(as_complex(y) * self.turns).transpose(-1, -2).flatten(-2) for y in (q, k))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def activate(self, y):
        if self.config.swiglu:
            gate, value = y.chunk(2, dim=-1)
            return F.silu(gate) * value
        return F.gelu(y, approximate="tanh" if self.config.gelu == "tanh" else "none")

    def time(self, t):
        return self.dense("time.1", F.silu(self.dense("time.0", time_features(t))))

    def label(self, gate):
        classes, weight = gate
        rows = (weight[..., None] * self.bank["label"][classes]).sum(1)
        return (1 - weight.sum(1, keepdim=True)) * self.learngene["label.null"] + rows

    def dense(self, name, x):
        return x @ self.learngene[f"{name}.weight"] + self.learngene[f"{name}.bias"]

    def linear(self, name, x, gate):
        """x [B,T,m1] -> [B,T,m2] by a matrix of a block, factored or not."""
        if f"{name}.weight" in self.learngene:
            return self.dense(name, x)
        return getattr(self, self.form)(name, x, gate) + self.learngene[f"{name}.bias"]

    def masked(self, name, x, gate):
        (u, sigma, v), (us, sigmas, vs) = factors(self.learngene, name), factors(self.bank, name)
        k, n = sigmas.shape
        u = torch.cat([u, us.permute(1, 0, 2).flatten(1)], dim=1)  # [m1, G+K*N]
        sigma = torch.cat([sigma, sigmas.flatten()])
        v = torch.cat([v, vs.flatten(0, 1)])
        opened = torch.zeros(len(x), k, dtype=x.dtype).scatter_add(1, *gate).repeat_interleave(n, dim=1)
        mask = torch.cat([torch.ones(len(x), len(sigma) - k * n, dtype=x.dtype), opened], dim=1)
        return (x @ u * sigma * mask[:, None]) @ v

    def gathered(self, name, x, gate):
        (u, sigma, v), (us, sigmas, vs) = factors(self.learngene, name), factors(self.bank, name)
        classes, weight = gate
        shared = (x @ u * sigma) @ v
        us = us[classes].permute(0, 2, 1, 3).flatten(2)  # [B,m1,M*N]
        sigmas = (weight[..., None] * sigmas[classes]).flatten(1)
        vs = vs[classes].flatten(1, 2)
        return shared + (x @ us * sigmas[:, None]) @ vs


def factors(tensors, name):
    return tensors[f"{name}.u"], tensors[f"{name}.sigma"], tensors[f"{name}.v"]


def modulate(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


def as_complex(y):
    """Values i and i + half of the last axis as the parts of one complex number."""
    return torch.complex(*y.chunk(2, dim=-1))


def rotary(config):
    """[T, head/2] complex: the first half of a head's pairs is turned by the column, the second by the row."""
    side, quarter = config.image_size // config.patch_size, config.width // config.heads // 4
    omega = 10000.0 ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
    angles = torch.arange(side, dtype=torch.float64)[:, None] * omega
    angles = torch.cat([angles.repeat(side, 1), angles.repeat_interleave(side, dim=0)], dim=1)
    return torch.polar(torch.ones_like(angles), angles)


def patchify(config, x):
    """[B,C,H,W] -> [B,T,p*p*C], patches by rows, values in the order (row, column, channel)."""
    p = config.patch_size
    return x.unflatten(3, (-1, p)).unflatten(2, (-1, p)).permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def unpatchify(config, tokens):
    p, side = config.patch_size, config.image_size // config.patch_size
    x = tokens.unflatten(2, (p, p, -1)).unflatten(1, (side, side))
    return x.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def sincos_positions(config):
    """[T,D]: the first half of D tells the column, the second the row; each half sines, then cosines."""
    side, quarter = config.image_size // config.patch_size, config.width // 4
    omega = 10000.0 ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
    angles = torch.arange(side, dtype=torch.float64)[:, None] * omega
    table = torch.cat([angles.sin(), angles.cos()], dim=1)  # [side, D/2]
    return torch.cat([table.repeat(side, 1), table.repeat_interleave(side, dim=0)], dim=1)


def time_features(t):
    """t [B] -> [B,256]: cosines, then sines, of falling frequencies."""
    half = TIME_FEATURES // 2
    angles = t[:, None] * torch.exp(-math.log(10000) * torch.arange(half, dtype=t.dtype) / half)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def random_tensors(shapes, generator):
    """Seeded weights, none of them zero, at scales that keep activations near one."""

    def draw(name, shape):
        noise = torch.randn(shape, generator=generator)
        if name.endswith("sigma"):
            return 1 + 0.3 * noise
        return noise * (0.1 if name.endswith("bias") else shape[0] ** -0.5 if len(shape) == 2 else 0.5)

    return {name: draw(name, shape) for name, shape in shapes.items()}
