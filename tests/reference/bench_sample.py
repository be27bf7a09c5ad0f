"""Speed of a sampling step of the letters' gallery in plain PyTorch: prints one line of JSON.

    python bench_sample.py --steps 100 --threads 1 --form masked

One letter with guidance: a batch of two, the learngene alone and the learngene with one tailor. The net is read from
the gallery. `masked` is the faster form here, because the bank holds no other tailor.
"""

import argparse
import json
import time

import torch

import gallery

GUIDANCE = 2.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--warm-up", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--form", choices=["masked", "gathered"], default="masked")
    parser.add_argument("--compile", action="store_true", help="torch.compile, which needs a C++ compiler")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config, learngene, tailor = gallery.read()
    forward = gallery.model(config, learngene, tailor, args.form).forward
    if args.compile:
        forward = torch.compile(forward)
    noise = torch.randn(1, config.channels, config.image_size, config.image_size)

    def sample(steps):
        """Euler's method from noise to an image, as our engines do it."""
        x = noise
        for step in range(steps):
            t = torch.full((2,), 1000 * (1 - step / steps))
            alone, gated = forward(x.expand(2, -1, -1, -1), t, gallery.GUIDED)
            x = x - (alone + GUIDANCE * (gated - alone)) / steps
        return x

    with torch.inference_mode():
        sample(args.warm_up)
        start = time.perf_counter()
        sample(args.steps)
        ms = 1000 * (time.perf_counter() - start) / args.steps
    found = {"ms_per_step": round(ms, 3), "steps": args.steps, "threads": args.threads}
    print(json.dumps(found | {"form": args.form, "compiled": args.compile, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
