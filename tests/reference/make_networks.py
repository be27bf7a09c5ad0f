"""Writes fixtures/networks.safetensors: what Inception-v3 and DINOv2 make of two images, see README.md.

The weights are not in the file: both sides make them by a formula.
"""

import pathlib
import tempfile

import numpy as np
import torch
from formula import listed, uniform, weights
from PIL import Image
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_tensors
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from transformers import Dinov2Config, Dinov2Model

SIDE = 40
LARGE = 300
EXACT = 224  # what DINOv2 takes without a resize
# DINOv2 has positions of ten by ten patches, to be interpolated.
POSITIONS = 10


def picture(stream, side):
    """Bytes [3, side, side]: a coarse pattern, so that neighbours are alike, with fine noise over it."""
    coarse = uniform(stream, 3 * 8 * 8).reshape(3, 8, 8)
    places = np.arange(side) * 8 // side
    noise = uniform(stream + 1, 3 * side * side).reshape(3, side, side)
    return np.clip(np.round(127.5 + 90 * coarse[:, places][:, :, places] + 30 * noise), 0, 255).astype(np.uint8)


def inception(pictures):
    """Features, the first seven channels of `mixed_6/conv` with the channel last, and scores without bias."""
    torch_load = torch.load
    with torch.device("meta"):
        shapes = {}
        load = FeatureExtractorInceptionV3.load_state_dict
        FeatureExtractorInceptionV3.load_state_dict = lambda self, _: shapes.update(
            {k: tuple(v.shape) for k, v in self.state_dict().items() if not k.endswith("num_batches_tracked")}
        )
        torch.load = lambda *_, **__: None
        FeatureExtractorInceptionV3("shapes", ["2048"], feature_extractor_weights_path="-")
        FeatureExtractorInceptionV3.load_state_dict = load
    state = weights(shapes)
    torch.load = lambda *_, **__: state
    FeatureExtractorInceptionV3.load_state_dict = lambda self, s: load(self, s, strict=False)
    network = FeatureExtractorInceptionV3(
        "random", ["2048", "logits_unbiased"], "-", feature_extractor_internal_dtype="float64"
    )
    torch.load, FeatureExtractorInceptionV3.load_state_dict = torch_load, load
    seen = []
    network.Mixed_6d.branch1x1.register_forward_hook(lambda _, __, out: seen.append(out))
    rows = [network(torch.from_numpy(image[None])) for image in pictures]
    spatial = [out[:, :7].permute(0, 2, 3, 1).flatten(1) for out in seen]
    return {
        "features": torch.cat([features for features, _ in rows]),
        "spatial": torch.cat(spatial),
        "scores": torch.cat([scores for _, scores in rows]),
    } | listed(shapes)


def dinov2(pictures):
    """The class token of a small network of the family, of pictures that need no resize."""
    config = Dinov2Config(
        hidden_size=128, num_hidden_layers=3, num_attention_heads=2, patch_size=14, image_size=14 * POSITIONS
    )
    network = Dinov2Model(config)
    with tempfile.TemporaryDirectory() as folder:
        network.save_pretrained(folder)
        path = pathlib.Path(folder) / "model.safetensors"
        shapes = {name: tuple(tensor.shape) for name, tensor in load_file(path).items()}
        save_tensors(weights(shapes), path, {"format": "pt"})
        network = Dinov2Model.from_pretrained(folder).double().eval()
    x = np.stack(pictures)
    mean, deviation = (np.array(v).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x = torch.from_numpy((x / 255 - mean) / deviation)
    # PyTorch interpolates positions in f32 here, as published.
    return {"token": network(x).last_hidden_state[:, 0]} | listed(shapes)


def resized(pictures):
    """Every 16th pixel of what Pillow makes of the pictures."""
    images = [Image.fromarray(p.transpose(1, 2, 0)).resize((EXACT, EXACT), Image.Resampling.BICUBIC) for p in pictures]
    return torch.from_numpy(np.stack([np.asarray(image).transpose(2, 0, 1) for image in images])[..., ::16, ::16])


def main():
    torch.set_num_threads(1)
    small, large = picture(1000, SIDE), picture(1002, LARGE)
    with torch.no_grad():
        found = {f"inception.{name}": rows for name, rows in inception([small, large]).items()}
        found |= {f"dinov2.{name}": rows for name, rows in dinov2([picture(1004, EXACT), picture(1006, EXACT)]).items()}
        found["dinov2.resized"] = resized([small, large])
    tensors = {name: np.ascontiguousarray(rows.numpy(), dtype=np.float32) for name, rows in found.items()}
    tensors["small"] = small.astype(np.float32)
    for name, rows in tensors.items():
        if ".shape." not in name:
            print(name, rows.shape, np.abs(rows).max(), rows.std())
        assert np.isfinite(rows).all()
    save_file(tensors, pathlib.Path(__file__).parent / "fixtures" / "networks.safetensors")


if __name__ == "__main__":
    main()
