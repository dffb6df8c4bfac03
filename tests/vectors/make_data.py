"""Writes the small HDF5 files that tests/data.rs reads: layouts that other writers use.

    python tests/vectors/make_data.py        (h5py 3.16, numpy 2.4)

Pixel (n, y, x, c) is (1000 n + 100 y + 10 x + c) / 16384, exact in 32 bits, unless said otherwise.
"""

from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).parent


def pixels(n, size, channels):
    n, y, x, c = np.ogrid[:n, :size, :size, :channels]
    return (1000 * n + 100 * y + 10 * x + c) / 16384


def one_hot(classes, k):
    return np.eye(k)[classes]


# So2Sat's own files: 64-bit floats in one piece, no attributes.
with h5py.File(HERE / "data_so2sat.h5", "w") as f:
    f["sen1"] = -pixels(6, 4, 8)
    f["sen2"] = pixels(6, 4, 10)
    f["label"] = one_hot([0, 16, 5, 16, 10, 2], 17)

# Big-endian, compressed, in chunks that cut through the patches.
with h5py.File(HERE / "data_odd_chunks.h5", "w") as f:
    f.create_dataset("sen2", data=pixels(13, 6, 5).astype(">f4"), chunks=(5, 4, 3, 2), compression="gzip", shuffle=True)
    f.create_dataset("label", data=one_hot(np.arange(13) % 3, 3).astype("u1"), compression="gzip", fletcher32=True)
    f["group"] = (np.arange(13) // 4).astype(">i8")
    f.attrs["classes"] = "forest,river,town"
    f.attrs["provenance"] = "h5py, frozen"

# What looks like plain floats and is not: each must be read as it was written, all the same.
def plain(name, write, **layout):
    with h5py.File(HERE / name, "w", **layout) as f:
        write(f)


# Floats of 32 bits with another exponent than IEEE's: halves of what was written, to who takes them for such.
def custom_floats(f):
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_ebias(126)
    space = h5py.h5s.create_simple((3, 4, 4, 2))
    dataset = h5py.h5d.create(f.id, b"sen2", kind, space)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, pixels(3, 4, 2).astype("f4"))


# A chunk that was never written: its pixels are the fill value.
def unwritten_chunk(f):
    dataset = f.create_dataset("sen2", (6, 4, 4, 2), "f4", chunks=(2, 4, 4, 2), compression="gzip", fillvalue=0.5)
    dataset[:2], dataset[4:] = pixels(6, 4, 2)[:2], pixels(6, 4, 2)[4:]


plain("data_custom_floats.h5", custom_floats)
plain("data_unwritten_chunk.h5", unwritten_chunk)
plain("data_user_block.h5", lambda f: f.create_dataset("sen2", data=pixels(3, 4, 2)), userblock_size=512)
plain("data_linked_to.h5", lambda f: f.create_dataset("other", data=pixels(3, 4, 2)))
plain("data_linked.h5", lambda f: f.__setitem__("sen2", h5py.ExternalLink("data_linked_to.h5", "other")))

# Digital numbers as integers, lists as fixed-length ASCII, pixels called 'patches'.
with h5py.File(HERE / "data_integers.h5", "w") as f:
    f["patches"] = (pixels(4, 3, 2) * 16384).astype("u2")
    f["votes"] = np.array([[3, 0], [1, 2], [0, 3], [2, 1]], "i1")
    f.attrs["classes"] = np.bytes_("A, G")
    f.attrs["bands"] = np.bytes_("B4, B8")
    f.attrs["ground_sampling_distance"] = np.float32(30)
    f.attrs["unit"] = np.bytes_("digital number")

# The files of the label-distribution paper: ten urban classes.
with h5py.File(HERE / "data_ldl.h5", "w") as f:
    f["sen2"] = pixels(3, 4, 10).astype("f4")
    f["y"] = one_hot([1, 7, 9], 10)
    y = np.zeros((3, 10))
    y[0, [1, 2]] = 0.75, 0.25
    y[1, 7] = 1
    y[2, [7, 8, 9]] = 0.125, 0.25, 0.625
    f["y_distributional_urban"] = y

# So2Sat, version 4: the second file next to the first, which states where the patches lie. Patch n begins at pixel
# (100 n, 50 n) of a scene of 10 m whose upper left pixel has its centre at 680005, 5340995.
with h5py.File(HERE / "data_v4.h5", "w") as f:
    f["sen1"] = -pixels(4, 4, 8)
    f["sen2"] = pixels(4, 4, 10)
    f["label"] = one_hot([0, 16, 5, 2], 17)
with h5py.File(HERE / "data_v4_geo.h5", "w") as f:
    f["city"] = np.array(["munich", "atlantis", "munich", "zurich"], dtype="S12")
    f["epsg"] = np.full((4, 1), 32632, dtype="i4")
    f["tfw"] = np.array([[10, 0, 0, -10, 680005 + 1000 * n, 5340995 - 500 * n] for n in range(4)], dtype="f8")

# The label-distribution paper's own layout: one-hot labels over all zones, distributions of the built ones only.
with h5py.File(HERE / "data_ldl_all.h5", "w") as f:
    f["sen2"] = pixels(4, 4, 10)
    f["y"] = one_hot([1, 16, 9, 11], 17)
    f["y_distributional_urban"] = np.array([[0.25, 0.75] + 8 * [0], 9 * [0] + [1]])

# The first vote sets: the choices of ten experts, from 1, then the original label.
with h5py.File(HERE / "data_choices.h5", "w") as f:
    f["sen2"] = pixels(2, 4, 10)
    f["label"] = one_hot([1, 16], 17)
    f["votes"] = np.array([[2, 2, 2, 3, 2, 2, 5, 2, 2, 3, 2], 9 * [17] + [14, 17]])
