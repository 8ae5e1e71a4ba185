"""Writes events the way resonance does: one transaction from the first to the end of the run. Answers the seconds."""
import json
import math
import sqlite3
import sys
import time
from uuid import uuid4

path, stream, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
database = sqlite3.connect(path)
database.execute("PRAGMA foreign_keys = ON")
start = time.perf_counter()
for i in range(count):
    reading = {"energy": 280 + i / 100, "diode": math.sin(i), "i0": 1e-9 * i, "shutter": i % 2 == 0, "note": "ok"}
    times = {"energy": 1.7e9 + i, "diode": 1.7e9 + i, "i0": 1.7e9 + i}
    database.execute(
        "INSERT INTO events (uid, stream_uid, seq_num, time, data, timestamps) VALUES (?, ?, ?, ?, ?, ?)",
        (uuid4().hex, stream, i + 1, time.time(), json.dumps(reading), json.dumps(times)),
    )
database.commit()
print(time.perf_counter() - start)
