"""Geometric medians in NumPy, in matrix-vector form on BLAS: the peer of ../medians.rs.

cargo bench --bench medians -- --write features.f32; python medians.py features.f32

‖x − c‖² = ‖x‖² − 2 x·c + ‖c‖², so that an iteration of Weiszfeld is two matrix-vector products, x·c and
wᵀx; ‖x‖² is worked out once. Stops as lcz does: what is left, by the last two steps, is below 1e-6 mean
distances.
"""

import sys
import time

import numpy as np

CLASSES, SAMPLES, WIDTH, TOLERANCE = 17, 5000, 2048, 1e-6


def median(x):
    squares = np.einsum("nd,nd->n", x, x)
    c = x.mean(axis=0)
    last = np.nan
    for iteration in range(1, 1001):
        d = np.sqrt(np.maximum(squares - 2 * (x @ c) + c @ c, 1e-30))
        w = 1 / d
        new = (w @ x) / w.sum()
        step = np.linalg.norm(new - c)
        rate = step / last
        c, last = new, step
        if rate < 1 and step * rate / (1 - rate) <= TOLERANCE * d.mean() and step <= TOLERANCE**0.5 * d.mean():
            break
    return c, iteration


x = np.fromfile(sys.argv[1], dtype=np.float32).reshape(CLASSES, SAMPLES, WIDTH)
seconds = []
for round in range(5):
    started = time.perf_counter()
    found = [median(x[k]) for k in range(CLASSES)]
    seconds.append(time.perf_counter() - started)
    if round == 0:
        print("passes", [iterations for _, iterations in found])
        print("class 1, first features:", found[0][0][:3])
print(f"NumPy {np.__version__}: median {sorted(seconds)[2]:.3f} s, best {min(seconds):.3f} s")
