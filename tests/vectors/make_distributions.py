"""Writes distributions.json: values of independent libraries for label distributions, sets of classes and of
risk.

pip install scipy==1.17.1 python-ldl==0.1.2 mapie==1.6.0 scikit-learn==1.9.1 statsmodels
python make_distributions.py

Distances: python-ldl and SciPy. Fleiss' kappa: statsmodels. Conformal: mapie for LAC, NumPy by the definition
for APS and RAPS. AURC: by brute force over all orders of tied samples. NaN is written as null.
"""

import itertools
import json
from pathlib import Path

import mapie
import numpy as np
import pyldl.metrics as ldl
import scipy
import scipy.spatial.distance as distance
import statsmodels
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from statsmodels.stats.inter_rater import fleiss_kappa


def agree(name, *values):
    assert np.ptp(values) < 1e-7, (name, values)  # python-ldl adds a small number to avoid 0 / 0
    return float(values[0])


def distances(rng):
    p = rng.dirichlet(np.full(6, 0.7), 30)
    y = rng.multinomial(10, np.full(6, 1 / 6), 30) / 10
    p[0], y[0] = np.eye(6)[0], np.eye(6)[1]  # nothing in common
    p[1] = y[1] = np.eye(6)[2]  # the same, and 0 / 0 in five places
    rows = lambda f: np.mean([f(a, b) for a, b in zip(y, p)])
    relative = np.divide(np.abs(y - p), y + p, out=np.zeros_like(p), where=y + p > 0)
    canberra = rows(distance.canberra)
    return {
        "p": p.tolist(),
        "y": y.tolist(),
        "jensen_shannon": rows(lambda a, b: distance.jensenshannon(a, b) ** 2),
        "chebyshev": agree("chebyshev", rows(distance.chebyshev), ldl.chebyshev(y, p)),
        "clark": agree("clark", np.sqrt((relative**2).sum(axis=1)).mean(), ldl.clark(y, p)),
        "canberra": agree("canberra", canberra, ldl.canberra(y, p)),
        "cosine": agree("cosine", rows(lambda a, b: 1 - distance.cosine(a, b)), ldl.cosine(y, p)),
        "intersection": agree("intersection", np.minimum(y, p).sum(axis=1).mean(), ldl.intersection(y, p)),
    }


def kappa(rng):
    votes = np.array([rng.multinomial(11, rng.dirichlet(np.full(5, 0.2))) for _ in range(40)])
    votes[:, 4] += votes[:, 3]
    votes[:, 3] = 0  # a class without a vote
    return {"votes": votes.tolist(), "kappa": float(fleiss_kappa(votes))}


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose probabilities are its input."""

    def __init__(self, k=2):
        self.k = k
        self.classes_ = np.arange(k)

    def fit(self, x, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict_proba(self, x):
        return x

    def predict(self, x):
        return x.argmax(axis=1)


def adaptive(p, penalty, k_reg):
    scores = np.zeros_like(p)
    for n, row in enumerate(p):
        above = 0.0
        for rank, k in enumerate(sorted(range(len(row)), key=lambda k: -row[k]), start=1):
            above += row[k]
            scores[n, k] = above + penalty * max(0, rank - k_reg)
    return scores


def conformal(rng):
    k, n = 5, 60
    p, test = rng.dirichlet(np.full(k, 0.6), n), rng.dirichlet(np.full(k, 0.6), 40)
    labels = np.array([rng.choice(k, p=row) for row in p])
    labels[:k] = np.arange(k)
    result = {"p": p.tolist(), "labels": labels.tolist(), "test": test.tolist(), "alpha": 0.1, "sets": {}}
    by_mapie = SplitConformalClassifier(Given(k), confidence_level=0.9, conformity_score="lac", prefit=True)
    _, lac = by_mapie.conformalize(p, labels).predict_set(test)
    at = int(np.ceil((n + 1) * 0.9)) - 1
    kinds = {"lac": lambda p: 1 - p, "aps": lambda p: adaptive(p, 0.0, 0), "raps": lambda p: adaptive(p, 0.01, 2)}
    for name, scores in kinds.items():
        threshold = np.sort(scores(p)[np.arange(n), labels])[at]
        result["sets"][name] = (scores(test) <= threshold).astype(int).tolist()
    assert np.array_equal(lac[:, :, 0].astype(int), result["sets"]["lac"]), "mapie's LAC"
    return result


def aurc(name, confidence, losses):
    """The mean over all orders of tied samples of (1/N) sum of the risk of the i surest."""
    groups = [[l for c, l in zip(confidence, losses) if c == level] for level in sorted(set(confidence))[::-1]]
    orders = itertools.product(*(itertools.permutations(group) for group in groups))
    risks = lambda order: (np.cumsum(order) / np.arange(1, len(order) + 1)).mean()
    areas = [risks(list(itertools.chain(*order))) for order in orders]
    return {"name": name, "confidence": confidence, "losses": losses, "aurc": float(np.mean(areas)),
            "best": float(risks(sorted(losses)))}


def main():
    rng = np.random.default_rng(5)
    drawn = rng.random(7).round(3)
    result = {
        "made_with": f"SciPy {scipy.__version__}, python-ldl 0.1.2, statsmodels {statsmodels.__version__}, "
        f"mapie {mapie.__version__}, NumPy {np.__version__}",
        "distances": distances(rng),
        "fleiss": kappa(rng),
        "conformal": conformal(rng),
        "aurc": [
            aurc("no ties", drawn.tolist(), [0, 1, 0, 0, 1, 0, 1]),
            aurc("ties", [0.9, 0.9, 0.8, 0.8, 0.8, 0.5], [0, 1, 0, 1, 0, 1]),
            aurc("all tied", [0.5] * 6, [0, 0, 1, 0, 1, 0]),
            aurc("one sample", [1.0], [1]),
            aurc("other losses", [1.0, 0.7, 0.7, 0.0], [0.1, 2.5, 0.3, 1.0]),
        ],
    }
    Path(__file__).with_name("distributions.json").write_text(json.dumps(result, allow_nan=False) + "\n")


main()
