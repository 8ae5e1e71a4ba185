"""Reads every array listed in cases.json with zarr-python and with tensorstore, and compares it with the expected bytes.

Prints one JSON object: name of the case to a list of complaints, empty where all is well.
"""
import json
import pathlib
import sys

import numpy
import tensorstore
import zarr

root = pathlib.Path(sys.argv[1])


def complaints(case):
    store = root / case["store"]
    expected = numpy.frombuffer((root / case["expected"]).read_bytes(), case["numpy"]).reshape(case["shape"])
    group = zarr.open_group(store, mode="r", zarr_format=3)
    if dict(group.attrs) != case["attributes"]:
        yield f"attributes are {dict(group.attrs)}"
    array = group[case["array"]]
    if list(array.chunks) != case["chunks"] or list(array.shards) != case["shards"]:
        yield f"chunks {array.chunks}, shards {array.shards}"
    if array.metadata.dimension_names != tuple(case["dimensions"]):
        yield f"dimension names are {array.metadata.dimension_names}"
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{store / case['array']}/"}}
    other = tensorstore.open(spec, read=True).result()
    for reader, values in (("zarr-python", array[...]), ("tensorstore", other.read().result())):
        values = numpy.asarray(values)
        if values.shape != expected.shape or values.dtype.str != expected.dtype.str:
            yield f"{reader}: {values.dtype} {values.shape}"
        elif values.tobytes() != expected.tobytes():
            yield f"{reader}: values differ"
        elif len(values) and reader == "zarr-python" and array[len(values) - 1].tobytes() != expected[-1].tobytes():
            yield f"{reader}: the last frame alone differs"


cases = json.loads((root / "cases.json").read_text())
print(json.dumps({case["name"]: list(complaints(case)) for case in cases}))
