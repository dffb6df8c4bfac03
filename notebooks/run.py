#!/usr/bin/env python3
"""Runs notebooks one after another in the Rust kernel, without a browser; `./course notebooks` calls it.

The kernel (evcxr) reports a panic and an error that `?` passes on as success, with nothing but text on
stderr. So a notebook fails here on a compile error and on ANY stderr of a cell, unless the cell has the
tag `raises-exception` (and then it fails if nothing went wrong). A cell with the tag `exercise` fails
unless its output says `correct`; with --student, whose copies have no solutions, unless it says `not yet`.

It prints how long cells take: a cell's overhead is the time until its machine code is there, the rest is
its own work. One after another, for two at once would take each other's time.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from queue import Empty

import kernel as kernels

try:
    import nbformat
    from jupyter_client.manager import KernelManager
except ImportError as error:
    MISSING = error.name
else:
    MISSING = None

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "target"
# Where the first kernel builds cells; `./course` sets it, not always below this repository.
CELLS = Path(os.environ.setdefault("EVCXR_TMPDIR", str(HERE.parent / "target" / "evcxr")))
SET_UP = ':dep lcz = { path = "lcz" }\nuse lcz::prelude::*;'
# Output that a cell printed just before its end may arrive after the kernel's reply.
LATE_SECONDS = 0.15
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Failed(Exception):
    pass


class Kernel:
    """One kernel, started in a folder of notebooks."""

    def __init__(self, timeout, build_log=subprocess.DEVNULL, folder=HERE):
        self.timeout = timeout
        self.manager = KernelManager(kernel_name="rust")
        self.manager.start_kernel(cwd=str(folder), stdout=build_log, stderr=build_log)
        self.client = self.manager.client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=120)
        except RuntimeError:
            self.stop()
            sys.exit(
                "error: the kernel did not start within 120 s; is the machine busy? "
                "wait, or end what it is busy with, and try again"
            )
        self.cells = kernels.folder_of(self.manager.provisioner.pid, CELLS) / "target"

    def run(self, code):
        """Runs a cell: its outputs, its number, seconds until its machine code was there, seconds in all."""
        began, before = time.time(), self.newest_cell()
        request = self.client.execute(code, store_history=True, allow_stdin=False)
        outputs, number, idle, patience = [], None, False, self.timeout
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=LATE_SECONDS if idle else 1)
            except Empty:
                if idle:
                    break
                if not self.manager.is_alive():
                    raise Failed("the kernel died")
                patience = self.timeout - (time.time() - began)
                if patience < 0:
                    raise Failed(f"no end after {self.timeout} s")
                continue
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != request:
                continue
            if kind == "status" and content["execution_state"] == "idle":
                idle, ended = True, time.time()
            elif kind == "execute_input":
                number = content["execution_count"]
            elif kind in ("stream", "execute_result", "display_data", "error"):
                add(outputs, nbformat.v4.output_from_msg(message))
        self.client.get_shell_msg(timeout=10)
        compiled = self.newest_cell()
        overhead = compiled - began if compiled > before else ended - began
        return outputs, number, min(overhead, ended - began), ended - began

    def newest_cell(self):
        """When the machine code of the latest cell came to its place."""
        libraries = self.cells.glob("*/debug/libcode_*")
        return max((library.stat().st_mtime for library in libraries), default=0.0)

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def add(outputs, output):
    """Lines of one stream become one output; terminal colours of compile errors go."""
    if output.output_type == "error":
        output.traceback = [COLOURS.sub("", line) for line in output.traceback]
    last = outputs[-1] if outputs else None
    if output.output_type == "stream" and last and last.output_type == "stream" and last.name == output.name:
        last.text += output.text
    else:
        outputs.append(output)


def text_of(outputs):
    """All that can be read in a cell's outputs."""
    texts = []
    for output in outputs:
        if output.output_type == "stream":
            texts.append(output.text)
        elif output.output_type == "error":
            texts.append(output.evalue)
        else:
            texts.append(output.data.get("text/plain", "") + output.data.get("text/html", ""))
    return "".join(texts)


def trouble(cell, outputs, answer="correct"):
    """Why a cell counts as failed, in a line; None where it does not. The answer is what a check is to say."""
    found = None
    for output in outputs:
        if output.output_type == "error":
            found = output.evalue.strip().splitlines()[0] if output.evalue.strip() else "an error"
        elif output.output_type == "stream" and output.name == "stderr" and output.text.strip():
            found = found or " | ".join(output.text.strip().splitlines()[:3])
    tags = cell.metadata.get("tags", [])
    if "raises-exception" in tags:
        return None if found else "nothing went wrong, though its tag says that something does"
    if found is None and "exercise" in tags and answer not in text_of(outputs):
        return f"its check does not say '{answer}': " + " ".join(text_of(outputs).split())[:200]
    return found


def run(path, timeout, into=None, verbose=False, answer="correct"):
    """Runs a notebook, and writes it with its outputs into a folder; its row of the table."""
    notebook = nbformat.read(path, as_version=4)
    row = {"name": path.stem, "cells": 0, "setup": None, "overheads": [], "seconds": 0.0, "failure": None}
    kernel = Kernel(timeout, folder=path.parent if (path.parent / "evcxr.toml").exists() else HERE)
    try:
        for position, cell in enumerate(notebook.cells):
            if cell.cell_type != "code" or not cell.source.strip():
                continue
            try:
                outputs, number, overhead, seconds = kernel.run(cell.source)
            except Failed as failed:
                row["failure"] = f"cell {position}: {failed}"
                break
            cell.outputs, cell.execution_count = outputs, row["cells"] + 1
            cell.metadata.pop("execution", None)
            for output in outputs:
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
            row["cells"] += 1
            row["seconds"] += seconds
            if ":dep" in cell.source:
                row["setup"] = seconds
            else:
                row["overheads"].append(overhead)
            if verbose:
                print(f"  cell {position}: {overhead:.2f} s to build, {seconds - overhead:.2f} s to run", flush=True)
            failure = trouble(cell, outputs, answer)
            if failure:
                row["failure"] = f"cell {position}: {failure}"
                break
    finally:
        kernel.stop()
    if into and not row["failure"]:
        into.mkdir(parents=True, exist_ok=True)
        partial = into / f"{path.stem}.partial"
        nbformat.write(notebook, partial)
        partial.replace(into / path.name)
    return row


def table(rows):
    """Seconds of set-up cells and of all others, as Markdown."""
    seconds = lambda value: "" if value is None else f"{value:.2f}"
    lines = [
        "| notebook | cells | set-up cell, s | median overhead of a cell, s | longest, s | all, s |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        overheads = row["overheads"]
        median = statistics.median(overheads) if overheads else None
        fields = [row["name"], str(row["cells"]), seconds(row["setup"]), seconds(median)]
        fields += [seconds(max(overheads, default=None)), f"{row['seconds']:.1f}"]
        lines.append("| " + " | ".join(fields) + " |")
    return "\n".join(lines)


def find(names, folder):
    """The notebooks of these names, or beginnings of names (`01`); without a name, all."""
    everything = sorted(folder.glob("[0-9]*.ipynb"))
    if not names:
        return everything
    chosen = []
    for name in names:
        path = Path(name)
        matches = [path.resolve()] if path.suffix == ".ipynb" else [
            path for path in everything if path.stem.startswith(name)
        ]
        if not matches or not matches[0].exists():
            sys.exit(f"error: no notebook '{name}' (there are: {', '.join(p.stem for p in everything)})")
        chosen += matches
    return chosen


def warm(timeout):
    """Runs the cell that every notebook begins with, so that a reader need not wait for its build."""
    kernel = Kernel(timeout, build_log=None)
    try:
        outputs, _, _, seconds = kernel.run(SET_UP)
    finally:
        kernel.stop()
    failure = trouble(nbformat.v4.new_code_cell(SET_UP), outputs)
    if failure:
        sys.exit(f"error: {SET_UP.splitlines()[0]}: {failure}")
    print(f"the set-up cell takes {seconds:.1f} s")


def main():
    parser = argparse.ArgumentParser(description="Run notebooks without a browser.")
    parser.add_argument("names", nargs="*", help="names or beginnings of names; all if none is given")
    parser.add_argument("--write", action="store_true", help="write the outputs into the notebooks")
    parser.add_argument("--site", action="store_true", help="write executed copies into target/site")
    parser.add_argument("--student", action="store_true", help="the copies without solutions, in target/unsolved")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds a cell may take")
    parser.add_argument("--verbose", action="store_true", help="say how long each cell takes")
    parser.add_argument("--warm", action="store_true", help="only build what the first cell builds")
    arguments = parser.parse_args()
    if MISSING:
        sys.exit(f"error: no Python package {MISSING} here; type: ./course notebooks, which has what this needs")
    if arguments.warm:
        warm(arguments.timeout)
        return
    rows = []
    answer = "not yet" if arguments.student else "correct"
    for path in find(arguments.names, TARGET / "unsolved" if arguments.student else HERE):
        into = path.parent if arguments.write else TARGET / "site" if arguments.site else None
        row = run(path, arguments.timeout, into, arguments.verbose, answer)
        rows.append(row)
        outcome = f"FAILED {row['failure']}" if row["failure"] else "ok"
        print(f"{row['name']}: {row['cells']} cells, {row['seconds']:.1f} s, {outcome}", flush=True)
    print(f"\n{table(rows)}\n")
    failed = sum(row["failure"] is not None for row in rows)
    print(f"{len(rows) - failed} notebooks passed, {failed} failed"
          + (" (quick)" if os.environ.get("LCZ_QUICK") == "1" else ""))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
