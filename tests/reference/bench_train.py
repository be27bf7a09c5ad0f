"""Training speed of the letters preset in plain PyTorch, on random data: prints one line of JSON.

    python bench_train.py --steps 30 --batch 64 --threads 2 --form gathered

The step is the Rust trainer's: flow matching, labels dropped for guidance, one tailor per image gathered
from a bank beside the graph, AdamW and EMA on the learngene and on the rows of the classes in the batch.
"""

import argparse
import json
import math
import time

import torch

from dit import ALL, Config, DiT, random_tensors

CLASSES, DROPPED, RATE, DECAY = 62, 0.1, 1e-4, 0.9999


def letters(form, features):
    factored = [] if form == "dense" else [m for m in ALL if m not in ("q", "k", "v")]
    return Config(1, 32, 4, 160, 6, 5, 48, 3, factored, "flow", **features)


class Bank:
    """All tailors as one matrix [K, values per tailor], with its own AdamW state per row."""

    def __init__(self, config, generator):
        self.shapes = config.tailor_tensors()
        tailors = [random_tensors(self.shapes, generator) for _ in range(CLASSES)]
        self.rows = torch.stack([torch.cat([v.flatten() for v in tailor.values()]) for tailor in tailors])
        self.moments = [torch.zeros_like(self.rows) for _ in range(2)]
        self.ema = self.rows.clone()
        self.steps = torch.zeros(CLASSES, 1)

    def views(self, rows):
        """[k, values] -> name -> [k, *shape]"""
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        parts = rows.split(sizes, dim=1)
        return {name: part.unflatten(1, shape) for (name, shape), part in zip(self.shapes.items(), parts)}

    def adamw(self, present, leaf, betas=(0.9, 0.999), eps=1e-8):
        """Plain AdamW (weight decay 0) on the rows of the present classes; other rows stay untouched."""
        self.steps[present] += 1
        first, second = (m[present] for m in self.moments)
        first.lerp_(leaf.grad, 1 - betas[0])
        second.mul_(betas[1]).addcmul_(leaf.grad, leaf.grad, value=1 - betas[1])
        unbiased, variance = (1 - beta ** self.steps[present] for beta in betas)
        denominator = second.sqrt().div_(variance.sqrt()).add_(eps)
        rows = leaf.detach() - (RATE / unbiased) * first.div(denominator)
        ema = self.ema[present].lerp_(rows, 1 - DECAY)
        for whole, part in zip((self.rows, *self.moments, self.ema), (rows, first, second, ema)):
            whole[present] = part


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--features", type=json.loads, default={}, help='fields of the config, as {"rope": true}')
    parser.add_argument("--form", choices=["gathered", "masked", "dense"], default="gathered")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    config, generator = letters(args.form, args.features), torch.Generator().manual_seed(0)
    learngene = random_tensors(config.learngene_tensors(), generator)
    bank = Bank(config, generator)
    parameters = [v.requires_grad_() for v in learngene.values()]
    ema = [v.detach().clone() for v in parameters]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0, fused=True)

    def step():
        side = config.image_size
        image, noise = torch.randn(2, args.batch, config.channels, side, side, generator=generator)
        t = torch.rand(args.batch, generator=generator)
        classes = torch.randint(CLASSES, (args.batch,), generator=generator)
        kept = torch.rand(args.batch, generator=generator) >= DROPPED
        if args.form == "masked":
            present, own = torch.arange(CLASSES), classes
        else:
            present, own = classes[kept].unique(), torch.zeros_like(classes)
            own[kept] = torch.searchsorted(present, classes[kept])
        gate = (own[:, None], kept[:, None].float())
        leaf = bank.rows[present].requires_grad_()
        form = "masked" if args.form == "masked" else "gathered"
        model = DiT(config, learngene, bank.views(leaf), form)
        mixed = torch.lerp(image, noise, t[:, None, None, None])
        loss = (model.forward(mixed, 1000 * t, gate) - (noise - image)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        torch._foreach_lerp_(ema, [v.detach() for v in parameters], 1 - DECAY)
        bank.adamw(present, leaf)

    for _ in range(args.warm_up):
        step()
    start = time.perf_counter()
    for _ in range(args.steps):
        step()
    rate = args.steps * args.batch / (time.perf_counter() - start)
    found = {"images_per_second": round(rate, 2), "batch": args.batch, "steps": args.steps}
    print(json.dumps(found | {"threads": args.threads, "form": args.form, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
