"""Writes inference.json: smooth and debiased calibration errors, conformal sets per class and group, alpha.

pip install relplot==1.0.3 uncertainty-calibration==0.1.4 crepes==0.9.1 krippendorff==0.9.0 scipy==1.17.1
python make_inference.py

relplot finds the bandwidth to 1/1024 only, so the smooth error is also computed here, by cosine series (the
reflected kernel is the heat kernel of [0, 1]) and bisection.
"""

import json
from pathlib import Path

import krippendorff
import numpy as np
import relplot
from calibration import utils
from crepes import ConformalClassifier
from scipy.optimize import brentq

rng = np.random.default_rng(20261129)


def smooth_error(confidence, outcome):
    k = np.arange(4000)
    cosine = np.cos(np.pi * np.outer(k, confidence))
    coefficients = cosine @ (outcome - confidence) / len(confidence)
    coefficients[1:] *= 2
    t = (np.arange(4000) + 0.5) / 4000
    basis = np.cos(np.pi * np.outer(t, k))

    def error(sigma):
        return np.abs(basis @ (coefficients * np.exp(-0.5 * (np.pi * k * sigma) ** 2))).mean()

    return brentq(lambda sigma: error(sigma) - sigma, 1e-4, 1, xtol=1e-10)


smooth = []
for n, bend in ((60, 1.0), (400, 1.6), (2000, 1.0), (2000, 0.7)):
    confidence = np.round(rng.beta(4, 1.5, n), 6)
    outcome = (rng.random(n) < confidence**bend).astype(float)
    smooth.append({
        "confidence": confidence.tolist(),
        "outcome": outcome.tolist(),
        "error": smooth_error(confidence, outcome),
        "relplot": float(relplot.smECE(confidence, outcome)),
    })

# Confidences that are constant within a bin, where the package's variance is that of the gaps.
levels = np.array([0.15, 0.33, 0.5, 0.72, 0.9])
confidence = rng.choice(levels, 800)
outcome = (rng.random(800) < confidence - 0.05).astype(float)
binned = [list(zip(confidence[confidence == c], outcome[confidence == c])) for c in levels]
debiased = {
    "confidence": confidence.tolist(),
    "outcome": outcome.tolist(),
    "value": float(utils.unbiased_square_ce(binned)),
}

p = rng.dirichlet([0.8, 0.5, 0.3], 120)
y = np.array([rng.choice(3, p=row**0.7 / (row**0.7).sum()) for row in p])
groups = rng.integers(0, 2, 120)
half = 80
scores = -np.log(p)


def sets(calibration_bins, test_bins):
    conformal = ConformalClassifier()
    conformal.fit(scores[np.arange(half), y[:half]], bins=calibration_bins)
    return conformal.predict_set(
        scores[half:], bins=test_bins, confidence=0.83, smoothing=False
    ).astype(int).tolist()


def sets_per_class():
    """A class is in the set where its own calibration scores allow it."""
    inside = []
    for row in scores[half:]:
        member = []
        for k in range(3):
            own = scores[:half][y[:half] == k, k]
            member.append(int((1 + (own >= row[k]).sum()) / (len(own) + 1) > 0.17))
        inside.append(member)
    return inside


conformal = {
    "p": p.tolist(), "y": y.tolist(), "groups": groups.tolist(), "calibration": half, "alpha": 0.17,
    "marginal": sets(None, None),
    "by_group": sets(groups[:half], groups[half:]),
    "by_class": sets_per_class(),
}

votes = np.array([rng.multinomial(rng.integers(1, 12), rng.dirichlet([2, 0.3, 0.2, 0.1])) for _ in range(40)])
alpha = krippendorff.alpha(value_counts=votes, level_of_measurement="nominal")

out = {
    "smooth": smooth, "debiased": debiased, "conformal": conformal,
    "krippendorff": {"votes": votes.tolist(), "alpha": float(alpha)},
}
Path(__file__).with_name("inference.json").write_text(json.dumps(out) + "\n")
