"""Checks with rasterio the GeoTIFFs of every kind that the test `geotiffs_of_every_kind_read_back` wrote.

    python tests/geotiffs_read_back.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import rasterio

folder = Path(sys.argv[1])
row, column = np.mgrid[0:700, 0:300]
UTM = rasterio.Affine(10, 0, 500000, 0, -10, 5300000)
EXPECTED = {
    "u8": ((row * 7 + column * 3) % 18).astype("uint8"),
    "u16": (row * 90 + column * 200).astype("uint16"),
    "i16": (row * 40 - column * 99).astype("int16"),
    "i32": (row * 100000 - column * 7000000).astype("int32"),
    "f32": (row * 1.25 - column * 0.75).astype("float32"),
    "bands": np.stack([row * 1.25 - column * 0.75 + 1000 * band for band in range(3)]).astype("float32"),
    "turned": ((row * 7 + column * 3) % 18).astype("uint8"),
    "degrees": (row * 90 + column * 200).astype("uint16"),
    "bare": (row * 40 - column * 99).astype("int16"),
    "own": ((row * 7 + column * 3) % 18).astype("uint8"),
}
# A system without EPSG code, as rasterio wrote it: its keys are copied.
OWN = rasterio.open(Path(__file__).parent / "vectors/rasters/user_defined.tif").crs

for name, expected in EXPECTED.items():
    with rasterio.open(folder / f"{name}.tif") as raster:
        pixels = raster.read() if name == "bands" else raster.read(1)
        assert pixels.dtype == expected.dtype, (name, pixels.dtype)
        np.testing.assert_array_equal(pixels, expected, err_msg=name)
        assert raster.compression.value == "DEFLATE", name
        transform = {
            "turned": rasterio.Affine(8, 6, 500000, 6, -8, 5300000),
            "degrees": rasterio.Affine(0.001, 0, 16.25, 0, -0.001, 48.5),
            "bare": rasterio.Affine(1, 0, 0, 0, 1, 0),
        }.get(name, UTM)
        assert raster.transform.almost_equals(transform, 1e-12), (name, raster.transform)
        epsg = raster.crs.to_epsg() if raster.crs else None
        assert epsg == {"degrees": 4326, "bare": None, "own": None}.get(name, 32633), (name, raster.crs)
        assert name != "own" or (raster.crs == OWN and OWN), (name, raster.crs)
        if name == "u8":
            assert raster.nodata == 0 and raster.tags()["TIFFTAG_IMAGEDESCRIPTION"] == "zones, synthetic"
            assert [raster.colormap(1)[value][:3] for value in range(4)] == [(0, 0, 0), (145, 6, 19), (217, 8, 28), (0, 0, 0)]
        if name == "i32":
            assert raster.nodata == -2147483648
        if name == "f32":
            assert np.isnan(raster.nodata)
        if name == "u16":
            assert (raster.scales, raster.offsets) == ((0.0001,), (-0.1,)), (raster.scales, raster.offsets)
            assert raster.descriptions == ("B8A",) and raster.units == ("reflectance",) and raster.nodata == 0
        if name == "bands":
            assert raster.scales == (0.5,) * 3 and raster.offsets == (273.15,) * 3 and raster.units == ("K",) * 3
            assert raster.descriptions == ("LCZ 1", "LCZ A & B", "<entropy>"), raster.descriptions

print(f"rasterio {rasterio.__version__} read back {len(EXPECTED)} GeoTIFFs in {folder}")
