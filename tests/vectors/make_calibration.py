"""Writes calibration.json: the calibration of a few predictions by independent libraries.

pip install scikit-learn==1.9.1 torchmetrics netcal==1.4.0 uncertainty-calibration==0.1.4 mapie==1.6.0
python make_calibration.py

Each error comes from every library that has it, and the script stops where they disagree. Confidences of
the random cases lie off the bins' edges, where the libraries' rules differ; edge cases are done in NumPy
by the rule (lower, upper], the first bin closed at 0. NaN is written as null.
"""

import json
import math
import warnings
from pathlib import Path

import calibration as uncertainty_calibration
import mapie
import netcal
import numpy as np
import scipy.optimize
import scipy.special
import sklearn
import torch
import torchmetrics
from mapie.metrics.calibration import expected_calibration_error as mapie_ece
from netcal.metrics import ACE, ECE, MCE
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

warnings.filterwarnings("ignore")


def agree(name, *values):
    assert np.ptp(values) < 1e-6, (name, values)  # torchmetrics computes in single precision
    return float(values[0])


def by_rule(confidence, accuracy, bins):
    """ECE, MCE, mean gap and counts with bins (lower, upper], the first closed at 0."""
    confidence, accuracy = np.asarray(confidence, float), np.asarray(accuracy, float)
    edges = np.arange(bins + 1) / bins
    index = np.maximum(np.digitize(confidence, edges, right=True) - 1, 0)
    counts = np.bincount(index, minlength=bins)
    filled = counts > 0
    gaps = np.abs(np.bincount(index, accuracy, bins) - np.bincount(index, confidence, bins))[filled] / counts[filled]
    return {
        "ece": float((gaps * counts[filled]).sum() / len(confidence)),
        "mce": float(gaps.max()),
        "average": float(gaps.mean()),
        "counts": counts.tolist(),
    }


def equal_mass(values, accuracy, bins):
    """Bins of N/B sorted samples, without ties."""
    order = np.argsort(values)
    ends = [b * len(values) // bins for b in range(bins + 1)]
    gap = lambda part: abs(accuracy[part].sum() - values[part].sum())
    return sum(gap(order[a:b]) for a, b in zip(ends, ends[1:])) / len(values)


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose decision function is its input."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, x):
        return x

    def predict(self, x):
        return self.classes_[x.argmax(axis=1)]


def temperature(z, labels):
    given = Given().fit(z, labels)
    fitted = CalibratedClassifierCV(FrozenEstimator(given), method="temperature", ensemble=False).fit(z, labels)
    return 1.0 / fitted.calibrated_classifiers_[0].calibrators[0].beta_


def cross_entropy(z, y):
    return -(y * scipy.special.log_softmax(z, axis=1)).sum(axis=1).mean()


def temperature_of_distributions(z, y):
    loss = lambda ln_beta: cross_entropy(z * np.exp(ln_beta), y)
    found = scipy.optimize.minimize_scalar(loss, bounds=(-10, 10), method="bounded", options={"xatol": 1e-12})
    return float(np.exp(-found.x))


def temperature_by_adam(z, y):
    """10,000 steps of Adam on T itself, learning rate 0.01, from T = 1."""
    z, y = torch.tensor(z), torch.tensor(y)
    t = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([t], lr=0.01, eps=1e-7)
    for _ in range(10_000):
        adam.zero_grad()
        torch.nn.functional.cross_entropy(z / t, y).backward()
        adam.step()
    return t.item()


def vector_scaling(z, y):
    k = z.shape[1]
    loss = lambda theta: cross_entropy(z * theta[:k] + theta[k:], y)
    start = np.concatenate([np.ones(k), np.zeros(k)])
    found = scipy.optimize.minimize(loss, start, method="BFGS", options={"gtol": 1e-8})
    shift = found.x[k:] - found.x[k:].mean()
    return {"scale": found.x[:k].tolist(), "shift": shift.tolist(), "loss": float(found.fun)}


def sce_of_ldl_paper(p, labels, bins):
    confidence, predicted = p.max(axis=1), p.argmax(axis=1)
    n, k = p.shape
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        for c in range(k):
            part = (index == b) & (labels == c)
            if part.any():
                total += part.sum() / n * abs((predicted[part] == c).mean() - p[part, c].mean())
    return total / k


def random_case(rng, n, k, bins):
    z = rng.normal(scale=2.5, size=(n, k))
    p = scipy.special.softmax(z, axis=1)
    labels = np.array([rng.choice(k, p=row) for row in scipy.special.softmax(z / 2.2, axis=1)])
    labels[labels == k - 1] = 0  # the last class is absent
    votes = np.array([rng.multinomial(10, row) for row in scipy.special.softmax(z / 3.0, axis=1)])
    y = votes / 10
    one_hot = np.eye(k)[labels]
    confidence, predicted = p.max(axis=1), p.argmax(axis=1)
    right = (predicted == labels).astype(float)
    rule = by_rule(confidence, right, bins)
    pt, lt = torch.tensor(p), torch.tensor(labels)
    tm = lambda norm: multiclass_calibration_error(pt, lt, k, n_bins=bins, norm=norm).item()
    uc_ece = uncertainty_calibration.get_ece(p, labels, num_bins=bins)
    ece = agree("ece", rule["ece"], tm("l1"), ECE(bins).measure(p, labels), uc_ece)
    of_class = [by_rule(p[:, c], one_hot[:, c], bins)["ece"] for c in range(k)]
    for c in range(k):
        binary = binary_calibration_error(pt[:, c], torch.tensor(one_hot[:, c]).long(), n_bins=bins).item()
        agree("class", of_class[c], mapie_ece(one_hot[:, c], p[:, c], num_bins=bins + 1), binary)
    return {
        "classes": k,
        "bins": bins,
        "logits": z.tolist(),
        "labels": labels.tolist(),
        "votes": votes.tolist(),
        "ece": ece,
        "mce": agree("mce", rule["mce"], tm("max"), MCE(bins).measure(p, labels)),
        "average": agree("average", rule["average"], ACE(bins).measure(p, labels)),
        "counts": rule["counts"],
        "distribution_ece": by_rule(confidence, y[np.arange(n), predicted], bins)["ece"],
        "class_errors": of_class,
        "classwise": float(np.mean(of_class)),
        "classwise_of_votes": float(np.mean([by_rule(p[:, c], y[:, c], bins)["ece"] for c in range(k)])),
        "equal_mass": agree(
            "equal mass", equal_mass(confidence, right, 10), uncertainty_calibration.get_ece_em(p, labels, num_bins=10)
        ),
        "adaptive": float(np.mean([equal_mass(p[:, c], one_hot[:, c], 10) for c in range(k)])),
        "sce_of_ldl_paper": sce_of_ldl_paper(p, labels, 20),
        "temperature_of_labels": temperature_of_distributions(z, one_hot),
        "temperature_of_votes": temperature_of_distributions(z, y),
        "temperature_by_adam": temperature_by_adam(z, one_hot),
        "vector_of_votes": vector_scaling(z, y),
    }


def temperature_case(rng, n, k, planted):
    z = rng.normal(scale=2.0, size=(n, k))
    labels = np.array([rng.choice(k, p=row) for row in scipy.special.softmax(z, axis=1)])
    labels[:k] = np.arange(k)
    z *= planted
    return {
        "classes": k,
        "logits": z.tolist(),
        "labels": labels.tolist(),
        "temperature": agree("T", temperature(z, labels), temperature_of_distributions(z, np.eye(k)[labels])),
    }


def pairs(name, confidence, correct, bins):
    return {"name": name, "confidence": confidence, "correct": correct, "bins": bins, **by_rule(confidence, correct, bins)}


def main():
    rng = np.random.default_rng(4)
    tenths = [b / 10 for b in range(11)]
    awkward = [
        pairs("confidence 0 and 1", [0.0, 0.0, 1.0, 1.0, 1.0], [False, True, True, True, False], 15),
        pairs("every edge of ten bins", tenths, [b % 3 == 0 for b in range(11)], 10),
        pairs("the same edges in 20 bins", tenths, [b % 3 == 0 for b in range(11)], 20),
        pairs("all tied", [0.7] * 6, [True, True, False, True, False, False], 10),
        pairs("one sample", [0.61], [False], 15),
        pairs("empty bins between", [0.05, 0.06, 0.97, 0.98, 0.99], [False, True, True, False, True], 20),
        pairs("one bin", [0.2, 0.4, 0.9], [True, False, True], 1),
        pairs("an example of torchmetrics", [0.55, 0.55, 0.6, 0.9], [False, False, True, True], 3),
    ]
    versions = {m.__name__: m.__version__ for m in (np, sklearn, torch, torchmetrics, netcal, mapie)}
    versions["uncertainty-calibration"] = "0.1.4"
    temperatures = [temperature_case(rng, 60, 4, t) for t in (0.3, 1.0, 3.7, 12.0)]
    result = {
        "made_with": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "random": [random_case(rng, 120, 5, 15), random_case(rng, 90, 4, 7)],
        "temperatures": temperatures,
        "pairs": awkward,
    }
    text = json.dumps(result, allow_nan=False).replace('"random"', '\n"random"').replace('"pairs"', '\n"pairs"')
    Path(__file__).with_name("calibration.json").write_text(text + "\n")


main()
