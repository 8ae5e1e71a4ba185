"""Opens OME-Zarr images, labels and plates with ome-zarr-models and ome-zarr, and prints what they saw."""

import json
import pathlib
import sys
import warnings

import numpy
import ome_zarr.io
import ome_zarr.reader
import ome_zarr.utils
import ome_zarr_models
import ome_zarr_models.v05.bioformats2raw
import zarr


def describe(root, path):
    group = zarr.open_group(f"{root}/{path}", mode="r")
    if "bioformats2raw.layout" in group.attrs.get("ome", {}):
        # The package has a model for it, and does not try it when it guesses.
        model = ome_zarr_models.v05.bioformats2raw.BioFormats2Raw.from_zarr(group)
    else:
        model = ome_zarr_models.open_ome_zarr(group)
    nodes = list(ome_zarr.reader.Reader(ome_zarr.io.parse_url(f"{root}/{path}"))())
    seen = {"model": type(model).__name__, "version": model.ome_zarr_version, "nodes": len(nodes)}
    if seen["model"] == "BioFormats2Raw":
        # What ome-zarr's own viewer and finder show.
        found = ome_zarr.utils.find_multiscales(pathlib.Path(root) / path)
        seen["images"] = [[image[0].name, image[1]] for image in found]
        assert sorted(model.image_paths) == [str(number) for number in range(len(found))]
    multiscales = group.attrs.get("ome", group.attrs).get("multiscales")
    if multiscales is None:
        return seen
    levels = [group[dataset["path"]] for dataset in multiscales[0]["datasets"]]
    seen["axes"] = [axis["name"] for axis in multiscales[0]["axes"]]
    seen["shapes"] = [list(level.shape) for level in levels]
    seen["sum"] = int(levels[0][...].sum(dtype=numpy.uint64))
    if seen["model"] == "Image":
        # The way that viewers come in.
        assert [list(level.shape) for level in nodes[0].data] == seen["shapes"]
        assert int(numpy.asarray(nodes[0].data[0]).sum(dtype=numpy.uint64)) == seen["sum"]
    return seen


root = sys.argv[1]
warnings.simplefilter("ignore")
with open(f"{root}/cases.json", encoding="utf8") as file:
    cases = json.load(file)
print(json.dumps({case["path"]: describe(root, case["path"]) for case in cases}))
