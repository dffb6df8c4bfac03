"""Writes resnet50.json: what two ResNet-50s give in Keras, and how Keras lays out their weight files.

pip install tensorflow-cpu==2.21.0; python make_resnet50.py

`standard` is keras.applications.ResNet50 with 10 bands and 17 classes, `course` the course's variant as
benches/peers/keras_networks.py has it. Keras computes in f64. The weights are too many to keep: `number` makes each
of them from its tensor's name and place, here and in tests/keras.rs. Layers and tensors are listed in the order of the
file that Keras's `save` writes; for each tensor its name there, its sides, and the kind that sets its spread.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "benches" / "peers"))

import h5py
import keras
import numpy as np
import tensorflow as tf

import keras_networks

PATCHES, FEATURES = 3, 24


def uniform(name, count):
    """`count` numbers between −1 and 1: splitmix64 of the name's FNV-1a hash and the place."""
    with np.errstate(over="ignore"):
        seed = np.uint64(0xCBF29CE484222325)
        for byte in name.encode():
            seed = (seed ^ np.uint64(byte)) * np.uint64(0x100000001B3)
        z = seed + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype("f8") / 2.0**23 - 1


def number(kind, name, shape):
    """The numbers of a tensor, exact in f32."""
    u = uniform(name, int(np.prod(shape)))
    inputs = np.prod(shape[:-1])
    values = {
        "kernel": lambda: np.sqrt(3 / inputs) * u,
        "bias": lambda: 0.1 * u,
        "gamma": lambda: 1 + 0.25 * u,
        "beta": lambda: 0.25 * u,
        "moving_mean": lambda: 0.25 * u,
        "moving_variance": lambda: 1 + 0.5 * u,
    }[kind]()
    return values.astype("f4").reshape(shape)


def layout(model):
    """Layers and tensors as the file has them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        model.save(path)
        with h5py.File(path) as file:
            root = file["model_weights"]
            text = lambda names: [name.decode() if isinstance(name, bytes) else name for name in names]
            return [
                [layer, [[name, list(root[layer][name].shape)] for name in text(root[layer].attrs["weight_names"])]]
                for layer in text(root.attrs["layer_names"])
            ]


def forward(name, model):
    layers = [layer for layer in layout(model) if layer[1]]
    for layer, tensors in layers:
        kinds = [tensor.split("/")[-1].removesuffix(":0") for tensor, _ in tensors]
        own = {weight.name.split("/")[-1].removesuffix(":0"): weight for weight in model.get_layer(layer).weights}
        for kind, (tensor, shape) in zip(kinds, tensors):
            own[kind].assign(number(kind, f"{name}/{tensor}", shape))
    x = (uniform(f"{name}/x", PATCHES * 32 * 32 * 10) * 0.5 + 0.5).astype("f4").reshape(PATCHES, 32, 32, 10)
    head = model.layers[-1]
    head.activation = keras.activations.linear
    both = keras.Model(model.inputs[0], [head.input, model.outputs[0]])
    features, logits = (np.asarray(out) for out in both(x.astype("f8")))
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    print(f"{name}: {model.count_params():,} parameters, features up to {features.max():.3g}, ln p down to {log_p.min():.3g}")
    return {
        "parameters": model.count_params(),
        "layers": layers,
        "features": features[:, :FEATURES].tolist(),
        "log_p": log_p.tolist(),
    }


def main():
    keras.backend.set_floatx("float64")
    standard = keras.applications.ResNet50(weights=None, input_shape=(32, 32, 10), classes=17)
    made_by = f"Keras {keras.__version__}, TensorFlow {tf.__version__}, in f64"
    found = {"made_by": made_by, "patches": PATCHES}
    for name, model in {"standard": standard, "course": keras_networks.resnet50()}.items():
        found[name] = forward(name, model)
    (HERE / "resnet50.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


main()
