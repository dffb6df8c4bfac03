"""Weights that follow from the names of tensors, for networks with too many to keep. tests/keras.rs has the same."""

import numpy as np


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
