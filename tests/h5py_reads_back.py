"""Checks with h5py a file that lcz wrote: tests/data.rs, `a_file_is_left_for_h5py_to_read`.

    python tests/h5py_reads_back.py FILE
"""

import sys

import h5py
import numpy as np

N, SIZE, CHANNELS, CLASSES = 250, 8, 3, 17

with h5py.File(sys.argv[1], "r") as f:
    assert sorted(f) == ["group", "label", "sen1", "sen2", "votes"], sorted(f)
    # Texts are of fixed length, which h5py gives as bytes.
    attributes = {name: f.attrs[name].tolist() if f.attrs[name].shape else f.attrs[name] for name in f.attrs}
    assert attributes == {
        "classes": [code.encode() for code in "1 2 3 4 5 6 7 8 9 10 A B C D E F G".split()],
        "bands": [b"B2", b"B3", b"B4"],
        "ground_sampling_distance": 10.0,
        "unit": b"reflectance",
        "provenance": b"a test",
    }, attributes
    n, y, x, c = np.ogrid[:N, :SIZE, :SIZE, :CHANNELS]
    assert f["sen2"].dtype == np.float32 and f["sen2"].compression == "gzip"
    assert f["sen2"].chunks[1:] == (SIZE, SIZE, CHANNELS), f["sen2"].chunks
    np.testing.assert_array_equal(f["sen2"][:], 1000 * n + 100 * y + 10 * x + c)
    n, y, x, c = np.ogrid[:N, :SIZE, :SIZE, :8]
    np.testing.assert_array_equal(f["sen1"][:], -(1000 * n + 100 * y + 10 * x + c).astype("f4"))
    np.testing.assert_array_equal(f["label"][:], np.eye(CLASSES)[np.arange(N) % CLASSES])
    votes = 8 * np.eye(CLASSES)[np.arange(N) % CLASSES] + 2 * np.eye(CLASSES)[(np.arange(N) + 1) % CLASSES]
    np.testing.assert_array_equal(f["votes"][:], votes)
    np.testing.assert_array_equal(f["group"][:], np.arange(N) // 50)
    assert f["group"].dtype == np.int32 and f["votes"].dtype == np.float32

print(f"h5py {h5py.__version__} reads back what lcz wrote: {sys.argv[1]}")
