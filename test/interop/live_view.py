"""What h5py finds in a finished HDF5 file, and zarr-python in a finished hierarchy: a JSON object for each path."""
import json
import math
import sys

import h5py
import numpy
import zarr


def plain(value):
    """Values as JSON has them; others as text."""
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        if value.dtype.names:
            rows = value.reshape(-1)
            return [{name: plain(row[name]) for name in value.dtype.names} for row in rows]
        return plain(value.tolist())
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    # JSON of JavaScript has no larger integers.
    return str(value) if isinstance(value, int) and abs(value) > 2**53 else value


def attributes_of(item):
    return {name: plain(value) for name, value in item.attrs.items()}


def in_hdf5(path):
    found = {}

    def visit(group, at):
        for name in group:
            below = f"{at}/{name}"
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink):
                found[below] = {"soft": link.path}
                continue
            if isinstance(link, h5py.ExternalLink):
                found[below] = {"external": [link.filename, link.path], "value": plain(group[name][()])}
                continue
            item = group[name]
            found[below] = {"attributes": attributes_of(item)}
            if isinstance(item, h5py.Group):
                visit(item, below)
                continue
            values = item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]
            found[below] |= {"dtype": str(item.dtype), "shape": list(item.shape), "value": plain(values)}

    with h5py.File(path, "r") as file:
        visit(file, "")
        root = attributes_of(file)
        # What a viewer shows first.
        entry = file[file.attrs["default"]] if "default" in file.attrs else None
        plotted = entry and entry.attrs.get("default") and entry[entry.attrs["default"]]
        signal = plotted and plain(plotted[plotted.attrs["signal"]][()])
    return {"root": root, "found": found, "signal": signal}


def in_zarr(path):
    root = zarr.open_group(path, mode="r")
    found = {}
    for name, item in root.members(max_depth=None):
        found[f"/{name}"] = {"attributes": dict(item.attrs)}
        if isinstance(item, zarr.Array):
            found[f"/{name}"] |= {"dtype": str(item.dtype), "shape": list(item.shape), "value": plain(item[()])}
    return {"root": dict(root.attrs), "found": found}


print(json.dumps({"hdf5": in_hdf5(sys.argv[1]), "zarr": in_zarr(sys.argv[2])}))
