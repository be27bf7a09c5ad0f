"""Compares a file of `tailor export` in ONNX Runtime with what another program computed.

    python check_onnx.py MODEL.onnx FILE.safetensors NAME

The file holds inputs `x`, `t`, `y` (i32) and, for a model for few steps, `s` (i32), and what is expected under the name.
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
inputs = {i.name: example[i.name].astype(np.int64 if i.type == "tensor(int64)" else np.float32) for i in session.get_inputs()}
expected = example[name]
(found,) = session.run(None, inputs)
assert found.shape == expected.shape, f"{found.shape}, not {expected.shape}"
difference = np.abs(found - expected).max()
assert difference <= 1e-4, f"{difference} from what is expected"
print(f"{difference:.1e} at most")
