"""Which layouts a JSON Schema takes, and which of them blissdata's own models do. Reads and prints JSON."""
import json
import pathlib
import sys

import jsonschema
from blissdata.h5map.hdf5_items import Group
from pydantic import ValidationError

given = json.loads(pathlib.Path(sys.argv[1]).read_text())
jsonschema.Draft202012Validator.check_schema(given["schema"])
validator = jsonschema.Draft202012Validator(given["schema"])


def is_blissdata(layout):
    try:
        Group.model_validate(layout)
        return True
    except ValidationError:
        return False


print(
    json.dumps(
        {
            "schema": [validator.is_valid(layout) for layout in given["layouts"]],
            "blissdata": [is_blissdata(tree) for tree in given["trees"]],
        }
    )
)
