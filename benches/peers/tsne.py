"""t-SNE by scikit-learn and openTSNE on the features of ../tsne.rs, and the exact KL of all three.

cargo bench --bench tsne -- --write FOLDER; python tsne.py FOLDER

Perplexity 30, a PCA start, two threads, each library's own defaults otherwise. The KL divergence is
scikit-learn's, with P over all pairs, for every embedding: the libraries' own numbers are not comparable.
"""

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
import openTSNE
import sklearn
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import TSNE, trustworthiness
from sklearn.manifold._t_sne import _joint_probabilities

folder = Path(sys.argv[1])
x = np.fromfile(folder / "features.f32", dtype=np.float32).reshape(5000, 2048)
p = _joint_probabilities(squareform(pdist(x.astype(np.float64), "sqeuclidean")).astype(np.float32), 30.0, 0)
p = np.maximum(p, 1e-300)


def judge(name, y, seconds):
    y = np.asarray(y, dtype=np.float64)
    q = 1 / (1 + pdist(y, "sqeuclidean"))
    q /= 2 * q.sum()
    kl = 2 * np.sum(p * np.log(p / q))
    timing = f"{seconds:.2f} s, " if seconds else ""
    print(f"{name}: {timing}exact KL {kl:.4f}, trustworthiness {trustworthiness(x, y, n_neighbors=12):.4f}", flush=True)


judge("lcz", np.fromfile(folder / "lcz.f32", dtype=np.float32).reshape(5000, 2), None)
started = time.perf_counter()
y = TSNE(perplexity=30, init="pca", n_jobs=2, random_state=0).fit_transform(x)
judge(f"scikit-learn {sklearn.__version__}", y, time.perf_counter() - started)
started = time.perf_counter()
y = openTSNE.TSNE(perplexity=30, initialization="pca", n_jobs=2, random_state=0).fit(x)
judge(f"openTSNE {openTSNE.__version__}", y, time.perf_counter() - started)
