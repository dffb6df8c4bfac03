"""A small file like eo-learn's sample for tests/eopatch.rs.

    pip install h5py numpy
    python tests/vectors/make_eopatch.py

Writes tests/vectors/eopatch.h5: two dates of 11 x 9 pixels and 13 bands, whose value tells date, row, column and band;
codes 0, 2, 3 and 8.
"""

from pathlib import Path

import h5py
import numpy as np

date, row, column, band = np.indices((2, 11, 9, 13))
images = (date * 0.5 + row * 0.03 + column * 0.003 + band * 0.0002).astype(np.float32)
row, column = np.indices((11, 9))
cover = np.where(column < 4, 2, np.where(row < 5, 3, 8)).astype(np.uint16)
cover[0, 0] = 0
with h5py.File(Path(__file__).parent / "eopatch.h5", "w") as file:
    file["sen2_l1c"] = images
    file["lulc"] = cover
