"""Notebooks that compute at the same time do not disturb each other, and leave no folder taken.

Two kernels run cells in step: the same numbers of cells and other contents, so that each would overwrite, load or
link the other's if they built in one folder. Runs in the environment that `./course` sets up:
target/lab/bin/python tests/two_kernels.py
"""

import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "notebooks"))
import run

CELLS = 6
# The first cell finds lcz built, in a further folder as well: it must not take the minutes of a build.
SET_UP_SECONDS = 60


def cells(seed):
    """Cells of one notebook with what each is to print."""
    yield run.SET_UP, ""
    yield f"let mut total: u64 = {seed};", ""
    total = seed
    for number in range(CELLS):
        total = total * 3 + number
        yield f'total = total * 3 + {number};\nprintln!("{seed}: {{total}} {{}}", Zone::all().count());', f"{seed}: {total} 17\n"


def read(kernel, seed, in_step, wrong, seconds):
    for number, (code, wanted) in enumerate(cells(seed)):
        try:
            in_step.wait(timeout=300)
            outputs, _, overhead, took = kernel.run(code)
        except (run.Failed, threading.BrokenBarrierError) as failed:
            wrong.append(f"notebook {seed}, cell {number}: {failed!r}")
            in_step.abort()
            return
        said = run.text_of(outputs)
        if said != wanted or any(output.output_type == "error" for output in outputs):
            wrong.append(f"notebook {seed}, cell {number}: {said[:300]!r} in place of {wanted!r}")
        if number == 0 and took > SET_UP_SECONDS:
            wrong.append(f"notebook {seed}: the set-up cell took {took:.0f} s: lcz was built again")
        seconds.append((number, overhead))


def main():
    kernels = [run.Kernel(300), run.Kernel(300)]
    wrong, seconds = [], []
    try:
        in_step = threading.Barrier(len(kernels))
        readers = [threading.Thread(target=read, args=(kernel, 1000 * (1 + place), in_step, wrong, seconds))
                   for place, kernel in enumerate(kernels)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        folders = [kernel.cells.parent for kernel in kernels]
    finally:
        for kernel in kernels:
            kernel.stop()
    assert not wrong, "\n".join(wrong)
    assert folders[0] != folders[1], f"both build in {folders[0]}"
    # A kernel that was killed has left its folder to the next one.
    time.sleep(1)
    third = run.Kernel(300)
    third.stop()
    assert third.cells.parent == folders[0], f"{third.cells.parent} in place of {folders[0]}"
    setup = max(overhead for number, overhead in seconds if number == 0)
    others = sorted(overhead for number, overhead in seconds if number > 0)
    print(f"two kernels at once: set-up {setup:.1f} s, median overhead of a cell {others[len(others) // 2]:.2f} s, each by itself right")


main()
