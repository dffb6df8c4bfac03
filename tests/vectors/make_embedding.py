"""Writes embedding.json: scikit-learn's measures of an embedding.

pip install scikit-learn==1.9.1 scipy numpy
python make_embedding.py

Trustworthiness, and KL(P || Q) with P over all pairs: P by scikit-learn's own search for bandwidths (its private
_joint_probabilities), the sum by NumPy.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import TSNE, trustworthiness
from sklearn.manifold._t_sne import _joint_probabilities

rng = np.random.default_rng(6)
x = (rng.normal(size=(3, 8))[np.arange(90) % 3] * 1.5 + rng.normal(size=(90, 8))).astype(np.float32)
y = TSNE(perplexity=10, init="pca", random_state=0, max_iter=400).fit_transform(x).astype(np.float32)
random = rng.normal(size=(90, 2)).astype(np.float32)


def kl(y, perplexity):
    squared = squareform(pdist(x.astype(np.float64), "sqeuclidean")).astype(np.float32)
    p = np.maximum(_joint_probabilities(squared, perplexity, 0), 1e-300)
    q = 1 / (1 + pdist(y.astype(np.float64), "sqeuclidean"))
    q /= 2 * q.sum()
    return float(2 * np.sum(p * np.log(p / q)))


case = {
    "scikit-learn": sklearn.__version__,
    "x": np.round(x.astype(np.float64), 7).tolist(),
    "embeddings": [
        {
            "y": y.astype(np.float64).tolist(),
            "kl": {str(perplexity): kl(y, perplexity) for perplexity in (5.0, 10.0, 25.0)},
            "trustworthiness": {str(k): float(trustworthiness(x, y, n_neighbors=k)) for k in (1, 5, 12, 40)},
        }
        for y in (y, random)
    ],
}
Path(__file__).with_name("embedding.json").write_text(json.dumps(case) + "\n")
