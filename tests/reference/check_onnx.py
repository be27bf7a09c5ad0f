"""Compares a file of `tailor export` in ONNX Runtime with what another program computed.

    python check_onnx.py MODEL.onnx FILE.safetensors NAME

The file holds inputs `x`, `t` and `y` (i32), and what is expected under the name.
"""

import sys

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

model, file, name = sys.argv[1:]
onnx.checker.check_model(model, full_check=True)
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
example = load_file(file)
x, t, y, expected = example["x"], example["t"], example["y"].astype(np.int64), example[name]
(found,) = session.run(None, {"x": x, "t": t, "y": y})
assert found.shape == expected.shape, f"{found.shape}, not {expected.shape}"
difference = np.abs(found - expected).max()
assert difference <= 1e-4, f"{difference} from what is expected"
print(f"{difference:.1e} at most")
