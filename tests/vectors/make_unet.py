"""Writes unet.safetensors: what two narrow U-Nets give in Keras, and where three steps take them; prints the
parameters of U-Nets that are not narrow.

pip install tensorflow-cpu==2.21.0 safetensors; python make_unet.py

The encoder is keras.applications' EfficientNet of width 0.05 (all of B0's kinds of blocks: 3 x 3 and 5 x 5, with and
without expansion, stride and shortcut), without its own scaling of the input and without stochastic depth; the
decoder is that of segmentation_models' `Unet`, written down here from its source (`DecoderUpsamplingX2Block`: up-sampling
by nearest neighbours, concatenation, two 3 x 3 convolutions with batch norm and ReLU). The plain U-Net is that of the
paper with `same` padding and batch norm. Keras computes in f64. Each network is run in inference (ln of its softmax), then
trained on one batch by three steps of SGD with Nesterov momentum against masks in which some pixels are ignored (255),
with weights of the classes. Tensors are named `<network>.x`, `.mask`, `.log_p` (of the first image), `.losses`, and
`.before.<weight>`, `.after.<weight>` (of those that have at most 500 numbers) under the weights' names in lcz; the
metadata holds the settings. To keep the file small, the input and the larger weights are whole numbers in 8 bits times
`.step.<tensor>`.
"""

import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras.src.applications.efficientnet import EfficientNet
from safetensors.numpy import save_file

NETWORKS = {
    "efficientnet-b0": dict(width=0.05, bands=3, classes=4, size=64),
    "plain": dict(width=0.0625, depth=2, bands=5, classes=3, size=20),
}
BATCH, STEPS, LEARNING_RATE = 3, 3, 0.02
# Numbers of a tensor from which on it is stored in 8 bits.
LARGE = 500
SKIPS = ["block6a_expand_activation", "block4a_expand_activation", "block3a_expand_activation",
         "block2a_expand_activation"]
layers = keras.layers


def rounded(channels, width):
    """round_filters of keras.applications.efficientnet."""
    channels *= width
    nearest = max(8, int(channels + 4) // 8 * 8)
    return int(nearest + 8 if nearest < 0.9 * channels else nearest)


def conv_norm(x, name, channels, layer):
    x = layer(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}.norm")(x)
    return layers.ReLU()(x)


def pair(x, name, channels):
    for k in (1, 2):
        layer = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"{name}.conv{k}")
        x = conv_norm(x, f"{name}.conv{k}", channels, layer)
    return x


def efficientnet_unet(width, bands, classes, size):
    encoder = EfficientNet(
        width, 1.0, size, drop_connect_rate=0.0, include_top=False, weights=None, input_shape=(size, size, bands))
    # From behind the scaling of the input on.
    start = encoder.get_layer("stem_conv_pad").input
    outputs = [encoder.get_layer(name).output for name in SKIPS] + [encoder.output]
    encoder = keras.Model(start, outputs)
    x = inputs = keras.Input((size, size, bands))
    *skips, x = encoder(inputs)
    for k, channels in enumerate([256, 128, 64, 32, 16]):
        x = layers.UpSampling2D(2)(x)
        if k < 4:
            x = layers.Concatenate()([x, skips[k]])
        x = pair(x, f"up{5 - k}", rounded(channels, width))
    return keras.Model(inputs, layers.Conv2D(classes, 3, padding="same", name="head")(x))


def plain_unet(width, depth, bands, classes, size):
    channels = [round(64 * width) << level for level in range(depth + 1)]
    x = inputs = keras.Input((size, size, bands))
    skips = []
    for level in range(depth):
        x = pair(x, f"down{level + 1}", channels[level])
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = pair(x, "bottom", channels[depth])
    for level in reversed(range(depth)):
        name = f"up{level + 1}.transposed"
        layer = layers.Conv2DTranspose(channels[level], 2, 2, padding="same", use_bias=False, name=name)
        x = conv_norm(x, name, channels[level], layer)
        x = pair(layers.Concatenate()([x, skips[level]]), f"up{level + 1}", channels[level])
    return keras.Model(inputs, layers.Conv2D(classes, 1, name="head")(x))


def build(name, **settings):
    return (plain_unet if name == "plain" else efficientnet_unet)(**settings)


PARTS = {"stem_conv": "stem", "stem_bn": "stem", "top_conv": "top", "top_bn": "top"}
BLOCK = {"expand_conv": "expand", "expand_bn": "expand", "dwconv": "depthwise", "bn": "depthwise",
         "se_reduce": "squeeze", "se_expand": "excite", "project_conv": "project", "project_bn": "project"}


def name_of(weight):
    """The name of a weight in lcz."""
    layer, part = weight.path.split("/")[-2:]
    layer = layer.removesuffix(".norm")
    if layer.startswith("block"):
        block, rest = layer.split("_", 1)
        layer = f"{block}.{BLOCK[rest]}"
    return f"{PARTS.get(layer, layer)}.{'weight' if part == 'kernel' else part}"


def is_depthwise(weight):
    return "dwconv" in weight.path.split("/")[-2]


def shaped(weight, value):
    """A weight in lcz's shape: all sides but the last in one; depthwise, the last two as well."""
    if is_depthwise(weight):
        return value.reshape(-1, value.shape[2])
    return value.reshape(-1, value.shape[-1]) if value.ndim > 1 else value


def weights(model):
    return {name_of(w): np.ascontiguousarray(shaped(w, w.numpy())) for w in model.weights}


def cross_entropy(z, mask, of_class):
    """The mean over the pixels that have a class of -w_k ln p_k."""
    counted = (mask != 255).astype("f8")
    k = np.where(mask == 255, 0, mask)
    log_p = tf.nn.log_softmax(z)
    picked = tf.gather(log_p, k, batch_dims=3)
    return -tf.reduce_sum(picked * of_class[k] * counted) / counted.sum()


def count(name, **settings):
    model = build(name, **settings)
    trained = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    print(f"{name} {settings}: {model.count_params():,} parameters, {trained:,} of them trained")


def main():
    count("efficientnet-b0", width=1.0, bands=3, classes=1, size=64)
    count("efficientnet-b0", width=1.0, bands=10, classes=7, size=64)
    count("efficientnet-b0", width=0.25, bands=3, classes=5, size=64)
    count("plain", width=1.0, depth=4, bands=3, classes=1, size=64)
    count("plain", width=0.125, depth=3, bands=10, classes=7, size=64)
    keras.backend.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    rng = np.random.default_rng(0)
    tensors = {}
    metadata = {"made_by": f"Keras {keras.__version__}, TensorFlow {tf.__version__}, in f64",
                "steps": str(STEPS), "learning_rate": str(LEARNING_RATE)}
    for name, settings in NETWORKS.items():
        model = build(name, **settings)
        bands, classes, size = (settings[key] for key in ("bands", "classes", "size"))
        found = {}

        def coarse(key, value, step):
            q = np.clip(np.round(value / step), -127, 127)
            found[key], found[f"step.{key}"] = q.astype("i1"), np.array([step], "f4")
            return q * np.float64(np.float32(step))

        for weight in model.weights:
            part = weight.path.rsplit("/", 1)[1]
            spread = {"gamma": lambda z: 1 + 0.2 * z, "moving_variance": lambda z: np.exp(0.3 * z)}
            fan = np.prod(weight.shape[:2]) if is_depthwise(weight) else np.prod(weight.shape[:-1])
            scale = np.sqrt(2 / fan) if part.endswith("kernel") else 0.2
            draw = spread.get(part, lambda z: scale * z)
            value = draw(rng.standard_normal(weight.shape)).astype("f4").astype("f8")
            if value.size > LARGE:
                value = coarse(f"before.{name_of(weight)}", value, scale / 32)
            weight.assign(value)
        # Smooth images, so that neighbouring pixels have to do with one another.
        x = rng.standard_normal((BATCH, size // 4, size // 4, bands)).repeat(4, 1).repeat(4, 2)
        x = coarse("x", x + 0.3 * rng.standard_normal(x.shape), 1 / 32)
        mask = rng.integers(0, classes, (BATCH, size, size))
        mask[rng.random(mask.shape) < 0.2] = 255
        mask[1, : size // 2] = 255
        of_class = np.array([0.5, 1.0, 2.0, 1.5][:classes])
        log_p = tf.nn.log_softmax(model(x.astype("f8"), training=False)).numpy()
        before = weights(model)
        optimizer = keras.optimizers.SGD(LEARNING_RATE, momentum=0.9, nesterov=True)
        losses = []
        for layer in model._flatten_layers():
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = 0.9
        for _ in range(STEPS):
            with tf.GradientTape() as tape:
                z = model(x.astype("f8"), training=True)
                loss = cross_entropy(z, mask, of_class)
            # As in a history: all classes have the same weight.
            losses.append(float(cross_entropy(z, mask, np.ones(classes))))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        after = weights(model)
        found |= dict(mask=mask.astype("u1"), log_p=log_p[0].reshape(-1, classes).astype("f4"),
                      losses=np.array(losses), class_weights=of_class)
        for key, value in before.items():
            if f"before.{key}" in found:
                found[f"before.{key}"] = found[f"before.{key}"].reshape(value.shape)
            else:
                found[f"before.{key}"] = value.astype("f4")
                found[f"after.{key}"] = after[key].astype("f4")
        tensors |= {f"{name}.{key}": value for key, value in found.items()}
        metadata[name] = json.dumps(settings)
        print(name, sum(v.size for v in before.values()), "numbers, losses", losses,
              "ln p from", log_p.min(), "to", log_p.max())
    save_file(tensors, Path(__file__).parent / "unet.safetensors", metadata)


main()
