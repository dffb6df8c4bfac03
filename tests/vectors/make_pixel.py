"""Writes pixel.json: class probabilities of a Gaussian classifier, by scikit-learn and SciPy.

pip install scikit-learn==1.9.1; python make_pixel.py

Five classes: three with samples, one with a single sample (left out of the training), one with none.
shrinkage 0 is quadratic discriminant analysis, 1 is linear discriminant analysis (both scikit-learn, with
maximum-likelihood covariances); 0.3 is Friedman's (1989) covariance put into SciPy's normal density.
"""

import json
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.special import softmax
from scipy.stats import multivariate_normal
from sklearn.covariance import EmpiricalCovariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis

BANDS = 4
COUNTS = {0: 40, 2: 15, 3: 1, 4: 9}


def regularised(x, y, test, shrinkage):
    kept = [0, 2, 4]
    scatter = {k: np.cov(x[y == k].T, bias=True) * (y == k).sum() for k in kept}
    pooled, total = sum(scatter.values()), len(y)
    logs = []
    for k in kept:
        n = (y == k).sum()
        covariance = ((1 - shrinkage) * scatter[k] + shrinkage * pooled) / ((1 - shrinkage) * n + shrinkage * total)
        density = multivariate_normal(x[y == k].mean(axis=0), covariance)
        logs.append(np.log(n / total) + density.logpdf(test))
    return softmax(np.array(logs).T, axis=1)


def main():
    rng = np.random.default_rng(0)
    images, labels = [], []
    for k, n in COUNTS.items():
        mix = rng.normal(size=(BANDS, BANDS)) * 0.02
        images.append(0.1 + 0.02 * rng.normal(size=BANDS) + rng.normal(size=(n, BANDS)) @ mix)
        labels += [k] * n
    x = np.concatenate(images).astype(np.float32)
    y = np.array(labels)
    order = rng.permutation(len(y))
    x, y = x[order], y[order]
    test = (0.1 + 0.03 * rng.normal(size=(12, BANDS))).astype(np.float32)
    train, target, points = x[y != 3].astype(float), y[y != 3], test.astype(float)
    qda = QuadraticDiscriminantAnalysis(solver="eigen", covariance_estimator=EmpiricalCovariance(), tol=0)
    lda = LinearDiscriminantAnalysis(solver="lsqr")
    probabilities = {
        "0": qda.fit(train, target).predict_proba(points),
        "1": lda.fit(train, target).predict_proba(points),
        "0.3": regularised(train, target, points, 0.3),
    }
    check = regularised(train, target, points, 0.0), regularised(train, target, points, 1.0)
    assert np.allclose(check[0], probabilities["0"]) and np.allclose(check[1], probabilities["1"])
    result = {
        "made_with": f"scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}, NumPy {np.__version__}",
        "classes": 5,
        "train": x.tolist(),
        "labels": y.tolist(),
        "test": test.tolist(),
        "columns": [0, 2, 4],
        "probabilities": {shrinkage: p.tolist() for shrinkage, p in probabilities.items()},
    }
    Path(__file__).with_name("pixel.json").write_text(json.dumps(result, allow_nan=False) + "\n")


main()
