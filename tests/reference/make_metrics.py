"""Writes fixtures/metrics.safetensors: figures of an evaluation by their public implementations, see README.md."""

import pathlib

import numpy as np
import scipy.stats
import torch
from prdc import compute_prdc
from pytorch_fid.fid_score import calculate_frechet_distance
from safetensors.numpy import save_file
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric

WIDTH, SPATIAL, CLASSES, REAL, SAMPLES = 24, 18, 12, 300, 260


def features(generator, rows, width, shift):
    """Features of full rank that depend on each other, as those of a network do."""
    mixed = generator.standard_normal((rows, width)) @ (np.eye(width) + 0.3 * generator.standard_normal((width, width)))
    return np.maximum(mixed + shift, 0.05 * mixed).astype(np.float32)


def statistics(rows):
    rows = rows.astype(np.float64)
    return rows.mean(0), np.cov(rows, rowvar=False)


def sfid(real, samples):
    """Nash et al. 2021: the Fréchet distance, from its definition. The eigenvalues of C1·C2 are real and positive."""
    (mean, covariance), (other_mean, other) = statistics(real), statistics(samples)
    roots = np.sqrt(np.linalg.eigvals(covariance @ other).real)
    return np.sum((mean - other_mean) ** 2) + np.trace(covariance) + np.trace(other) - 2 * roots.sum()


def main():
    generator = np.random.default_rng(0)
    real, samples = features(generator, REAL, WIDTH, 0.5), features(generator, SAMPLES, WIDTH, 0.7)
    spatial = {"real": features(generator, REAL, SPATIAL, 0.1), "samples": features(generator, SAMPLES, SPATIAL, 0.4)}
    scores = (3 * generator.standard_normal((SAMPLES, CLASSES))).astype(np.float32)

    shares = torch.from_numpy(scores).double().softmax(1).numpy()
    prdc = compute_prdc(real.astype(np.float64), samples.astype(np.float64), nearest_k=3)
    found = {
        "fid": calculate_frechet_distance(*statistics(real), *statistics(samples)),
        "sfid": sfid(spatial["real"], spatial["samples"]),
        "is": isc_features_to_metric(torch.from_numpy(scores), splits=10, shuffle=False)[KEY_METRIC_ISC_MEAN],
        "precision": prdc["precision"],
        "recall": prdc["recall"],
        "entropy": scipy.stats.entropy(shares, axis=1).mean(),
        "variance": shares.var(axis=1).mean(),
        "kurtosis": scipy.stats.kurtosis(shares, axis=1).mean(),
    }
    print(found)
    assert 0.1 < found["precision"] < 0.9 and 0.1 < found["recall"] < 0.9
    tensors = {"real": real, "samples": samples, "scores": scores}
    tensors |= {f"{name}.spatial": rows for name, rows in spatial.items()}
    tensors |= {name: np.array([value], dtype=np.float32) for name, value in found.items()}
    save_file(tensors, pathlib.Path(__file__).parent / "fixtures" / "metrics.safetensors")


if __name__ == "__main__":
    main()
