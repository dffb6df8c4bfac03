"""Times Keras on TensorFlow's CPU build: fit, predict, or the bare graph of inference. Run by run.py."""

import os

from timing import arguments, report, since_process_start

parser = arguments(__doc__)
parser.add_argument("--graph", action="store_true", help="inference without predict's own work")
given = parser.parse_args()
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
import tensorflow as tf

import keras_networks

tf.config.threading.set_intra_op_parallelism_threads(given.threads)
tf.config.threading.set_inter_op_parallelism_threads(given.threads)
keras.utils.set_random_seed(0)
model = keras_networks.BUILD[given.model]()
batches = 16 if given.mode == "train" else 1
n = given.batch * batches
random = np.random.default_rng(0)
x = random.random((n, 32, 32, 10), dtype=np.float32) / 2
y = np.eye(17, dtype=np.float32)[np.arange(n) % 17]

if given.mode == "train":
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.CategoricalCrossentropy(from_logits=True))

    def step():
        model.fit(x, y, batch_size=given.batch, epochs=1, verbose=0)

    model.fit(x[: given.batch], y[: given.batch], batch_size=given.batch, epochs=1, verbose=0)
elif given.graph:
    graph = tf.function(lambda x: model(x, training=False))
    constant = tf.constant(x)

    def step():
        graph(constant).numpy()

    step()
else:

    def step():
        model.predict(x, batch_size=given.batch, verbose=0)

    step()
first = since_process_start()
name = "Keras fit" if given.mode == "train" else "Keras graph" if given.graph else "Keras predict"
report(f"{name} (TensorFlow {tf.__version__})", given, step, n, first)
