"""Writes OME-Zarr plates of one image with labels, with ome-zarr, and prints what is in them."""

import json
import sys
import warnings

import numpy
import zarr
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.writer import write_image, write_labels, write_plate_metadata, write_well_metadata

warnings.simplefilter("ignore")
root = sys.argv[1]
seen = {}
axes = [
    {"name": "c", "type": "channel"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]
image = (numpy.arange(2 * 133 * 127, dtype=numpy.uint16) * 31 % 4096).reshape(2, 133, 127)
labels = (numpy.arange(2 * 133 * 127, dtype=numpy.uint8) % 5).reshape(2, 133, 127)

for fmt in (FormatV04(), FormatV05()):
    name = fmt.version
    plate = zarr.open_group(f"{root}/{name}-plate", mode="w", zarr_format=fmt.zarr_format)
    write_plate_metadata(plate, ["A", "B"], ["1"], ["A/1"], fmt=fmt, name="assay", field_count=1)
    well = plate.require_group("A").require_group("1")
    write_well_metadata(well, ["0"], fmt=fmt)
    group = well.require_group("0")
    write_image(image, group, axes=axes, fmt=fmt)
    write_labels(labels, group, "cells", axes=axes, fmt=fmt)
    seen[name] = {"sum": int(image.sum(dtype=numpy.uint64)), "labels": int(labels.sum(dtype=numpy.uint64))}
print(json.dumps(seen))
