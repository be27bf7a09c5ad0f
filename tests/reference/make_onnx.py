"""Writes the letters' net as ONNX, for onnxruntime-web: one step with guidance, a batch of two.

    python make_onnx.py OUT     # OUT/letters.onnx, and OUT/letters.json with inputs and what torch makes of them

Inputs are x [2,C,H,W] and t [2] from 0 to 1000; row 0 is the learngene alone, row 1 has the tailor of one class.
Every matrix stays factored, as in our engines: one product with the 48 + 3 columns of u, whose last three the gate
closes for row 0, and one with the rows of v, times σ.
"""

import argparse
import json
import math
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

import gallery
from dit import TIME_FEATURES, sincos_positions

OPSET = 20  # the first with Gelu
B = 2


class Net:
    """A graph under construction: each method adds nodes and gives back the name of what they compute."""

    def __init__(self, config, learngene, tailor):
        self.config, self.learngene, self.tailor = config, learngene, tailor
        self.nodes, self.constants = [], []

    def node(self, kind, *inputs, **attributes):
        name = f"{kind.lower()}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value):
        name = f"constant.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def floats(self, value):
        return self.constant(np.asarray(value, dtype=np.float32))

    def shape(self, *axes):
        return self.constant(np.array(axes, dtype=np.int64))

    def split(self, x, parts, axis=-1):
        first = len(self.nodes)
        names = [f"split.{first}.{i}" for i in range(parts)]
        self.nodes.append(helper.make_node("Split", [x], names, name=f"split.{first}", axis=axis, num_outputs=parts))
        return names

    def dense(self, name, x):
        weight, bias = (self.floats(self.learngene[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.node("Add", self.node("MatMul", x, weight), bias)

    def linear(self, name, x):
        """x [B,T,m1] -> [B,T,m2] by a matrix of a block, the tailor's components beside the learngene's."""
        if f"{name}.weight" in self.learngene:
            return self.dense(name, x)
        bias = self.floats(self.learngene[f"{name}.bias"])
        parts = [self.learngene] + ([self.tailor] if f"{name}.u" in self.tailor else [])
        u = torch.cat([part[f"{name}.u"] for part in parts], dim=1)
        v = torch.cat([part[f"{name}.sigma"][:, None] * part[f"{name}.v"] for part in parts])
        inner = self.node("MatMul", x, self.floats(u))
        shared = self.learngene[f"{name}.sigma"].numel()
        gate = np.ones((B, 1, u.shape[1]), dtype=np.float32)
        gate[0, :, shared:] = 0.0
        inner = self.node("Mul", inner, self.floats(gate))
        return self.node("Add", self.node("MatMul", inner, self.floats(v)), bias)

    def norm(self, x):
        width = self.config.width
        scale, shift = self.floats(np.ones(width)), self.floats(np.zeros(width))
        return self.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-6)

    def modulate(self, x, shift, scale):
        return self.node("Add", self.node("Mul", x, self.node("Add", scale, self.floats(1.0))), shift)

    def silu(self, x):
        return self.node("Mul", x, self.node("Sigmoid", x))

    def attention(self, q, k, v):
        """softmax(q kᵀ / sqrt(D/H)) v; q, k, v and the result are [B,T,D]."""
        tokens, width, heads = self.tokens(), self.config.width, self.config.heads
        apart = self.shape(B, tokens, heads, width // heads)
        q, k, v = (self.node("Reshape", x, apart) for x in (q, k, v))
        q = self.node("Transpose", q, perm=[0, 2, 1, 3])
        k = self.node("Transpose", k, perm=[0, 2, 3, 1])
        v = self.node("Transpose", v, perm=[0, 2, 1, 3])
        q = self.node("Mul", q, self.floats(1 / math.sqrt(width // heads)))
        attended = self.node("MatMul", self.node("Softmax", self.node("MatMul", q, k), axis=-1), v)
        return self.node("Reshape", self.node("Transpose", attended, perm=[0, 2, 1, 3]), self.shape(B, tokens, width))

    def block(self, layer, x, condition):
        def linear(matrix, y):
            return self.linear(f"blocks.{layer}.{matrix}", y)

        modulation = self.split(linear("adaln", condition), 6)
        shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = modulation
        y = self.modulate(self.norm(x), shift_msa, scale_msa)
        fused = "qkv" in self.config.block_matrices()
        qkv = self.split(linear("qkv", y), 3) if fused else [linear(matrix, y) for matrix in "qkv"]
        x = self.node("Add", x, self.node("Mul", gate_msa, linear("o", self.attention(*qkv))))
        y = self.modulate(self.norm(x), shift_mlp, scale_mlp)
        y = linear("out", self.node("Gelu", linear("in", y), approximate="none"))
        return self.node("Add", x, self.node("Mul", gate_mlp, y))

    def time(self, t):
        """t [B] -> [B,D]"""
        half = TIME_FEATURES // 2
        frequencies = np.exp(-math.log(10000) * np.arange(half) / half)
        angles = self.node("Mul", self.node("Unsqueeze", t, self.shape(1)), self.floats(frequencies[None]))
        features = self.node("Concat", self.node("Cos", angles), self.node("Sin", angles), axis=1)
        return self.dense("time.1", self.silu(self.dense("time.0", features)))

    def tokens(self):
        return (self.config.image_size // self.config.patch_size) ** 2

    def whole(self):
        """The output [B,C,H,W] of x [B,C,H,W] and t [B]."""
        config = self.config
        p, c = config.patch_size, config.channels
        side = config.image_size // p
        patches = self.node("Reshape", "x", self.shape(B, c, side, p, side, p))
        patches = self.node("Transpose", patches, perm=[0, 2, 4, 3, 5, 1])
        patches = self.node("Reshape", patches, self.shape(B, side * side, p * p * c))
        x = self.node("Add", self.dense("patch", patches), self.floats(sincos_positions(config)))
        label = torch.stack([self.learngene["label.null"], self.tailor["label"]])
        condition = self.silu(self.node("Add", self.time("t"), self.floats(label)))
        condition = self.node("Unsqueeze", condition, self.shape(1))
        for layer in range(config.depth):
            x = self.block(layer, x, condition)
        shift, scale = self.split(self.dense("final.adaln", condition), 2)
        out = self.dense("final.linear", self.modulate(self.norm(x), shift, scale))
        out = self.node("Reshape", out, self.shape(B, side, side, p, p, c))
        out = self.node("Transpose", out, perm=[0, 5, 1, 3, 2, 4])
        return self.node("Reshape", out, self.shape(B, c, side * p, side * p))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--class-id", default="latin-capital-a")
    args = parser.parse_args()
    config, learngene, tailor = gallery.read(name=args.class_id)
    image = [B, config.channels, config.image_size, config.image_size]

    net = Net(config, learngene, tailor)
    out = net.whole()
    floats = TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("x", floats, image), helper.make_tensor_value_info("t", floats, [B])]
    outputs = [helper.make_tensor_value_info(out, floats, image)]
    graph = helper.make_graph(net.nodes, "letters", inputs, outputs, net.constants)
    onnx_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(onnx_model, full_check=True)

    generator = torch.Generator().manual_seed(0)
    x, t = torch.randn(image, generator=generator), torch.tensor([600.0, 600.0])
    with torch.inference_mode():
        expected = gallery.model(config, learngene, tailor).forward(x, t, gallery.GUIDED)
    assert (expected[0] - expected[1]).abs().max() > 0.01, "both rows are alike: this would show no gate"
    session = onnxruntime.InferenceSession(onnx_model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": x.numpy(), "t": t.numpy()})
    difference = np.abs(found - expected.numpy()).max()
    assert difference < 1e-4, f"ONNX differs from torch by {difference}"

    args.out.mkdir(parents=True, exist_ok=True)
    onnx.save(onnx_model, args.out / "letters.onnx")
    example = {name: value.flatten().tolist() for name, value in (("x", x), ("t", t), ("out", expected))}
    (args.out / "letters.json").write_text(json.dumps(example | {"shape": image, "output": out}))
    print(f"letters.onnx: {len(net.nodes)} nodes, {difference:.1e} from torch at most")


if __name__ == "__main__":
    main()
