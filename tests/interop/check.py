"""Reads what tailor writes with programs that are not tailor's, and compares.

    python3 tests/interop/check.py pack FILE      print the tensors' digests as `name dtype shape sha256`
    python3 tests/interop/check.py attacks        for each file of tests/attacks: what Python says of it
    python3 tests/interop/check.py gallery DIR    unzip -l, zipfile, safetensors and minisign -V over a gallery

Needs Python 3.9 with numpy and safetensors (0.4 or later); `unzip` and `minisign` (0.10 or later) on the path.
The test `interop` of tailor-packs runs all three.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import zipfile

import numpy
import safetensors
import safetensors.numpy

HERE = pathlib.Path(__file__).resolve().parent


def tensors(path):
    """Name, dtype, shape and SHA-256 of each tensor's values, as Python reads them; raises when it does not."""
    with zipfile.ZipFile(path) as archive:
        bad = archive.testzip()
        if bad:
            raise ValueError(f"{bad} has a wrong checksum")
        json.loads(archive.read("card.json"))
        body = archive.read("tensors.safetensors")
    rows = []
    for name, values in sorted(safetensors.numpy.load(body).items()):
        if not numpy.isfinite(values.astype(numpy.float32)).all():
            raise ValueError(f"{name} is not finite")
        values = values.astype("<f4")
        shape = ",".join(map(str, values.shape))
        rows.append(f"{name} {shape} {hashlib.sha256(values.tobytes()).hexdigest()}")
    return rows


def attacks():
    """`name accepted` or `name refused` for every pack of the corpus."""
    for path in sorted((HERE.parent / "attacks").glob("*.pack")):
        try:
            tensors(path)
            verdict = "accepted"
        # Whatever it is that a library raises at a malicious file.
        except Exception as error:
            verdict = f"refused {type(error).__name__}"
        print(path.stem, verdict)


def gallery(folder):
    """Sees that the index's files are what it says, and that each is read by the stock programs."""
    folder = pathlib.Path(folder)
    index = json.loads((folder / "index.json").read_bytes())
    files = [index["learngene"]] + [c["file"] for c in index["classes"]]
    for file in files:
        path = folder / file["path"]
        data = path.read_bytes()
        assert len(data) == file["size"], path
        assert hashlib.sha256(data).hexdigest() == file["sha256"], path
        listing = subprocess.run(["unzip", "-l", path], capture_output=True, text=True, check=True).stdout
        assert "manifest.postcard" in listing and "tensors.safetensors" in listing, listing
        subprocess.run(["unzip", "-tqq", path], check=True)
        tensors(path)
    verified = "unsigned"
    if (folder / "index.json.minisig").exists():
        key = index["key"]
        command = ["minisign", "-V", "-P", key, "-m", folder / "index.json"]
        subprocess.run(command, capture_output=True, check=True)
        verified = "signed"
    print(f"{verified}, {len(files)} files")


if __name__ == "__main__":
    if sys.argv[1] == "pack":
        print("\n".join(tensors(sys.argv[2])))
    elif sys.argv[1] == "attacks":
        attacks()
    else:
        gallery(sys.argv[2])
