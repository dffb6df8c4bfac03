"""Libraries to link a build for CUDA against where there is no NVIDIA driver and no toolkit's library.

python3 tests/gpu/stubs.py FOLDER CRATE

CRATE is the source folder of cudarc, whose bindings list the functions that it calls. FOLDER gets `libcuda.so`,
`libcublas.so`, `libcublasLt.so` and `libnvrtc.so` with those names and no code. Their sonames are without a version, and so are their
symbols: what is linked against them takes CUDA 12's libraries or CUDA 13's, whichever it finds under these names when
it runs.
"""

import re
import subprocess
import sys
from pathlib import Path

FUNCTION = re.compile(r"pub fn (\w+)\(")
ROOMS = {"cuda": "driver", "cublas": "cublas", "cublasLt": "cublaslt", "nvrtc": "nvrtc"}


def main():
    folder, crate = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    for library, room in ROOMS.items():
        files = sorted((crate / "src" / room / "sys").rglob("*.rs")) + sorted((crate / "src" / room).glob("sys.rs"))
        prefix = {"cuda": "cu", "nvrtc": "nvrtc"}.get(library, "cublas")
        names = {name for file in files for name in FUNCTION.findall(file.read_text()) if name.startswith(prefix)}
        if not names:
            sys.exit(f"{crate}: no functions of {library}")
        source = folder / f"{library}.c"
        source.write_text("".join(f"void {name}(void) {{}}\n" for name in sorted(names)))
        out = folder / f"lib{library}.so"
        # As the loader and NVIDIA's driver know it; the others get their names from tests/gpu/run.sh.
        soname = "libcuda.so.1" if library == "cuda" else out.name
        subprocess.run(["cc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{soname}", "-o", out, source], check=True)


main()
