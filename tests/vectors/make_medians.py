"""Writes medians.json: geometric medians of random clouds by geom-median.

pip install geom-median==0.1.0 numpy; python make_medians.py

The points are rounded to f32, so that both sides have the same ones.
"""

import json
from pathlib import Path

import numpy as np
from geom_median.numpy import compute_geometric_median

clouds = []
random = np.random.default_rng(1)
for n, d, kind in [(7, 2, "normal"), (40, 3, "normal"), (25, 5, "skewed"), (60, 10, "normal"), (30, 17, "skewed")]:
    points = random.normal(size=(n, d)) if kind == "normal" else random.exponential(size=(n, d)) ** 2 + 5.0
    points = points.astype(np.float32).astype(np.float64)
    found = compute_geometric_median(points, eps=1e-12, maxiter=100_000, ftol=1e-30)
    clouds.append({"points": points.tolist(), "median": found.median.tolist()})

Path(__file__).with_name("medians.json").write_text(
    json.dumps({"made_by": "geom-median 0.1.0, eps 1e-12, ftol 1e-30", "clouds": clouds})
)
