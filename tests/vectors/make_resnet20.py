"""Writes resnet20.json: what a small ResNet-20 with pre-activation gives, in f64 by NumPy alone.

pip install numpy; python make_resnet20.py

Layers are listed as Keras's weight files have them: by their depth in the graph, a block's shortcut before its third
convolution in stages 1 and 3, behind it in stage 2. The weights are too many to keep: named_weights.py.
"""

import json
from pathlib import Path

import numpy as np

from named_weights import number, uniform

PATCHES, SIZE, BANDS, CLASSES, WIDTH = 3, 32, 10, 17, 2
NETWORK = "resnet20"
layers, count = [], {"conv2d": 0, "batch_normalization": 0, "dense": 0}


def tensors(kind, shapes):
    """The next layer of this kind: its place in the list, its numbers by the parts' names."""
    count[kind] += 1
    layer = f"{kind}_{count[kind]}"
    entry = (layer, [(f"{layer}/{part}:0", list(shape)) for part, shape in shapes.items()])
    values = {p: number(p, f"{NETWORK}/{layer}/{p}:0", s).astype("f8") for p, s in shapes.items()}
    return entry, values


def convolution(x, kernel, outputs, stride=1):
    """`same` padding, a bias. Where a stride halves the maps, the kernel is of one pixel."""
    entry, w = tensors("conv2d", {"kernel": (kernel, kernel, x.shape[3], outputs), "bias": (outputs,)})
    layers.append(entry)
    margin = kernel // 2
    padded = np.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    height, width = x.shape[1:3]
    y = np.zeros((*x.shape[:3], outputs)) + w["bias"]
    for row in range(kernel):
        for column in range(kernel):
            y += padded[:, row : row + height, column : column + width] @ w["kernel"][row, column]
    return y[:, ::stride, ::stride]


def norm_relu(x):
    channels = x.shape[3:]
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    entry, w = tensors("batch_normalization", dict.fromkeys(parts, channels))
    layers.append(entry)
    y = (x - w["moving_mean"]) / np.sqrt(w["moving_variance"] + 1e-3) * w["gamma"] + w["beta"]
    return np.maximum(y, 0)


pixels = uniform(f"{NETWORK}/x", PATCHES * SIZE * SIZE * BANDS) * 0.5 + 0.5
x = pixels.astype("f4").astype("f8").reshape(PATCHES, SIZE, SIZE, BANDS)
x = norm_relu(convolution(x, 3, WIDTH))
inside, outputs = WIDTH, 4 * WIDTH
for stage in range(3):
    for block in range(2):
        stride = 2 if stage > 0 and block == 0 else 1
        y = x if stage == block == 0 else norm_relu(x)
        y = norm_relu(convolution(y, 1, inside, stride))
        y = norm_relu(convolution(y, 3, inside))
        y = convolution(y, 1, outputs)
        if block == 0:
            x = convolution(x, 1, outputs, stride)
            if stage != 1:
                layers[-2:] = layers[:-3:-1]
        x = x + y
    inside, outputs = outputs, 2 * outputs
features = norm_relu(x).mean(axis=(1, 2))
entry, w = tensors("dense", {"kernel": (features.shape[1], CLASSES), "bias": (CLASSES,)})
layers.append(entry)
z = features @ w["kernel"] + w["bias"]
log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
written = {
    "patches": PATCHES,
    "parameters": sum(int(np.prod(shape)) for _, parts in layers for _, shape in parts),
    "layers": layers,
    "features": features.tolist(),
    "log_p": log_p.tolist(),
}
Path(__file__).with_name("resnet20.json").write_text(json.dumps(written) + "\n")
