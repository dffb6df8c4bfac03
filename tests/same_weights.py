#!/usr/bin/env python3
"""Do two builds of lcz train the same weights? Tensor by tensor, byte by byte.

    python3 tests/same_weights.py BASE_LCZ NEW_LCZ [--keep FOLDER] [--only WORD ...]

Each case below is trained with both programs on the same synthetic data with the same seed: on one thread, on two, and
killed (SIGKILL) and stopped (SIGTERM) in the middle and resumed. The names, types, shapes and bytes of all tensors of
`model.safetensors`, and the standardisation next to them, must be those of BASE_LCZ on one thread. Prints a table; the
exit status is 1 if anything differs.

--keep FOLDER   Data and base weights are kept there and not made again: the second run takes two thirds of the time. The folder
                holds those of one BASE_LCZ.
--only WORD     Only the cases whose name contains one of these words (sen2lcz, mlp, resnet50, unet, forest).

Needs Python 3.9 and nothing else. Takes two minutes on two cores.

A change that is meant to leave training alone (moved code, faster kernels, other names) is checked with it against the
program before the change: `git worktree add ../before main && cd ../before && cargo build --release`.

U-Nets: a program without `lcz patches --masks` cuts the scene and trains in one go, with `lcz landcover train`; one that
has it writes patches with masks and trains with `lcz train unet`. Both must cut the same patches in the same order.
"""

import argparse
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATCHES = 300  # of the synthetic data set, 180 of them for training
SCENE = "288x288"
SEED = 7

# Name, model, epochs, and settings that reach every kind of layer, label, optimiser and random draw.
CASES = [
    ("sen2lcz", "sen2lcz", 3, ["model.width=8", "training.augmentation=flips-and-turns", "data.labels=votes"]),
    ("sen2lcz logits", "sen2lcz", 4, ["model.width=4", "model.depth=9", "model.fusion=logits",
     "training.optimizer=adam", "training.crops=0.5", "training.class_weights=balanced", "training.batch_size=24"]),
    ("mlp", "mlp", 30, ["training.optimizer=sgd", "training.clip_norm=1.0", "training.weight_decay=0.01",
     "training.learning_rate=0.01"]),
    ("resnet20", "resnet20", 3, ["model.width=4"]),
    ("resnet50", "resnet50", 3, ["model.width=8", "data.labels=posterior", "training.label_smoothing=0.1"]),
    ("resnet50 course", "resnet50", 3, ["model.width=8", "model.variant=course", "model.head=16"]),
    ("unet plain", "unet", 3, {"encoder": "plain", "width": "0.125", "depth": "3"}),
    ("unet B0", "unet", 3, {"encoder": "efficientnet-b0", "width": "0.25"}),
    ("forest", "forest", 0, ["model.trees=40"]),
    ("forest statistics", "forest", 0, ["model.trees=20", "model.features=statistics", "model.min_leaf=3",
     "model.bootstrap=false"]),
]  # fmt: skip


def call(threads, *command):
    """Runs a command on N threads."""
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr[-2000:]}")


def cuts_masks(lcz):
    return "--masks" in subprocess.run([lcz, "patches", "--help"], capture_output=True, text=True).stdout


def settings(pairs):
    return [part for pair in pairs for part in ("--set", pair)]


class Data:
    """What both programs train on; the base makes it."""

    def __init__(self, folder, scratch, base):
        self.patches = folder / "patches"
        self.city = folder / "city"
        self.cut = scratch / "masks"
        if not self.patches.exists():
            call(2, base, "synth", self.patches, "--patches", PATCHES, "--seed", SEED)
        if not self.city.exists():
            call(2, base, "synth", self.city, "--scene", SCENE, "--seed", SEED)

    def scene(self):
        bands = sorted(self.city.glob("B*.tif"))
        assert bands, f"{self.city}: no bands"
        return ["--bands", ",".join(map(str, bands)), "--labels", self.city / "LCZ.tif", "--scl", self.city / "SCL.tif"]

    def masks(self, lcz):
        """The scene cut into patches with masks, as the base's `landcover train` cuts it."""
        if not self.cut.exists():
            call(1, lcz, "patches", *self.scene(), "--masks", "--size", 32, "--seed", SEED, "--scale", "1e-4", "--out", self.cut)
        return self.cut


def training(lcz, case, run, data):
    """The command that trains a case into a run folder."""
    _, model, epochs, given = case
    if model == "forest":
        return [lcz, "train", "forest", "--data", data.patches, "--run", run, "--seed", SEED, *settings(given)]
    if model != "unet":
        return [lcz, "train", model, "--data", data.patches, "--run", run, "--seed", SEED, "--epochs", epochs,
                "--set", "training.checkpoint_seconds=0", *settings(given)]  # fmt: skip
    if not cuts_masks(lcz):
        network = [part for key, value in given.items() for part in (f"--{key}", value)]
        return [lcz, "landcover", "train", *data.scene(), "--size", 32, "--run", run, "--seed", SEED, "--epochs", epochs,
                "--batch-size", 8, *network]  # fmt: skip
    # What `landcover train` took unasked.
    schedule = f'training.schedule={{kind="cosine", epochs={epochs}, floor=0.0}}'
    network = [f"model.{key}={value}" for key, value in given.items()]
    return [lcz, "train", "unet", "--data", data.masks(lcz), "--run", run, "--seed", SEED, "--epochs", epochs, "--augment",
            *settings(["training.batch_size=8", "training.checkpoint_seconds=0", schedule, *network])]  # fmt: skip


def resumed(lcz, command, run, sign):
    """Trains until there is a checkpoint of the second epoch, sends the signal, and resumes."""
    environment = os.environ | {"RAYON_NUM_THREADS": "2"}
    running = subprocess.Popen(
        [str(part) for part in command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    history = run / "history.csv"
    while running.poll() is None:
        # A header and the first epoch.
        if history.exists() and history.read_bytes().count(b"\n") >= 2:
            running.send_signal(sign)
            break
        time.sleep(0.001)
    if running.wait() == 0:
        sys.exit(f"{run}: the training was over before it could be interrupted; give it more epochs")
    call(1, lcz, "train", "--resume", run)


def tensors(path):
    """The tensors of a safetensors file by name: type, shape, bytes. The standardisation is one of them."""
    file = path.read_bytes()
    (length,) = struct.unpack("<Q", file[:8])
    header = json.loads(file[8 : 8 + length])
    found = {}
    for text in header.pop("__metadata__", {}).values():
        description = json.loads(text)
        if description.get("standardisation"):
            numbers = json.dumps(description["standardisation"], sort_keys=True)
            found["(standardisation)"] = ("text", [], numbers.encode())
    for name, tensor in header.items():
        start, end = tensor["data_offsets"]
        found[name] = (tensor["dtype"], tensor["shape"], file[8 + length + start : 8 + length + end])
    return found


def differences(base, new):
    """One line for each tensor that is not the same."""
    for name in sorted(base.keys() | new.keys()):
        if name not in new:
            yield f"{name}: only in the base"
        elif name not in base:
            yield f"{name}: only in the new one"
        elif base[name][:2] != new[name][:2]:
            yield f"{name}: {base[name][:2]}, then {new[name][:2]}"
        elif base[name][2] != new[name][2]:
            numbers = sum(base[name][2][k : k + 4] != new[name][2][k : k + 4] for k in range(0, len(base[name][2]), 4))
            yield f"{name}: {numbers} of {len(base[name][2]) // 4} numbers differ"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("new")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", nargs="+", default=[""])
    given = parser.parse_args()
    base, new = (str(Path(lcz).resolve()) for lcz in (given.base, given.new))
    scratch = tempfile.TemporaryDirectory()
    kept = (given.keep or Path(scratch.name) / "base").resolve()
    kept.mkdir(parents=True, exist_ok=True)
    work = Path(scratch.name)
    data = Data(kept, work, base)
    failed = 0
    print(f"{'model':18} {'program and run':22} {'tensors':>7} {'bytes':>11}  result")
    for case in [case for case in CASES if any(word in case[0] for word in given.only)]:
        name = case[0].replace(" ", "-")
        runs = [("base, 1 thread", base, 1, None), ("base, 2 threads", base, 2, None)]
        runs += [("new, 1 thread", new, 1, None), ("new, 2 threads", new, 2, None)]
        # A forest is not resumed, and neither are the U-Nets of `landcover train`.
        if case[1] != "forest" and (case[1] != "unet" or cuts_masks(new)):
            runs += [("new, killed, resumed", new, None, signal.SIGKILL), ("new, stopped, resumed", new, None, signal.SIGTERM)]
        expected = None
        for kind, lcz, threads, sign in runs:
            run = (kept if lcz == base and kind.startswith("base") else work) / (name + "-" + kind.replace(", ", "-").replace(" ", "-"))
            model = run / "model.safetensors"
            if not (model.exists() and kind.startswith("base")):
                command = training(lcz, case, run, data)
                if sign is None:
                    call(threads, *command)
                else:
                    resumed(lcz, command, run, sign)
            found = tensors(model)
            expected = expected or found
            wrong = list(differences(expected, found))
            failed += bool(wrong)
            size = sum(len(values) for _, _, values in found.values())
            print(f"{case[0]:18} {kind:22} {len(found):7} {size:11,}  {'DIFFERENT' if wrong else 'the same'}", flush=True)
            for line in wrong[:8]:
                print(f"    {line}")
            if len(wrong) > 8:
                print(f"    and {len(wrong) - 8} more")
    print(f"\n{failed} of the runs differ" if failed else "\nevery tensor of every run is the same")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
