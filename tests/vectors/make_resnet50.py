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
from named_weights import number, uniform

PATCHES, FEATURES = 3, 24


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
