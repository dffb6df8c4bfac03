"""Grows a random forest of 100 trees with scikit-learn and with lcz, in turn, and prints the ratio.

pip install scikit-learn h5py; python benches/peers/forest.py FILE
FILE: a labelled HDF5 file of 1,920 patches or more, such as `lcz synth` makes (a synthetic one).
"""

import re
import subprocess
import sys
import time

import h5py
import numpy as np
import sklearn
from sklearn.ensemble import RandomForestClassifier

with h5py.File(sys.argv[1]) as file:
    x = file["sen2"][:1920].astype(np.float32).reshape(1920, -1)
    y = file["label"][:1920].argmax(1)


def fit(**settings):
    started = time.perf_counter()
    forest = RandomForestClassifier(100, n_jobs=2, random_state=0, **settings).fit(x, y)
    return time.perf_counter() - started, forest


best = min(fit()[0] for _ in range(3))
score = fit(oob_score=True)[1].oob_score_
print(f"scikit-learn {sklearn.__version__}, n_jobs=2: fit {best:.2f} s, out-of-bag score {score:.4f}, {len(x)} patches")
command = ["cargo", "bench", "-q", "--bench", "forest", "--", sys.argv[1]]
ours = subprocess.run(command, capture_output=True, text=True, check=True).stdout
print(ours.strip())
seconds = float(re.search(r"2 threads: fit ([\d.]+)", ours)[1])
print(f"lcz is {best / seconds:.2f} times as fast with two threads")
