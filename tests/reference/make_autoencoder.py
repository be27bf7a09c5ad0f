"""Writes fixtures/autoencoder.safetensors: what diffusers' AutoencoderKL decodes of a latent, see README.md.

The weights are not in the file: both sides make them by a formula.
"""

import pathlib

import numpy as np
import torch
from diffusers import AutoencoderKL
from formula import listed, uniform, weights
from safetensors.numpy import save_file

CHANNELS, SIDE = 4, 6


def main():
    torch.set_num_threads(1)
    # As Stable Diffusion's, with two blocks instead of four, and one residual block less in each.
    network = AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=CHANNELS,
    )
    decoder = ("decoder.", "post_quant_conv.")
    shapes = {name: tuple(t.shape) for name, t in network.state_dict().items() if name.startswith(decoder)}
    network.load_state_dict(weights(shapes), strict=False)
    network = network.double().eval()
    latent = torch.from_numpy(uniform(1000, CHANNELS * SIDE * SIDE).reshape(1, CHANNELS, SIDE, SIDE))
    with torch.no_grad():
        image = network.decode(latent.double() / network.config.scaling_factor).sample
    # Small enough to tell, and nothing is cut off.
    print(image.shape, image.abs().max().item(), image.std().item())
    tensors = {"latent": latent, "image": image} | listed(shapes)
    tensors = {name: np.ascontiguousarray(t.numpy(), dtype=np.float32) for name, t in tensors.items()}
    save_file(tensors, pathlib.Path(__file__).parent / "fixtures" / "autoencoder.safetensors")


if __name__ == "__main__":
    main()
