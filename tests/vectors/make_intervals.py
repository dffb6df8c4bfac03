"""Writes intervals.json: intervals and corrections by SciPy and statsmodels, and jackknives by definition.

pip install scipy==1.17.1 statsmodels==0.15.0; python make_intervals.py
"""

import json
from pathlib import Path

import numpy as np
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

rng = np.random.default_rng(20261129)

proportions = []
for n in (1, 3, 20, 300, 24188):
    for x in sorted({0, n, n // 2, n - 1, round(0.9 * n)}):
        lower, upper = proportion_confint(x, n, 0.05, method="beta")
        proportions.append({"x": x, "n": n, "lower": float(lower), "upper": float(upper)})

means = []
for n in (2, 3, 5, 10, 1000):
    values = rng.normal(0.7, 0.02, n)
    lower, upper = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    p = stats.ttest_1samp(values - 0.69, 0).pvalue
    means.append({"values": values.tolist(), "lower": lower, "upper": upper, "p_of_069": p})

p_values = [rng.uniform(0, 0.2, m).tolist() for m in (1, 4, 9)]
holm = [{"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()} for p in p_values]

# A mean over clusters: each left out in turn, by definition.
clusters = []
for sizes in ([4, 4, 4], [3, 9, 5, 1, 12], [10] * 20):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    values = rng.gamma(2, 0.3, len(groups)) + rng.normal(0, 0.3, len(sizes))[groups] ** 2
    left_out = np.array([values[groups != g].mean() for g in range(len(sizes))])
    g = len(sizes)
    error = np.sqrt((g - 1) / g * ((left_out - left_out.mean()) ** 2).sum())
    weights = np.array(sizes) / len(groups)
    freedom = max(1, 1 / (weights**2).sum() - 1)
    half = stats.t.ppf(0.975, freedom) * error
    mean = values.mean()
    clusters.append({
        "groups": groups.tolist(), "values": values.tolist(), "error": error, "freedom": freedom,
        "lower": max(0, mean - half), "upper": mean * np.exp(half / mean),
    })

out = {
    "versions": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__},
    "proportions": proportions, "means": means, "holm": holm, "clusters": clusters,
}
Path(__file__).with_name("intervals.json").write_text(json.dumps(out, indent=1) + "\n")
