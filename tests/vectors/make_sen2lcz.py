"""Writes sen2lcz.safetensors: what two small Sen2LCZ networks give in Keras, and where three steps take them.

pip install tensorflow-cpu==2.15.1 safetensors; python make_sen2lcz.py

Keras computes in f64. Each network is run in inference (ln of its output), then trained on one batch by
three steps of SGD with Nesterov momentum against distributions. Sides that cannot be halved evenly, both
ways to fuse the heads. Tensors are named `<network>.x`, `.y`, `.log_p`, `.losses`, and `.before.<weight>`,
`.after.<weight>` under the weights' names in lcz; the metadata holds the settings.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

NETWORKS = {
    "softmaxes": dict(depth=5, width=2, bands=3, classes=4, size=11),
    "logits": dict(depth=9, width=2, bands=5, classes=6, size=16),
}
BATCH, STEPS, LEARNING_RATE = 6, 3, 0.05


def sen2lcz(fusion, depth, width, bands, classes, size):
    layers = keras.layers
    x = inputs = keras.Input((size, size, bands))
    heads = []
    for block in range(4):
        for layer in range((depth - 1) // 4):
            name = f"block{block + 1}.conv{layer + 1}"
            x = layers.Conv2D(width << block, 3, padding="same", name=name)(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}.norm")(x)
            x = layers.ReLU()(x)
        if block < 3:
            x = layers.Concatenate()([layers.MaxPooling2D(2)(x), layers.AveragePooling2D(2)(x)])
        name = f"head.merge{block + 1}" if block < 3 else "head.final"
        head = layers.Dense(classes, name=name)(layers.GlobalAveragePooling2D()(x))
        heads.append(head if fusion == "logits" else layers.Softmax()(head))
    output = layers.Average()(heads)
    return keras.Model(inputs, layers.Softmax()(output) if fusion == "logits" else output)


def weights(model):
    """All weights under lcz's names and in its shapes."""
    names = {"kernel:0": "weight", "bias:0": "bias", "gamma:0": "gamma", "beta:0": "beta",
             "moving_mean:0": "moving_mean", "moving_variance:0": "moving_variance"}
    found = {}
    for weight in model.weights:
        layer, part = weight.name.rsplit("/", 1)
        value = weight.numpy()
        if part == "kernel:0":
            value = value.reshape(-1, value.shape[-1])
        found[f"{layer.removesuffix('.norm')}.{names[part]}"] = value
    return found


def main():
    tf.keras.backend.set_floatx("float64")
    rng = np.random.default_rng(0)
    tensors, metadata = {}, {"made_by": f"Keras {keras.__version__}, TensorFlow {tf.__version__}, in f64",
                             "steps": str(STEPS), "learning_rate": str(LEARNING_RATE)}
    for name, settings in NETWORKS.items():
        model = sen2lcz(name, **settings)
        for weight in model.weights:
            spread = {"gamma:0": lambda z: 1 + 0.2 * z, "moving_variance:0": lambda z: np.exp(0.3 * z)}
            scale = np.sqrt(2 / np.prod(weight.shape[:-1])) if weight.name.endswith("kernel:0") else 0.2
            draw = spread.get(weight.name.rsplit("/", 1)[1], lambda z: scale * z)
            weight.assign(draw(rng.standard_normal(weight.shape)).astype("f4"))
        x = rng.standard_normal((BATCH, settings["size"], settings["size"], settings["bands"])).astype("f4")
        y = rng.dirichlet(np.full(settings["classes"], 0.5), BATCH).astype("f4").astype("f8")
        y /= y.sum(axis=1, keepdims=True)
        before, log_p = weights(model), np.log(model(x.astype("f8"), training=False).numpy())
        optimizer = keras.optimizers.legacy.SGD(LEARNING_RATE, momentum=0.9, nesterov=True)
        losses = []
        for _ in range(STEPS):
            with tf.GradientTape() as tape:
                p = model(x.astype("f8"), training=True)
                loss = -tf.reduce_mean(tf.reduce_sum(y * tf.math.log(p), axis=1))
            variables = model.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
            losses.append(float(loss))
        print(name, model.count_params(), losses)
        tensors |= {f"{name}.x": x, f"{name}.y": y, f"{name}.log_p": log_p, f"{name}.losses": np.array(losses)}
        for when, values in (("before", before), ("after", weights(model))):
            tensors |= {f"{name}.{when}.{key}": value.astype("f4") for key, value in values.items()}
        metadata |= {f"{name}.{key}": str(value) for key, value in settings.items()}
    save_file(tensors, Path(__file__).with_name("sen2lcz.safetensors"), metadata)


if __name__ == "__main__":
    main()
