"""Maps a scene with lcz and with a Keras loop over the same windows, one after the other, and prints both speeds.

    lcz import WEIGHTS.hdf5 --run RUN
    python benches/peers/map.py WEIGHTS.hdf5 RUN FOLDER_OF_BANDS [--scale 1.526e-5] [--nodata 0] [--stride 10]

WEIGHTS are a Sen2LCZ of 17 classes on Sentinel-2's ten bands. Both read the bands, resample them to 10 m (here by GDAL's bilinear
method, through rasterio), cut windows of 32 x 32 pixels, classify them and keep the likeliest class. Keras runs by `predict_on_batch`,
which is faster here than `predict`, in batches of 256; and by a compiled graph (`tf.function`). The time counts from the first
pixel read to the last class; the windows are those that lack no data. The classes are compared as well. Needs rasterio in addition to the peers of run.py.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import h5py
import numpy as np
import rasterio
import tensorflow as tf
from rasterio.enums import Resampling

import keras_networks

BANDS = "B2 B3 B4 B5 B6 B7 B8 B8A B11 B12".split()
PATCH = 32


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("run")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1 / 65535)
    parser.add_argument("--nodata", type=float, default=0)
    parser.add_argument("--stride", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def load(path):
    """The network with the file's weights, each kind of layer in the file's order; the final head comes first there."""
    model = keras_networks.sen2lcz(fusion="softmaxes")
    kinds = {"conv2d": [], "batch_normalization": [], "dense": []}
    with h5py.File(path) as file:
        file = file["model_weights"] if "model_weights" in file else file
        for name in (name.decode() if isinstance(name, bytes) else name for name in file.attrs["layer_names"]):
            group = file[name]
            weights = [np.array(group[weight]) for weight in group.attrs["weight_names"]]
            for kind in kinds:
                if weights and name.startswith(kind):
                    kinds[kind].append(weights)
    dense = kinds["dense"]
    kinds["dense"] = dense[1:] + dense[:1]
    for kind, weights in kinds.items():
        layers = [layer for layer in model.layers if layer.__class__.__name__.lower() == kind.replace("_", "")]
        if kind == "dense":
            layers.sort(key=lambda layer: layer.kernel.shape[0])
        assert len(layers) == len(weights), (kind, len(layers), len(weights))
        for layer, values in zip(layers, weights):
            layer.set_weights(values)
    return model


def files(folder):
    return [next(path for path in folder.iterdir() if path.stem.replace("B0", "B") == band) for band in BANDS]


def read(given, size):
    scene = np.empty((*size, len(BANDS)), "float32")
    for c, path in enumerate(files(given.folder)):
        with rasterio.open(path) as raster:
            scene[..., c] = raster.read(1, out_shape=size, out_dtype="float32", resampling=Resampling.bilinear) * given.scale
    return scene


def loop(given, size, places, classify):
    """The likeliest class of each window, and the seconds it took."""
    started = time.perf_counter()
    scene, classes = read(given, tuple(size)), []
    for first in range(0, len(places), 256):
        corners = places[first : first + 256] * given.stride
        x = np.stack([scene[row : row + PATCH, column : column + PATCH] for row, column in corners])
        classes.append(classify(x).argmax(1) + 1)
    return np.concatenate(classes), time.perf_counter() - started


def main():
    given = arguments()
    tf.config.threading.set_intra_op_parallelism_threads(given.threads)
    tf.config.threading.set_inter_op_parallelism_threads(given.threads)
    lcz = Path(__file__).resolve().parents[2] / "target" / "release" / "lcz"
    bands = ",".join(str(path) for path in files(given.folder))
    with tempfile.TemporaryDirectory() as folder:
        command = [lcz, "--quiet", "map", given.run, "--bands", bands, "--scale", given.scale, "--nodata", given.nodata,
                   "--stride", f"{given.stride}px", "--json", "--out", f"{folder}/map.tif"]
        # Once to warm the system's cache, then for the time.
        for _ in range(2):
            for path in Path(folder).iterdir():
                path.unlink()
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
        ours = json.loads(done.stdout)
        with rasterio.open(f"{folder}/map.tif") as raster:
            mapped = raster.read(1)
    places = np.argwhere(mapped > 0)
    print(f"lcz: {ours['windows']:,} windows in {ours['seconds']:.2f} s, {ours['windows_per_second']:,.0f} a second")
    model = load(given.weights)
    graph = tf.function(lambda x: model(x, training=False), input_signature=[tf.TensorSpec((None, PATCH, PATCH, 10), tf.float32)])
    for name, classify in [("Keras predict_on_batch", model.predict_on_batch), ("Keras graph", lambda x: graph(x).numpy())]:
        classify(np.zeros((256, PATCH, PATCH, 10), "float32"))
        classes, seconds = loop(given, ours["seen_size"], places, classify)
        equal = 100 * (classes == mapped[mapped > 0]).mean()
        print(f"{name}: {len(places):,} windows in {seconds:.2f} s, {len(places) / seconds:,.0f} a second; lcz is"
              f" x {ours['windows_per_second'] * seconds / len(places):.2f}; {equal:.2f} % of the classes equal")


main()
