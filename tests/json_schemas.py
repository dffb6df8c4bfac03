"""Compares what `lcz COMMAND --json` prints with docs/schemas/lcz.json: nothing missing, nothing that it does not describe.

    python tests/json_schemas.py LCZ FOLDER

FOLDER is empty or absent; small synthetic data are made there.
"""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema

lcz, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
schemas = json.loads((Path(__file__).parent.parent / "docs" / "schemas" / "lcz.json").read_text())
folder.mkdir(parents=True, exist_ok=True)
SMALL = "--epochs 1 --seed 1 --set model.depth=5 --set model.width=4"
BANDS = "--bands city/B2.tif,city/B3.tif,city/B4.tif,city/B8.tif"
# A name after `as` is that of the schema, where it is not the command's.
COMMANDS = f"""
synth data --patches 340 --seed 1
synth city --scene-size 300x300 --seed 2 --clouds 8
train sen2lcz --data data --run run {SMALL}
train forest --data data --run forest --set model.trees=3
evaluate run
temp-scale run --force
evaluate run
evaluate forest
predict run --data data/testing.h5 --out p.csv
score p.csv
votes data/testing.h5
features run --data data/testing.h5 --out features.h5
verify run/figures/testing-confusion-matrix.png
patches {BANDS} --labels city/LCZ.tif --size 32 --out cut
patches {BANDS} --labels city/LCZ.tif --masks --size 32 --block 1 --scl city/SCL.tif --out tiles
rasterise --labels city/districts.shp --label-field LC_CODE --codes urban-atlas-groups --like city/B2.tif --out cover.tif
areas city/districts.shp --label-field LC_CODE --codes urban-atlas-groups
train sen2lcz --data cut --run cut-run {SMALL}
train unet --data tiles --run unet --epochs 1 --set model.encoder=plain --set model.width=0.125 --set model.depth=2
evaluate unet
map cut-run {BANDS} --labels city/LCZ.tif --out map.tif
map unet {BANDS} --out cover-map.tif
mosaic map.tif --out mosaic.tif
assess map.tif --labels city/LCZ.tif
info data
info tiles
info city as info-scene
devices
bench mlp --repeats 1
"""


def strict(schema):
    """The schema, under which no property may be there that it does not describe."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(part) for key, part in schema.items()}
    return schema | ({"additionalProperties": False} if "properties" in schema else {})


definitions = strict(schemas["$defs"])
seen = set()
for command in COMMANDS.strip().splitlines():
    command, _, name = command.partition(" as ")
    words = command.split()
    name = name or words[0]
    done = subprocess.run([lcz, "-q", *words, "--json"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"lcz {command}: {done.stderr}"
    jsonschema.validate(json.loads(done.stdout), {"$ref": f"#/$defs/{name}", "$defs": definitions})
    seen.add(name)
print(f"{len(seen)} commands print JSON as docs/schemas/lcz.json describes it")
