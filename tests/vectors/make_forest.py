"""Writes forest.json: trees and forests grown by scikit-learn, for src/models/forest/tests.rs.

pip install scikit-learn==1.9.1; python make_forest.py

`trees`: single trees on all patches and all features. Only data on which the tree does not depend on the order of
the features (no two splits equally good) are kept, so that any correct implementation gives the same tree.
`forest`: means and standard deviations, over 20 seeds, of the predictions of forests of 200 trees on noisy data.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

CLASSES = 5


def full(classifier, x):
    p = np.zeros((len(x), CLASSES))
    p[:, classifier.classes_] = classifier.predict_proba(x)
    return p


def single_trees(rng):
    cases = []
    for settings in [{}, {"min_samples_leaf": 3}, {"max_depth": 3}, {"min_samples_leaf": 4, "max_depth": 4}]:
        for attempt in range(1000):
            # Class 2 is absent. The values have few decimals, so that some are equal.
            y = rng.choice([0, 1, 3, 4], size=80, p=[0.4, 0.3, 0.2, 0.1])
            x = (rng.normal(size=(80, 6)) + 0.8 * y[:, None] * rng.normal(size=6)).round(2).astype(np.float32)
            test = (2.5 * rng.normal(size=(25, 6))).astype(np.float32)
            trees = [DecisionTreeClassifier(random_state=seed, **settings).fit(x, y) for seed in range(30)]
            same = [(t.tree_.feature.tolist(), t.tree_.threshold.tolist()) for t in trees]
            if all(one == same[0] for one in same):
                break
        else:
            raise SystemExit(f"no data without ties for {settings}")
        tree = trees[0]
        cases.append({
            "min_leaf": settings.get("min_samples_leaf", 1),
            "max_depth": settings.get("max_depth"),
            "train": x.tolist(), "labels": y.tolist(), "test": test.tolist(),
            "nodes": int(tree.tree_.node_count),
            "importance": tree.feature_importances_.tolist(),
            "probabilities": full(tree, test).tolist(),
        })
    return cases


def forest(rng):
    y = rng.choice(CLASSES, size=300, p=[0.35, 0.25, 0.2, 0.15, 0.05])
    centres = rng.normal(size=(CLASSES, 9)) * np.array([1.5, 1.2, 1, 0.8, 0.6, 0.4, 0.2, 0, 0])
    x = (centres[y] + rng.normal(size=(300, 9))).round(3).astype(np.float32)
    test_y = rng.choice(CLASSES, size=30)
    test = (centres[test_y] + rng.normal(size=(30, 9))).round(3).astype(np.float32)
    cases = []
    for settings in [{}, {"min_samples_leaf": 4, "max_features": 5}]:
        grown = [RandomForestClassifier(200, oob_score=True, random_state=seed, **settings).fit(x, y)
                 for seed in range(20)]
        def statistics(values):
            return {"mean": np.mean(values, axis=0).tolist(), "deviation": np.std(values, axis=0, ddof=1).tolist()}
        cases.append({
            "min_leaf": settings.get("min_samples_leaf", 1),
            "max_features": settings.get("max_features", "sqrt"),
            "trees": 200,
            "out_of_bag": statistics([f.oob_score_ for f in grown]),
            "nodes": statistics([sum(t.tree_.node_count for t in f.estimators_) for f in grown]),
            "importance": statistics([f.feature_importances_ for f in grown]),
            "probabilities": statistics([full(f, test) for f in grown]),
        })
    return {"train": x.tolist(), "labels": y.tolist(), "test": test.tolist(), "cases": cases}


def rounded(value):
    # Nine digits name any f32, and are enough for what is compared.
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def main():
    rng = np.random.default_rng(0)
    result = {
        "made_with": f"scikit-learn {sklearn.__version__}, NumPy {np.__version__}",
        "classes": CLASSES,
        "trees": single_trees(rng),
        "forest": forest(rng),
    }
    Path(__file__).with_name("forest.json").write_text(json.dumps(rounded(result), allow_nan=False) + "\n")


main()
