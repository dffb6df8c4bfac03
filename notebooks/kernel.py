#!/usr/bin/env python3
"""Starts the Rust kernel (evcxr) in a build folder that no other kernel uses; `./course` has Jupyter call it.

evcxr builds every cell in one folder, EVCXR_TMPDIR: it writes the cell to src/lib.rs, calls cargo, and renames what
comes out to libcode_1.so, libcode_2.so, … as each kernel counts its own cells. Two kernels in one folder compile and
load each other's cells. A lock around cargo would not do: the cell is written before, renamed and loaded after.

So each kernel has a folder to itself for as long as it lives: EVCXR_TMPDIR if that is free, else EVCXR_TMPDIR-2, -3, …
A lock on its file `.kernel` says that a folder is taken; the system lifts it however the kernel ends, and the next
kernel takes the folder over, so that there are never more than have been open at once. A further folder begins with
all that has been built in the first one, so that nothing is built twice.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

LOCK = ".kernel"
# Seconds to wait for a build in the first folder to end before it is copied.
PATIENCE = 20
# What compilers write under another name first: one file may stand in several folders. All else is copied, for
# cargo writes into it where it stands.
SHARED = {".rlib", ".rmeta", ".so", ".dylib"}
# The cells' own, and what only a change of lcz would use.
LEFT_OUT = ("libcode_*", "libctx*", "ctx*", "incremental")


def take(first):
    """The first folder that no kernel has, and the open file that holds it."""
    number = 1
    while True:
        folder = first if number == 1 else first.with_name(f"{first.name}-{number}")
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            number += 1
            continue
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        return folder, lock


def folder_of(pid, first):
    """The build folder of the kernel with this process number; the first one if none says that it has it."""
    for lock in sorted(first.parent.glob(f"{first.name}*/{LOCK}")):
        if lock.read_text() == str(pid):
            return lock.parent
    return first


def built(folder):
    """When lcz was built in a folder: 0 if never."""
    libraries = folder.glob("target/*/debug/deps/liblcz.*")
    return max((library.stat().st_mtime_ns for library in libraries), default=0)


def catch_up(folder, first):
    """Brings a further folder to where the first one is, unless it is there already or beyond."""
    if built(first) <= built(folder):
        return
    locks = [*first.glob("target/debug/.cargo-lock"), *first.glob("target/*/debug/.cargo-lock")]
    locks = [os.open(lock, os.O_RDONLY) for lock in locks]
    try:
        if not all(quiet(lock) for lock in locks):
            return
        fresh = folder / "target.partial"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(first / "target", fresh, symlinks=True, copy_function=copy,
                        ignore=shutil.ignore_patterns(*LEFT_OUT))
        shutil.rmtree(folder / "target", ignore_errors=True)
        fresh.rename(folder / "target")
        shutil.copy2(first / "Cargo.lock", folder / "Cargo.lock")
    finally:
        for lock in locks:
            os.close(lock)


def quiet(lock):
    """Waits until cargo does not build there; whether it came to that."""
    for _ in range(PATIENCE * 10):
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(0.1)
    return False


def copy(source, target):
    """A file for a further folder, with its times, which cargo goes by."""
    name = os.path.basename(source)
    if os.path.splitext(name)[1] in SHARED and not name.startswith("liblcz"):
        try:
            return os.link(source, target)
        except OSError:
            pass # a file system without hard links
    return shutil.copy2(source, target)


def install(kernel):
    """The kernel's entry in the folder JUPYTER_PATH, so that Jupyter starts it by way of this file."""
    subprocess.run([kernel, "--install"], check=True, stdout=subprocess.DEVNULL)
    entry = Path(os.environ["JUPYTER_PATH"]) / "kernels" / "rust" / "kernel.json"
    spec = json.loads(entry.read_text())
    spec["argv"] = [sys.executable, str(Path(__file__).resolve()), *spec["argv"]]
    entry.write_text(json.dumps(spec, indent=2))


def main():
    if sys.argv[1] == "--install":
        install(sys.argv[2])
        return
    kernel, *arguments = sys.argv[1:]
    if "EVCXR_TMPDIR" in os.environ:
        first = Path(os.environ["EVCXR_TMPDIR"])
        folder, lock = take(first)
        if folder != first:
            catch_up(folder, first)
        os.environ["EVCXR_TMPDIR"] = str(folder)
        # Open until the kernel and the processes that it has started are gone.
        os.set_inheritable(lock, True)
    os.execv(kernel, [kernel, *arguments])


if __name__ == "__main__":
    main()
