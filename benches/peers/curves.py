"""Learning curves of Sen2LCZ in lcz, Keras and PyTorch with the same settings, on a synthetic data set.

target/peers/bin/python benches/peers/curves.py [--patches 1700] [--epochs 5] [--seeds 3] [--lcz target/release/lcz]

Mean of softmaxes, Adam at 0.001, batches of 32, dropout 0.2, bands standardised on the training set; batch-norm
momentum 0.99 (Keras's default) and 0.9. The last epoch's network is tested in cities that it has not seen. Each library
draws its own first weights, order and dropout. Prints a table: the mean over seeds and, behind ±, their standard
deviation. run.py makes the environment.
"""

import argparse
import csv
import multiprocessing
import os
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import h5py
import numpy as np

BATCH, RATE = 32, 1e-3


def read(file):
    with h5py.File(file) as data:
        return data["sen2"][:].astype("f4"), data["label"][:].astype("f4")


def of_lcz(given, folder, momentum, seed):
    run, out = folder / f"run-{momentum}-{seed}", folder / f"predictions-{momentum}-{seed}.h5"
    settings = [f"batch_size={BATCH}", "optimizer=adam", f"learning_rate={RATE}", 'schedule={kind="constant"}', "patience=0",
                "keep=last", f"batch_norm_momentum={momentum}", f"seed={seed}"]
    words = [word for setting in settings for word in ("--set", f"training.{setting}")]
    train = ["train", "sen2lcz", "--data", folder / "data", "--run", run, "--epochs", given.epochs, *words]
    predict = ["predict", run, "--data", folder / "data" / "testing.h5", "--out", out]
    for command in (train, predict):
        subprocess.run([str(word) for word in (given.lcz, "--quiet", *command)], check=True, stdout=subprocess.DEVNULL)
    with open(run / "history.csv") as history:
        losses = [float(row["training_loss"]) for row in csv.DictReader(history)]
    with h5py.File(out) as predictions:
        return losses, predictions["probabilities"][:]


def of_keras(given, train, test, momentum, seed):
    # TensorFlow and PyTorch do not bear each other in one process: each is loaded in one of its own.
    import keras

    import keras_networks

    keras.utils.set_random_seed(seed)
    model = keras_networks.sen2lcz(fusion="softmaxes", momentum=momentum)
    model.compile(keras.optimizers.Adam(RATE), keras.losses.CategoricalCrossentropy())
    history = model.fit(*train, batch_size=BATCH, epochs=given.epochs, verbose=0)
    return history.history["loss"], model.predict(test[0], verbose=0)


def of_torch(given, train, test, momentum, seed):
    import torch

    import torch_networks

    torch.set_num_threads(given.threads)
    torch.manual_seed(seed)
    network = torch_networks.Sen2Lcz(fusion="softmaxes", momentum=momentum).to(memory_format=torch.channels_last)
    x, y = torch.from_numpy(train[0]).permute(0, 3, 1, 2), torch.from_numpy(train[1])
    optimizer = torch.optim.Adam(network.parameters(), RATE, eps=1e-7)
    losses = []
    for _ in range(given.epochs):
        network.train()
        total = 0.0
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            loss = -(network(x[rows]) * y[rows]).sum(1).mean()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        losses.append(total / len(x))
    network.eval()
    with torch.inference_mode():
        log_p = [network(x) for x in torch.from_numpy(test[0]).permute(0, 3, 1, 2).split(256)]
    return losses, torch.cat(log_p).exp().numpy()


def scores(p, y):
    true = (p * y).sum(1)
    return (p.argmax(1) == y.argmax(1)).mean(), -np.log(np.maximum(true, 1e-30)).mean()


def cell(values):
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=1700)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lcz", default=Path(__file__).resolve().parent.parent.parent / "target" / "release" / "lcz")
    given = parser.parse_args()

    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, spawn) as of_keras_alone, ProcessPoolExecutor(1, spawn) as of_torch_alone:
        folder = Path(folder)
        synth = ["synth", folder / "data", "--patches", given.patches, "--seed", 1]
        subprocess.run([str(word) for word in (given.lcz, "--quiet", *synth)], check=True, stdout=subprocess.DEVNULL)
        train, test = read(folder / "data" / "training.h5"), read(folder / "data" / "testing.h5")
        mean, deviation = train[0].mean((0, 1, 2), dtype="f8"), train[0].std((0, 1, 2), dtype="f8")
        own_train, own_test = [(((x - mean) / deviation).astype("f4"), y) for x, y in (train, test)]
        majority = test[1].mean(0).max()
        print(f"{len(train[0])} training and {len(test[0])} test patches, synthetic; largest class of the latter {majority:.3f}\n")
        epochs = [f"loss {epoch + 1}" for epoch in range(given.epochs)]
        print("| momentum | library | " + " | ".join(epochs) + " | test OA | test CE |")
        print("|---|---|" + "---:|" * (given.epochs + 2))
        libraries = {
            "lcz": lambda *rest: of_lcz(given, folder, *rest),
            f"Keras {version('keras')}": lambda *rest: of_keras_alone.submit(of_keras, given, own_train, own_test, *rest).result(),
            f"PyTorch {version('torch').split('+')[0]}": lambda *rest: of_torch_alone.submit(of_torch, given, own_train, own_test, *rest).result(),
        }
        for momentum in (0.99, 0.9):
            for name, learn in libraries.items():
                runs = [learn(momentum, seed) for seed in range(given.seeds)]
                losses = np.array([losses for losses, _ in runs])
                accuracy, entropy = zip(*(scores(p.astype("f8"), test[1]) for _, p in runs))
                row = [cell(losses[:, epoch]) for epoch in range(given.epochs)] + [cell(accuracy), cell(entropy)]
                print(f"| {momentum} | {name} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
