"""Writes arrays as other programs do, to be read and then changed by us: Zarr v2 by zarr-python, v2 and v3 by tensorstore.

Prints one JSON list of cases; the expected bytes of each lie beside the store, little-endian.
"""
import json
import pathlib
import sys

import numcodecs
import numpy
import tensorstore
import zarr

root = pathlib.Path(sys.argv[1])
random = numpy.random.default_rng(2)
cases = []


def values(dtype, shape):
    return random.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)


def add(name, data, zarr_format):
    (root / f"{name}.bytes").write_bytes(data.astype(data.dtype.newbyteorder("<")).tobytes())
    cases.append({"name": name, "dtype": data.dtype.name, "shape": list(data.shape), "format": zarr_format})


compressors = {
    "none": None,
    "zlib": numcodecs.Zlib(level=3),
    "gzip": numcodecs.GZip(level=3),
    "lz4": numcodecs.LZ4(),
    "zstd": numcodecs.Zstd(level=3),
    "blosc-lz4": numcodecs.Blosc("lz4", shuffle=numcodecs.Blosc.SHUFFLE),
    "blosc-zstd-bit": numcodecs.Blosc("zstd", shuffle=numcodecs.Blosc.BITSHUFFLE),
    "blosc-auto": numcodecs.Blosc("blosclz", shuffle=numcodecs.Blosc.AUTOSHUFFLE),
}
for codec, compressor in compressors.items():
    for order in "CF":
        for dtype in ("<u2", ">f8", "|u1"):
            name = f"v2-{codec}-{order}-{dtype.strip('<>|')}"
            data = values(dtype, (7, 9, 10))
            array = zarr.create_array(
                root / name, shape=data.shape, dtype=dtype, chunks=(2, 4, 10), compressors=compressor, order=order,
                zarr_format=2, fill_value=0, chunk_key_encoding={"name": "v2", "separator": "/" if order == "C" else "."},
            )
            array[...] = data
            add(name, data, 2)

shards = {
    "regular": [],
    "start": [{"index_location": "start"}],
    "end": [{"index_location": "end"}],
}
packers = {
    "none": [],
    "gzip": [{"name": "gzip", "configuration": {"level": 1}}],
    "zstd-crc": [{"name": "zstd", "configuration": {"level": 1}}, {"name": "crc32c"}],
    "blosc": [{"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"}}],
}
for layout, sharding in shards.items():
    for codec, packer in packers.items():
        for endian in ("little", "big"):
            inner = [
                {"name": "transpose", "configuration": {"order": [2, 0, 1]}},
                {"name": "bytes", "configuration": {"endian": endian}},
                *packer,
            ]
            index = [{"name": "bytes", "configuration": {"endian": endian}}, {"name": "crc32c"}]
            codecs = [
                {"name": "sharding_indexed",
                 "configuration": {"chunk_shape": [2, 3, 5], "codecs": inner, "index_codecs": index, **one}}
                for one in sharding
            ] or inner
            name = f"ts-{layout}-{codec}-{endian}"
            data = values("int32", (7, 9, 10))
            array = tensorstore.open({
                "driver": "zarr3",
                "kvstore": {"driver": "file", "path": f"{root / name}/"},
                "metadata": {
                    "shape": [7, 9, 10], "data_type": "int32", "codecs": codecs,
                    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 6, 5]}},
                },
            }, create=True).result()
            array[...] = data
            add(name, data, 3)

# Shards within shards, behind a transposition, and packed once more as wholes.
def sharded(chunk, codecs, location="end"):
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    return {"name": "sharding_indexed", "configuration": {
        "chunk_shape": chunk, "codecs": codecs, "index_codecs": index, "index_location": location,
    }}


innermost = [{"name": "bytes", "configuration": {"endian": "little"}}, packers["gzip"][0]]
turned = [{"name": "transpose", "configuration": {"order": [2, 0, 1]}}]
chains = {
    "nested": [sharded([4, 6, 5], [sharded([2, 3, 5], innermost)])],
    "nested-start": [sharded([4, 6, 5], [sharded([2, 2, 5], [sharded([1, 1, 5], innermost, "start")])], "start")],
    "nested-packed": [sharded([4, 6, 5], [sharded([2, 3, 5], innermost), *packers["zstd-crc"]])],
    # Inner shapes that divide both ways: zarr-python checks them against the shape before it is turned.
    "turned": [*turned, sharded([2, 4, 2], innermost)],
    "turned-nested": [sharded([4, 6, 10], [*turned, sharded([2, 2, 2], innermost)])],
    "packed": [sharded([4, 6, 5], innermost), *packers["zstd-crc"]],
    "turned-packed": [*turned, sharded([2, 4, 2], innermost), *packers["gzip"]],
}
for chain, codecs in chains.items():
    data = values("int32", (7, 19, 13))
    data[4:, 12:] = 0  # some inner chunks, and some shards, are not stored
    name = f"zp-{chain}"
    array = zarr.create(
        store=root / name, shape=data.shape, dtype="int32", chunks=(8, 12, 10), codecs=codecs, fill_value=0,
        zarr_format=3, config={"write_empty_chunks": False},
    )
    array[...] = data
    add(name, data, 3)
    if "packed" in chain:
        continue  # tensorstore packs no shard as a whole
    name = f"ts-{chain}"
    array = tensorstore.open({
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": f"{root / name}/"},
        "metadata": {
            "shape": list(data.shape), "data_type": "int32", "codecs": codecs, "fill_value": 0,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8, 12, 10]}},
        },
    }, create=True).result()
    array[...] = data
    add(name, data, 3)

data = values("uint16", (7, 9))
array = tensorstore.open({
    "driver": "zarr", "kvstore": {"driver": "file", "path": f"{root / 'ts-v2'}/"},
    "metadata": {"shape": [7, 9], "chunks": [3, 4], "dtype": "<u2", "compressor": {"id": "zlib", "level": 1}},
}, create=True).result()
array[...] = data
add("ts-v2", data, 2)

# One chunk only: the rest is fill value, of more digits than a float has.
data = numpy.full((4, 4), 2**60 + 1, "int64")
for zarr_format in (2, 3):
    array = zarr.create_array(
        root / f"sparse-v{zarr_format}", shape=(4, 4), dtype="int64", chunks=(2, 2), fill_value=2**60 + 1,
        zarr_format=zarr_format,
    )
    one = data.copy()
    one[0, 0] = array[0, 0] = 5
    add(f"sparse-v{zarr_format}", one, zarr_format)

# Nothing but consolidated metadata, for a store that does not list.
for zarr_format in (2, 3):
    group = zarr.open_group(root / f"consolidated-v{zarr_format}", mode="w", zarr_format=zarr_format)
    group.create_array("a", shape=(2,), dtype="uint8")
    group.create_group("g").create_array("b", shape=(2,), dtype="uint8")
    zarr.consolidate_metadata(root / f"consolidated-v{zarr_format}")

print(json.dumps(cases))
