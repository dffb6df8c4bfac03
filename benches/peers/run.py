"""Times lcz, Keras and PyTorch on the same networks, one after the other, and prints the ratios.

python3 benches/peers/run.py [--busy] [--models sen2lcz mlp resnet50] [--modes train infer] [--rounds 9]
                             [--levels avx2 avx512]

Float32, Adam, two threads by default; batch 32 to train and 256 to infer; random patches of
32 × 32 × 10. The peers are installed into target/peers on first use (some 7 GB, most of it for GPUs, which are not
used). Nothing else should run meanwhile; --busy then times each again while another process keeps one core busy.
Compiled PyTorch needs a C++ compiler.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / "target" / "peers"
PACKAGES = ["numpy", "tensorflow-cpu", "torch"]
# The peers' ResNet-50 is the course's; ours would be Keras's.
AS_THE_PEERS = {"resnet50": ["--set", "model.variant=course"]}
# What makes each of the three use an instruction set. What TensorFlow does with Eigen is fixed when it is built.
LEVELS = {
    "avx512": {"LCZ_SIMD": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "ATEN_CPU_CAPABILITY": "avx512"},
    "avx2": {"LCZ_SIMD": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}


def peers(model, mode):
    """Commands of the peers."""
    keras, torch = [[VENV / "bin" / "python", HERE / f"{name}_bench.py", model] for name in ("keras", "torch")]
    if mode == "train":
        return [keras, torch, [*torch, "--compiled"]]
    return [keras, [*keras, "--graph"], torch, [*torch, "--frozen"]]


def measure(command, given, mode):
    batch = given.batch or (32 if mode == "train" else 256)
    command = [*command, "--mode", mode, "--batch", batch, "--threads", given.threads, "--rounds", given.rounds]
    environment = {**os.environ, "OMP_NUM_THREADS": str(given.threads), **LEVELS.get(given.level, {})}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return None, last
    return json.loads(done.stdout[done.stdout.index("{"):]), None


def with_another_process(command, given, mode):
    """As `measure`, while another process keeps one core busy."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        return measure(command, given, mode)[0]
    finally:
        other.kill()
        other.wait()


def machine():
    with open("/proc/cpuinfo") as info:
        name = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "?")
    return f"{name}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}, load {os.getloadavg()[0]:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["sen2lcz", "mlp", "resnet50"])
    parser.add_argument("--modes", nargs="+", default=["train", "infer"], choices=["train", "infer"])
    parser.add_argument("--batch", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--busy", action="store_true", help="then time each again with another process busy on one core")
    parser.add_argument("--levels", nargs="+", choices=LEVELS, default=[None], help="instruction sets, one after the other")
    parser.add_argument("--json", action="store_true", help="print every measurement as a line of JSON")
    given = parser.parse_args()

    if not (VENV / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "python", "-m", "pip", "install", "-q", *PACKAGES], check=True)
    lcz = ROOT / "target" / "release" / "lcz"
    # What is there may be of yesterday.
    subprocess.run(["cargo", "build", "--release", "-q"], cwd=ROOT, check=True)

    print(machine(), flush=True)
    for given.level, model, mode in itertools.product(given.levels, given.models, given.modes):
        command = [lcz, "--quiet", "bench", model, "--json", *AS_THE_PEERS.get(model, [])]
        ours, problem = measure(command, given, mode)
        if ours is None:
            print(f"\n{model}, {mode}: {problem}")
            continue
        ours["peer"] = "lcz"
        rows, commands = [ours], [command]
        for command in peers(model, mode):
            row, problem = measure(command, given, mode)
            if row is None:
                print(f"{' '.join(map(str, command[1:]))}: {problem}")
            else:
                rows.append(row)
                commands.append(command)
        if given.busy:
            for row, command in zip(rows, commands):
                busy = with_another_process(command, given, mode)
                row["busy_samples_per_second"] = busy and busy["samples_per_second"]
        if given.json:
            for row in rows:
                print(json.dumps(row), flush=True)
            continue
        print(f"\n{model}, {mode}, batch {ours['batch']}, {given.threads} threads, {ours['instructions']}"
              f" ({ours['gflops']:.0f} GFLOP/s, {100 * ours['share_of_peak']:.0f} % of the peak)")
        print(f"{'':38} {'samples/s':>10} {'slowest to fastest':>19} {'lcz is':>8} {'memory, MB':>11} {'first step, s':>14}")
        for row in rows:
            speed, (slowest, fastest) = row["samples_per_second"], row["range"]
            ratio = f"× {ours['samples_per_second'] / speed:.2f}" if row is not ours else ""
            print(f"{row['peer']:38} {speed:10,.0f} {f'{slowest:,.0f} to {fastest:,.0f}':>19} {ratio:>8}"
                  f" {row['peak_memory_mb']:11,.0f} {row['first_step_seconds']:14.2f}", flush=True)
        for row in rows:
            busy = row.get("busy_samples_per_second")
            if busy:
                share = 100 * busy / row["samples_per_second"]
                print(f"{row['peer']:38} {busy:10,.0f} with another process busy on one core: {share:.0f} %", flush=True)


main()
