"""Writes metrics.json: the scores of a few labelled predictions by scikit-learn and SciPy.

pip install scikit-learn==1.9.1; python make_metrics.py SEN2LCZ_TRUE_PRED.csv

The CSV (columns true, pred; zones 1-17) is the prediction of a trained network on the real So2Sat test
set; it is not part of the repository, only scikit-learn's scores of it are. NaN is written as null.
"""

import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import scipy.special
import scipy.stats
import sklearn
from sklearn import metrics

warnings.filterwarnings("ignore")


def tidy(value):
    """Arrays to lists, NaN to None."""
    if isinstance(value, dict):
        return {key: tidy(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return [tidy(entry) for entry in value.tolist()]
    if isinstance(value, list):
        return [tidy(entry) for entry in value]
    if isinstance(value, (float, np.floating)):
        return None if math.isnan(value) else float(value)
    return value.item() if isinstance(value, np.generic) else value


def averages(truth, pred, average, **labels):
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, pred, average=average, zero_division=0, **labels
    )
    iou = metrics.jaccard_score(truth, pred, average=average, zero_division=0, **labels)
    return {"precision": precision, "recall": recall, "f1": f1, "iou": iou}


def scores(truth, pred, k):
    everything = list(range(k))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, pred, labels=everything, zero_division=np.nan
    )
    return {
        "counts": metrics.confusion_matrix(truth, pred, labels=everything),
        "overall_accuracy": metrics.accuracy_score(truth, pred),
        "average_accuracy": metrics.balanced_accuracy_score(truth, pred),
        "kappa": metrics.cohen_kappa_score(truth, pred, labels=everything),
        "macro_present": averages(truth, pred, "macro"),
        "macro_all": averages(truth, pred, "macro", labels=everything),
        "weighted": averages(truth, pred, "weighted"),
        "per_class": {"precision": precision, "recall": recall, "f1": f1, "support": support},
    }


def labelled(name, truth, pred, k):
    return {"name": name, "classes": k, "reference": truth, "predicted": pred, **scores(truth, pred, k)}


def losses(rng, n, k):
    logits = rng.normal(scale=3.0, size=(n, k))
    p = scipy.special.softmax(logits, axis=1)
    p[0] = np.eye(k)[1]  # the first sample's class 0 is ruled out
    p[1] = np.eye(k)[2]
    labels = rng.integers(0, k, n)
    labels[:2] = 0, 2
    labels[labels == k - 1] = 0  # the last class is absent
    votes = rng.multinomial(10, np.full(k, 1.0 / k), size=n)
    votes[3] = 10 * np.eye(k, dtype=int)[1]
    y = votes / votes.sum(axis=1, keepdims=True)
    one_hot = np.eye(k)[labels]
    eps = np.finfo(float).eps
    floor = np.clip(p, eps, None)
    rest = slice(2, None)
    return {
        "classes": k,
        "logits": logits,
        "probabilities": p,
        "labels": labels,
        "votes": votes,
        "log_loss": metrics.log_loss(labels, p, labels=list(range(k))),
        "log_loss_of_rest": metrics.log_loss(labels[rest], p[rest], labels=list(range(k))),
        "logits_log_loss": -(one_hot * scipy.special.log_softmax(logits, axis=1)).sum(axis=1).mean(),
        "logits_cross_entropy_of_votes": -(y * scipy.special.log_softmax(logits, axis=1)).sum(axis=1).mean(),
        "cross_entropy_of_votes": (scipy.stats.entropy(y, axis=1) + scipy.special.rel_entr(y, floor).sum(1)).mean(),
        "kl_divergence": scipy.special.rel_entr(y, floor).sum(axis=1).mean(),
        "kl_divergence_of_rest": scipy.stats.entropy(y[rest], p[rest], axis=1).mean(),
        "brier": metrics.brier_score_loss(labels, p, labels=list(range(k)), scale_by_half=False),
        "brier_of_votes": ((p - y) ** 2).sum(axis=1).mean(),
        "entropy_of_votes": scipy.stats.entropy(y, axis=1).mean(),
    }


def main():
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 2, 5, 10, 16], 200)
    pred = np.where(rng.random(200) < 0.6, truth, rng.choice([0, 1, 2, 3, 5, 16], 200))
    pred[pred == 10] = 2
    many = rng.integers(0, 17, 400)
    cases = [
        labelled("17 classes: 6 in the reference, one only predicted, one never predicted", truth, pred, 17),
        labelled("every class present", many, np.where(rng.random(400) < 0.7, many, rng.integers(0, 17, 400)), 17),
        labelled("no sample right", np.array([0, 0, 1, 1]), np.array([1, 2, 0, 2]), 4),
        labelled("one class alone", np.array([2, 2, 2]), np.array([2, 2, 2]), 3),
        labelled("one class in the reference", np.array([1, 1, 1, 1]), np.array([1, 1, 0, 2]), 3),
    ]
    table = np.loadtxt(sys.argv[1], delimiter=",", skiprows=1, dtype=int) - 1
    result = {
        "made_with": f"scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}, NumPy {np.__version__}",
        "cases": cases,
        "so2sat_test": scores(table[:, 0], table[:, 1], 17),
        "losses": losses(rng, 40, 5),
    }
    text = json.dumps(tidy(result), allow_nan=False).replace('"name"', '\n"name"').replace('"so2sat', '\n"so2sat')
    Path(__file__).with_name("metrics.json").write_text(text.replace('"losses"', '\n"losses"') + "\n")


main()
