"""Compares .npz archives with numpy, both ways.

Reads `ours-*.npz` and says what numpy finds in them; writes `numpy-*.npz` with numpy.savez and savez_compressed.
Prints {archive: {name: [typestr, shape, little-endian bytes as hex]}} for all of them.
"""
import json
import pathlib
import sys

import numpy

root = pathlib.Path(sys.argv[1])
random = numpy.random.default_rng(2)
arrays = {
    name: random.integers(0, 2 if name == "bool" else 100, (3, 4)).astype(name)
    for name in "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64".split()
}
arrays |= {
    "well/B 02/größe": numpy.arange(6, dtype=">u2").reshape(2, 3),
    "fortran": numpy.asfortranarray(arrays["int32"]),
    "scalar": numpy.float64(2.5),
    "empty": numpy.zeros((0, 7), "u1"),
}
numpy.savez(root / "numpy-stored.npz", numpy.arange(5), numpy.ones((2, 2)), **arrays)
numpy.savez_compressed(root / "numpy-deflated.npz", blank=numpy.zeros((300, 300), "u2"), **arrays)
numpy.savez(root / "objects.npz", good=numpy.arange(3), bad=numpy.array([{}], dtype=object))


def describe(array):
    little = array.astype(array.dtype.newbyteorder("<"))
    return [little.dtype.str, list(array.shape), little.tobytes().hex()]


answer = {}
for path in sorted([*root.glob("ours-*.npz"), *root.glob("numpy-*.npz")]):
    with numpy.load(path) as archive:
        answer[path.name] = {name: describe(archive[name]) for name in archive.files}
print(json.dumps(answer))
