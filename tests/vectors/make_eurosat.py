"""Synthetic images in the layout of EuroSAT for tests/eurosat.rs: ten folders of three JPEGs, and what Pillow decodes from some.

    pip install pillow numpy
    python tests/vectors/make_eurosat.py

They are synthetic: each class has a colour of its own with stripes across it. Writes tests/vectors/eurosat/ and eurosat.json.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

here = Path(__file__).parent
CLASSES = "AnnualCrop Forest HerbaceousVegetation Highway Industrial Pasture PermanentCrop Residential River SeaLake".split()
random = np.random.default_rng(4)
y, x = np.mgrid[0:64, 0:64]
decoded = {}
for k, name in enumerate(CLASSES):
    folder = here / "eurosat" / name
    folder.mkdir(parents=True, exist_ok=True)
    colour = np.array([40 + 20 * k, 200 - 15 * k, 60 + 25 * (k % 5)])
    for n in (1, 2, 10):
        waves = 20 * np.sin((x * (k + 1) + y * n) / 9.0)
        image = np.clip(colour + waves[..., None] + random.normal(0, 3, (64, 64, 1)), 0, 255).astype("uint8")
        path = folder / f"{name}_{n}.jpg"
        # EuroSAT's own are of this kind: baseline, no chroma subsampling in some, halved in others.
        Image.fromarray(image).save(path, quality=85, subsampling=0 if k % 2 else 2)
        pixels = np.asarray(Image.open(path).convert("RGB"))
        if n == 10:
            places = [(0, 0), (31, 17), (63, 63)]
            decoded[path.name] = {
                "mean": pixels.reshape(-1, 3).mean(0).tolist(),
                "pixels": [[r, c, *map(int, pixels[r, c])] for r, c in places],
            }
(here / "eurosat.json").write_text(json.dumps(decoded, indent=1) + "\n")
