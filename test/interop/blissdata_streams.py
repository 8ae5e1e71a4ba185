"""Streams of Redis through blissdata's own classes: `read URL NUMBERS VARYING JSON`, or `write URL NUMBERS VARYING JSON`."""

import json
import sys

import numpy as np
import redis
from blissdata.streams.event_stream import EventStream


class Store:
    """The part of blissdata's DataStore that its streams use: the client. The whole one wants modules in the server."""

    def __init__(self, url):
        self._redis = redis.Redis.from_url(url)


class Model:
    """The part of a stream's header that its streams use."""

    def __init__(self, key, encoding):
        self.encoding = encoding
        self.info = {}
        self._key = key

    def key(self):
        return self._key


command, url, numbers, varying, documents = sys.argv[1:]
store = Store(url)
models = [
    Model(numbers, {"type": "numeric", "dtype_str": "<f8", "shape": []}),
    Model(varying, {"type": "numeric", "dtype_str": "|u1", "shape": [-1]}),
    Model(documents, {"type": "json"}),
]

if command == "read":
    one, two, three = (EventStream.open(store, "stream", model) for model in models)
    answer = {
        "numbers": {
            "length": len(one),
            "sealed": one.is_sealed(),
            "all": one[:].tolist(),
            "middle": one[1:3].tolist(),
            "last": float(one[-1]),
        },
        "varying": {
            "length": len(two),
            "sealed": two.is_sealed(),
            "shapes": [list(point.shape) for point in two[:]],
            "first": two[0].tolist(),
        },
        "json": {"length": len(three), "sealed": three.is_sealed(), "all": three[:]},
    }
else:
    one, two, three = (EventStream.create(store, "stream", model) for model in models)
    one.send(np.float64(0.5))
    one.send(np.array([1.5, 2.5, 3.5]))
    two.send(np.array([1, 2], dtype="u1"))
    two.send(np.full((2, 300), 7, dtype="u1"))
    three.send({"a": [1, None]})
    three.send("é")
    for stream in (one, two, three):
        stream.join()
        stream._sink.stop()
    answer = "written"
print(json.dumps(answer))
