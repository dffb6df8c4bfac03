"""What the scripts of this folder share: arguments, timing, and one line of JSON as `lcz bench --json` has it."""

import argparse
import json
import resource
import statistics
import time


def arguments(about):
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("model", choices=["sen2lcz", "resnet50", "mlp"])
    parser.add_argument("--mode", choices=["train", "infer"], default="train")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    return parser


def since_process_start():
    with open("/proc/self/stat") as stat:
        ticks = int(stat.read().rsplit(")", 1)[1].split()[19])
    with open("/proc/uptime") as uptime:
        return float(uptime.read().split()[0]) - ticks / 100


def report(peer, given, step, samples, first_step):
    """Times rounds of `step`, of 0.7 s or more each, after two to warm up; `samples` a step."""
    step()
    started = time.perf_counter()
    step()
    each = max(1, round(0.7 / (time.perf_counter() - started)))
    rates = []
    for _ in range(given.rounds):
        started = time.perf_counter()
        for _ in range(each):
            step()
        rates.append(each * samples / (time.perf_counter() - started))
    print(json.dumps({
        "peer": peer, "model": given.model, "mode": given.mode, "batch": given.batch, "threads": given.threads,
        "samples_per_second": statistics.median(rates), "range": [min(rates), max(rates)],
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "first_step_seconds": first_step,
    }))
