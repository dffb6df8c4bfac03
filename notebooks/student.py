#!/usr/bin/env python3
"""Copies of the notebooks without solutions and outputs, in target/student; `./course student` calls it. Copies that are there
are left alone: somebody works in them.

What stands between `// BEGIN SOLUTION` and `// END SOLUTION` gives way to a stand-in that compiles, so that
a cell whose exercise is still to do runs, and its check gives a hint in place of an error.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

try:
    import nbformat
except ImportError as error:
    sys.exit(f"error: no Python package {error.name} here; type: ./course student, which has what this needs")

HERE = Path(__file__).resolve().parent
BEGIN, END, YOURS = "// BEGIN SOLUTION", "// END SOLUTION", "// YOUR CODE HERE"
# Where a notebook lies, seen from the repository: the first cell names the crate by its way there.
DEPTH = "../.."
# A stand-in where a type has no default.
STAND_INS = {"Zone": "Zone::HeavyIndustry"}


def without_solution(source):
    """A cell's code with stand-ins for its solutions."""
    kept, solution = [], None
    for line in source.split("\n"):
        if line.strip() == BEGIN:
            solution, indent = [], line[: len(line) - len(line.lstrip())]
        elif line.strip() == END:
            if solution is None:
                raise ValueError(f"{END} without {BEGIN}")
            kept += [indent + YOURS, indent + stand_in(solution)]
            solution = None
        elif solution is None:
            kept.append(line)
        else:
            solution.append(line)
    if solution is not None:
        raise ValueError(f"{BEGIN} without {END}")
    return "\n".join(kept)


def stand_in(solution):
    """What takes the place of a solution: of a function's body a value, of statements the last variable."""
    first = min((len(line) - len(line.lstrip()) for line in solution if line.strip()), default=0)
    lets = [line.strip() for line in solution if line.startswith(" " * first + "let ")]
    ends = solution[-1].rstrip()
    if not ends.endswith(";"):
        return "Default::default()"
    match = re.match(r"let (?:mut )?(\w+): ([^=]+?) =", lets[-1] if lets else "")
    if not match:
        raise ValueError(f"a solution that ends with a variable names its type: {lets[-1] if lets else ends}")
    name, kind = match.groups()
    return f"let {name}: {kind} = {STAND_INS.get(kind, 'Default::default()')};"


def copy(path, folder):
    notebook = nbformat.read(path, as_version=4)
    exercises = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.source = without_solution(cell.source).replace('path = "lcz"', f'path = "{DEPTH}/notebooks/lcz"')
            exercises += YOURS in cell.source
        else:
            cell.source = cell.source.replace("](../", f"]({DEPTH}/")
    left = [cell for cell in notebook.cells if "SOLUTION" in cell.source]
    if left:
        raise ValueError(f"a part of a solution is left: {left[0].source}")
    nbformat.write(notebook, folder / path.name)
    return exercises


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", default="student", help="the folder in target/")
    parser.add_argument("--fresh", action="store_true", help="in place of copies that are there, with all that was written into them")
    given = parser.parse_args()
    folder = HERE.parent / "target" / given.into
    if folder.exists() and not given.fresh:
        print(f"{folder} exists and is kept; --fresh replaces it")
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(HERE / "evcxr.toml", folder)
    total = 0
    for path in sorted(HERE.glob("[0-9]*.ipynb")):
        try:
            total += copy(path, folder)
        except ValueError as error:
            sys.exit(f"error: {path.name}: {error}")
    print(f"{len(list(folder.glob('*.ipynb')))} notebooks with {total} exercises to do, without solutions: {folder}")


if __name__ == "__main__":
    main()
