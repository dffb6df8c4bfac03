"""Writes training_options.json: decay, clipping, class weights and the cosine as Keras and PyTorch have them.

pip install keras torch; python make_training_options.py (in this folder, after make_optimizers.py)

Start and gradients are those of optimizers.json, and Keras computes in f64. PyTorch's AdamW adds its epsilon behind
the bias correction, so that its steps are another's where a gradient is tiny (the fifth number); Keras's rule is ours.
"""

import json
import os
from pathlib import Path

# Keras on PyTorch: the libraries of TensorFlow and PyTorch do not live in one process.
os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
import torch.nn.functional as F

HERE = Path(__file__).parent
RATE, DECAY, CLIP = 0.01, 0.5, 3.0


def keras_path(rule, start, gradients):
    keras.config.set_floatx("float64")
    parameters, path = keras.Variable(start, dtype="float64"), []
    optimizer = rule()
    optimizer.build([parameters])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)])
        path.append(parameters.numpy().tolist())
    return path


def main():
    vectors = json.loads((HERE / "optimizers.json").read_text())
    start, gradients = np.array(vectors["start"]), np.array(vectors["gradients"])
    rules = {
        "adam_decayed": lambda: keras.optimizers.Adam(RATE, epsilon=1e-7, weight_decay=DECAY),
        "adam_clipped": lambda: keras.optimizers.Adam(RATE, epsilon=1e-7, global_clipnorm=CLIP),
        "sgd_decayed_and_clipped": lambda: keras.optimizers.SGD(
            RATE, momentum=0.9, nesterov=True, weight_decay=DECAY, global_clipnorm=CLIP
        ),
    }
    trajectories = {name: keras_path(rule, start, gradients) for name, rule in rules.items()}

    parameters = torch.tensor(start, requires_grad=True)
    optimizer, path = torch.optim.AdamW([parameters], RATE, eps=1e-7, weight_decay=DECAY), []
    for gradient in gradients:
        parameters.grad = torch.tensor(gradient)
        optimizer.step()
        path.append(parameters.detach().tolist())
    trajectories["torch_adamw"] = path

    rate = torch.optim.SGD([parameters], 1.0)
    schedule, factors = torch.optim.lr_scheduler.CosineAnnealingLR(rate, T_max=7, eta_min=0.1), []
    for _ in range(8):
        factors.append(schedule.get_last_lr()[0])
        rate.step()
        schedule.step()

    random = np.random.default_rng(1)
    weights, z = random.uniform(0.2, 3, 4), random.normal(size=(6, 4))
    one_hot, y = np.eye(4)[[0, 1, 3, 3, 2, 0]], random.dirichlet(np.ones(4), 6)
    logits = torch.tensor(z, requires_grad=True)
    loss = F.cross_entropy(logits, torch.tensor(y), weight=torch.tensor(weights))
    loss.backward()
    of_keras = keras.losses.CategoricalCrossentropy(from_logits=True, dtype="float64")
    # What `fit(class_weight=…)` does: each sample's loss is multiplied by its class's weight.
    of_keras = float(of_keras(one_hot, z, sample_weight=weights[one_hot.argmax(1)]))
    torch_wants = {"y": y.tolist(), "loss": loss.item(), "gradient": logits.grad.tolist()}
    out = {
        "made_by": f"Keras {keras.__version__}, PyTorch {torch.__version__}, in f64",
        "decay": DECAY, "clip": CLIP, "trajectories": trajectories,
        "cosine": {"epochs": 7, "floor": 0.1, "factors": factors},
        "class_weights": {
            "weights": weights.tolist(), "z": z.tolist(), "torch": torch_wants,
            "keras": {"y": one_hot.tolist(), "loss": of_keras},
        },
    }
    (HERE / "training_options.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
