"""One linear layer adapted by Hugging Face's `peft`: writes ../../native-trainer/tests/fixtures/peft.safetensors.

    python make_peft.py

For each method: the layer's weight and what trains, both before and after three steps of AdamW on the squared error, and
the layer's output before them. SVDiff, which `peft` does not have, is written out in PyTorch. All in f64, rounded once.
Matrices stand as we have them, `y = x·W`: transposed from PyTorch's.
"""

import torch
from peft import LoHaConfig, LoraConfig, OFTConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn

INPUTS, OUTPUTS, RANK, BLOCKS, ROWS = 12, 20, 4, 3, 7
STEPS, RATE = 3, 1e-2
TARGETS = {"target_modules": ["layer"]}


class Layer(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.layer = nn.Linear(INPUTS, OUTPUTS, bias=False)
        self.layer.weight.data = weight.float()  # PiSSA begins in f32 alone

    def forward(self, x):
        return self.layer(x)


class SvDiff(nn.Module):
    """`P·diag(relu(s + δ))·Qᵀ` (SVDiff, Han et al. 2023, eq. 3)."""

    def __init__(self, weight):
        super().__init__()
        self.p, self.s, self.q = torch.linalg.svd(weight, full_matrices=False)
        self.shift = nn.Parameter(torch.zeros_like(self.s))

    def forward(self, x):
        return x @ ((self.p * torch.relu(self.s + self.shift)) @ self.q).T


def adapted(name, weight):
    """The model, and its trained tensors in our order and layout, as functions of the model."""
    low = {"r": RANK, "lora_alpha": RANK, **TARGETS}
    if name == "svdiff":
        return SvDiff(weight), [lambda m: m.shift[None]]
    config = {
        "lora": lambda: LoraConfig(**low),
        "pissa": lambda: LoraConfig(init_lora_weights="pissa", **low),
        "dora": lambda: LoraConfig(use_dora=True, **low),
        "loha": lambda: LoHaConfig(r=RANK, alpha=RANK, **TARGETS),
        "oft": lambda: OFTConfig(r=BLOCKS, oft_block_size=0, use_cayley_neumann=False, **TARGETS),
    }[name]()
    model = get_peft_model(Layer(weight), config).double()
    layer = model.base_model.model.layer
    if name == "loha":
        pick = [
            # Ours are A·B with the inputs first: the transposed factors in the other order.
            lambda m: layer.hada_w1_b["default"].T,
            lambda m: layer.hada_w1_a["default"].T,
            lambda m: layer.hada_w2_b["default"].T,
            lambda m: layer.hada_w2_a["default"].T,
        ]
    elif name == "oft":
        pick = [lambda m: layer.oft_R["default"].weight]
    else:
        pick = [lambda m: layer.lora_A["default"].weight.T, lambda m: layer.lora_B["default"].weight.T]
        if name == "dora":
            pick.append(lambda m: layer.lora_magnitude_vector["default"].weight[None])
    return model, pick


def main():
    generator = torch.Generator().manual_seed(7)
    normal = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)
    x, target = normal(ROWS, INPUTS).float().double(), normal(ROWS, OUTPUTS).float().double()
    tensors = {"x": x, "target": target}
    for name in ["lora", "pissa", "dora", "loha", "oft", "svdiff"]:
        weight = (normal(OUTPUTS, INPUTS) / INPUTS**0.5).float().double()
        torch.manual_seed(3)
        model, pick = adapted(name, weight)
        trained = [p for p in model.parameters() if p.requires_grad]
        if name != "pissa":
            # Away from where half of the gradients are zero.
            with torch.no_grad():
                for p in trained:
                    p.copy_((p + 0.1 * normal(*p.shape)).float().double())
        tensors[f"{name}.weight"] = weight.T
        for i, get in enumerate(pick):
            tensors[f"{name}.before.{i}"] = get(model).detach().clone()
        tensors[f"{name}.output"] = model(x).detach()
        optimiser = torch.optim.AdamW(trained, lr=RATE, betas=(0.9, 0.99), eps=1e-8, weight_decay=0)
        for _ in range(STEPS):
            optimiser.zero_grad()
            ((model(x) - target) ** 2).mean().backward()
            optimiser.step()
        for i, get in enumerate(pick):
            tensors[f"{name}.after.{i}"] = get(model).detach().clone()
        tensors[f"{name}.output_after"] = model(x).detach()
    tensors = {key: value.float().contiguous() for key, value in tensors.items()}
    save_file(tensors, "../../native-trainer/tests/fixtures/peft.safetensors")


if __name__ == "__main__":
    main()
