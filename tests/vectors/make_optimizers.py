"""Writes optimizers.json: where Keras's optimisers take a small vector, step by step.

pip install tensorflow-cpu==2.15.1; python make_optimizers.py

The gradients do not depend on the parameters, so that every step can be checked by itself; they hold a
number that is always zero, a tiny one, and one that changes its sign. Keras has two Nadams, which warm
their momentum differently: mu_t = 0.9 (1 - 0.5 * 0.96^(0.004 t)) in all versions to 2.10 (here
`legacy.Nadam`), mu_t = 0.9 (1 - 0.5 * 0.96^t) since 2.11. Both are written down.
"""

import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

STEPS = 12
RULES = {
    "adam": lambda: tf.keras.optimizers.legacy.Adam(0.01, epsilon=1e-7),
    "nadam": lambda: tf.keras.optimizers.legacy.Nadam(0.01, epsilon=1e-7),
    "nadam_since_2_11": lambda: tf.keras.optimizers.Nadam(0.01, epsilon=1e-7),
    "sgd": lambda: tf.keras.optimizers.legacy.SGD(0.01, momentum=0.9, nesterov=True),
}


def main():
    rng = np.random.default_rng(0)
    start = rng.normal(size=7)
    gradients = rng.normal(size=(STEPS, 7)) * [1, 1, 30, 1e-3, 1e-6, 0, 1]
    gradients[:, 6] = np.where(np.arange(STEPS) % 3 == 0, -1, 1) * np.abs(gradients[:, 6])
    # Numbers that f32 holds exactly; Keras computes in f64.
    start, gradients = start.astype("f4").astype("f8"), gradients.astype("f4").astype("f8")
    trajectories = {}
    for name, rule in RULES.items():
        parameters, optimizer, path = tf.Variable(start), rule(), []
        for gradient in gradients:
            optimizer.apply_gradients([(tf.constant(gradient), parameters)])
            path.append(parameters.numpy().tolist())
        trajectories[name] = path
    vectors = {
        "made_by": f"Keras {keras.__version__}, TensorFlow {tf.__version__}, in f64",
        "learning_rate": 0.01,
        "start": start.tolist(),
        "gradients": gradients.tolist(),
        "trajectories": trajectories,
    }
    Path(__file__).with_name("optimizers.json").write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
