"""Reads every array listed in arrays.json with zarr-python and, where it can, with tensorstore; compares with the bytes.

Prints one JSON object: name of the array to a list of complaints, empty where all is well.
"""
import json
import pathlib
import sys

import numpy
import tensorstore
import zarr

root = pathlib.Path(sys.argv[1])


def complaints(case):
    path = root / case["path"]
    expected = numpy.frombuffer((root / case["expected"]).read_bytes(), case["numpy"]).reshape(case["shape"])
    array = zarr.open_array(path, mode="r", zarr_format=case["format"])
    found = {"zarr-python": array[...]}
    if case["tensorstore"]:
        driver = {2: "zarr", 3: "zarr3"}[case["format"]]
        spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{path}/"}}
        found["tensorstore"] = tensorstore.open(spec, read=True).result().read().result()
    for reader, values in found.items():
        values = numpy.asarray(values)
        if values.shape != expected.shape or values.dtype.newbyteorder("<") != expected.dtype:
            yield f"{reader}: {values.dtype} {values.shape}"
        elif values.astype(expected.dtype).tobytes() != expected.tobytes():
            yield f"{reader}: values differ"
    if "attributes" in case and dict(array.attrs) != case["attributes"]:
        yield f"attributes are {dict(array.attrs)}"
    if "fill" in case and str(array.fill_value) != case["fill"]:
        yield f"fill value is {array.fill_value}"


def look(case):
    try:
        return list(complaints(case))
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


cases = json.loads((root / "arrays.json").read_text())
print(json.dumps({case["name"]: look(case) for case in cases}))
