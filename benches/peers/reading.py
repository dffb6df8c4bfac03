"""Times reading of So2Sat's layout by h5py and by lcz, from one file each of contiguous data, gzip and h5py's own chunks.

target/peers/bin/python benches/peers/reading.py [--patches 6000] [--rounds 5] [--folder DIR]

[N, 32, 32, 10] in 64 bits, as So2Sat has them: 6,000 patches are 490 MB a file, of which one exists at a time. h5py reads
slices of 64 rows in order, of which files with unfavourable chunks are timed on the first 128 rows only; lcz reads shuffled batches
of 64 (cargo bench --bench reading). The file was just written, so that it lies in the system's cache. The two take turns;
medians of their rounds. run.py makes the environment; cargo must be there.
"""

import argparse
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
LAYOUTS = {"contiguous": {}, "gzip": {"chunks": (64, 32, 32, 10), "compression": 4}, "h5py's own chunks": {"chunks": True}}
BATCH = 64


def write(path, patches, layout):
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        pixels = file.create_dataset("sen2", (patches, 32, 32, 10), "f8", **layout)
        # In pieces of whole chunks, whatever they are; reflectances have 13 bits or so, and compress accordingly.
        step = pixels.chunks[0] if pixels.chunks else BATCH
        for start in range(0, patches, step):
            rows = min(step, patches - start)
            pixels[start : start + rows] = random.integers(0, 8000, (rows, 32, 32, 10)) / 10000
        file["label"] = np.eye(17)[np.arange(patches) % 17]


def by_h5py(path, rows):
    """Rows per second, in order."""
    started = time.perf_counter()
    with h5py.File(path) as file:
        for start in range(0, rows, BATCH):
            file["sen2"][start : min(start + BATCH, rows)]
    return rows / (time.perf_counter() - started)


def by_lcz(path):
    command = ["cargo", "bench", "-q", "--bench", "reading", "--", path]
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(re.search(r"shuffled: .* ([\d.,]+) patches/s", done.stdout)[1].replace(",", ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where there is room for a file")
    given = parser.parse_args()
    print("| layout | h5py in order, patches/s | lcz shuffled, patches/s | lcz is |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / "patches.h5"
        for name, layout in LAYOUTS.items():
            write(path, given.patches, layout)
            rows = 2 * BATCH if layout.get("chunks") is True else given.patches
            # Else the system writes it to the disk meanwhile.
            os.sync()
            turns = [(by_h5py(path, rows), by_lcz(path)) for _ in range(given.rounds)]
            h5py_rate, lcz_rate = map(statistics.median, zip(*turns))
            print(f"| {name} | {h5py_rate:,.0f} | {lcz_rate:,.0f} | × {lcz_rate / h5py_rate:.2f} |", flush=True)
            path.unlink()


main()
