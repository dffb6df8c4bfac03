"""Every way in which a notebook can go wrong turns a run of notebooks/run.py red, and nothing else does.

The notebooks are planted in a folder of their own and need nothing but the kernel. Runs in the environment
that `./course` sets up: target/lab/bin/python tests/planted_errors.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

RUN = Path(__file__).resolve().parent.parent / "notebooks" / "run.py"
GOOD = ('let n: usize = 6 * 7;\nprintln!("{n}");', [])

# What is planted: cells with their tags, and the error expected for the last one; None if it has none.
PLANTED = {
    "good": ([GOOD, ("n + 1", [])], None),
    "compile_error": ([GOOD, ("let text: String = n;", [])], "mismatched types"),
    "panic": ([GOOD, ('panic!("planted");', [])], "planted"),
    "question_mark": ([GOOD, ('let m: usize = "x".parse::<usize>()?;', [])], "invalid digit"),
    "stderr": ([GOOD, ('eprintln!("planted");', [])], "planted"),
    "announced": ([GOOD, ('panic!("planted");', ["raises-exception"]), ("1 + 1", [])], None),
    "announced_in_vain": ([GOOD, ("n + 2", ["raises-exception"])], "nothing went wrong"),
    "exercise_right": ([GOOD, ('println!("correct: yes");', ["exercise"])], None),
    "exercise_wrong": ([GOOD, ('println!("not yet: think");', ["exercise"])], "not yet"),
}


def plant(folder):
    for name, (cells, _) in PLANTED.items():
        notebook = nbformat.v4.new_notebook()
        for source, tags in cells:
            cell = nbformat.v4.new_code_cell(source)
            cell.metadata["tags"] = tags
            notebook.cells.append(cell)
        nbformat.write(notebook, folder / f"{name}.ipynb")


def run(paths, *options):
    return subprocess.run([sys.executable, RUN, *paths, *options], capture_output=True, text=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        plant(folder)
        untouched = (folder / "panic.ipynb").read_text()
        report = run([folder / f"{name}.ipynb" for name in PLANTED], "--write")
        print(report.stdout, report.stderr)
        assert report.returncode == 1, f"exit status {report.returncode}"
        for name, (_, wanted) in PLANTED.items():
            line = next(line for line in report.stdout.splitlines() if line.startswith(f"{name}: "))
            if wanted is None:
                assert line.endswith(", ok"), line
            else:
                assert "FAILED cell 1: " in line and wanted in line, line
        written = nbformat.read(folder / "good.ipynb", as_version=4)
        assert written.cells[0].outputs[0].text == "42\n", "outputs are written on request"
        assert written.cells[1].outputs[0].data["text/plain"] == "43"
        assert (folder / "panic.ipynb").read_text() == untouched, "a notebook that failed stays as it was"
        assert run([folder / "good.ipynb"]).returncode == 0, "a good notebook alone is a good run"
    # Without the packages that it needs: -S leaves them out.
    bare = [subprocess.run([sys.executable, "-S", RUN, *words], capture_output=True, text=True) for words in (["--help"], ["00"])]
    assert bare[0].returncode == 0 and bare[0].stdout.startswith("usage: "), bare[0].stderr
    assert bare[1].returncode == 1 and bare[1].stderr.startswith("error: no Python package nbformat"), bare[1].stderr
    assert len(bare[1].stderr.splitlines()) == 1, bare[1].stderr
    print("each planted error was found")


main()
