"""Writes arrays with zarr-python as other programs do: sharded and not, several codecs, both byte orders, v3 and v2.

Prints one JSON list of cases; the expected bytes of each lie beside the store, little-endian.
"""
import json
import pathlib
import sys

import numpy
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, ZstdCodec

root = pathlib.Path(sys.argv[1])
store = root / "python.zarr"
group = zarr.open_group(store, mode="w", zarr_format=3, attributes={"made by": "zarr-python"})
random = numpy.random.default_rng(1)
cases = []


def values(dtype, shape):
    return random.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)


def add(name, data, *, order="little"):
    (root / f"{name}.bytes").write_bytes(data.astype(data.dtype.newbyteorder("<")).tobytes())
    cases.append({"name": name, "dtype": data.dtype.name, "shape": list(data.shape)})


compressors = {
    "none": None,
    "gzip": GzipCodec(level=5),
    "zstd": ZstdCodec(level=3, checksum=True),
    "blosc-zstd": BloscCodec(cname="zstd", shuffle="shuffle"),
    "blosc-lz4-bit": BloscCodec(cname="lz4", shuffle="bitshuffle"),
}
for codec, compressor in compressors.items():
    for endian in ("little", "big"):
        for shards in (None, (4, 6, 8)):
            name = f"{codec}-{endian}-{'sharded' if shards else 'regular'}"
            data = values("int32", (7, 9, 10))
            array = group.create_array(
                name, shape=data.shape, dtype=data.dtype, chunks=(2, 3, 4), shards=shards, compressors=compressor,
                serializer=BytesCodec(endian=endian),
            )
            array[...] = data
            add(name, data)
for dtype in "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64".split():
    data = values(dtype, (3, 4, 5))
    array = group.create_array(f"dtype-{dtype}", shape=data.shape, dtype=dtype, chunks=(1, 4, 5), shards=(2, 4, 5))
    array[...] = data
    add(f"dtype-{dtype}", data)

# Only one corner is stored: the rest is fill value.
data = numpy.full((4, 4), -7, "int16")
array = group.create_array("sparse", shape=data.shape, dtype="int16", chunks=(1, 2), shards=(2, 4), fill_value=-7)
data[0, 0] = array[0, 0] = 5
add("sparse", data)

old = zarr.open_group(root / "python2.zarr", mode="w", zarr_format=2)
data = values("uint16", (5, 6))
array = old.create_array("v2", shape=data.shape, dtype=">u2", chunks=(2, 4))
array[...] = data
add("v2", data)

print(json.dumps(cases))
