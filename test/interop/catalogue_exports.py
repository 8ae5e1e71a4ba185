"""Reads what the catalogue exports: documents against the schemas of event-model, tables with pyarrow and csv."""
import csv
import json
import sys

import event_model
import pyarrow as pa
import pyarrow.ipc

folder = sys.argv[1]
names = []
problems = []
with open(f"{folder}/run.jsonl", encoding="utf-8") as lines:
    for line in lines:
        entry = json.loads(line)
        names.append(entry["name"])
        validator = event_model.schema_validators[event_model.DocumentNames[entry["name"]]]
        problems += [f"{entry['name']}: {error.message}" for error in validator.iter_errors(entry["doc"])]

with pa.OSFile(f"{folder}/run.arrow", "rb") as source:
    reader = pyarrow.ipc.open_file(source)
    batches = reader.num_record_batches
    table = reader.read_all()
table.validate(full=True)

with open(f"{folder}/run.csv", encoding="utf-8", newline="") as file:
    rows = list(csv.reader(file))

print(
    json.dumps(
        {
            "names": names,
            "problems": problems,
            "batches": batches,
            "types": {field.name: str(field.type) for field in table.schema},
            "columns": {name: table.column(name).to_pylist() for name in table.column_names},
            "nulls": {name: table.column(name).null_count for name in table.column_names},
            "run": json.loads(table.schema.metadata[b"run"]),
            "csv": rows,
        }
    )
)
