"""Checks with rasterio the files that the tests of `lcz map` wrote.

    python tests/map_reads_back.py FOLDER
"""

import ctypes
import json
import sys
from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp
from rasterio.vrt import WarpedVRT

folder = Path(sys.argv[1])
scene = rasterio.open(folder / "scene/B2.tif")
zones, confidence, entropy, p = (
    rasterio.open(folder / f"city{name}.tif") for name in ("", "-confidence", "-entropy", "-probabilities")
)
for raster in (zones, confidence, entropy, p):
    assert raster.crs == scene.crs and raster.crs.to_epsg(), raster.name
    assert raster.shape == (12, 17) and raster.compression.value == "DEFLATE", raster.name
    # Windows of 32 pixels every 7: the middle 7 of each, 13 in from the scene's corner.
    assert raster.transform == scene.transform @ rasterio.Affine.translation(13, 13) @ rasterio.Affine.scale(7), raster.transform
    assert raster.bounds.left == scene.bounds.left + 130 and raster.bounds.top == scene.bounds.top - 130, raster.bounds
    assert "synthetic" in raster.tags()["TIFFTAG_IMAGEDESCRIPTION"], raster.tags()
assert zones.dtypes == ("uint8",) * 3 and zones.nodata == 0 and zones.is_tiled
assert zones.descriptions == ("lcz", "lczFilter", "probability"), zones.descriptions
# From .aux.xml; of the second band GDAL gives none.
table = zones.colormap(1)
colours = ["910613", "D9081C", "FF0A22", "C54F1E", "FF6628", "FF985E", "FDED3F", "BBBBBB", "FFCBAB", "565656"]
colours += ["006A18", "00A926", "628432", "B5DA7F", "000000", "FCF7B1", "656BFA"]
assert ["%02X%02X%02X" % table[number][:3] for number in range(1, 18)] == colours
classes = zones.read(1, masked=True)
assert 0 < classes.mask.sum() < classes.size and classes.min() >= 1 and classes.max() <= 17
probabilities = p.read()
assert p.descriptions == tuple("1 2 3 4 5 6 7 8 9 10 A B C D E F G".split()), p.descriptions
for raster in (confidence, entropy, p):
    assert set(raster.dtypes) == {"float32"} and np.isnan(raster.nodata)
    assert (np.isnan(raster.read(1)) == classes.mask).all()
known = ~classes.mask
assert (zones.read(3)[known] == np.round(100 * confidence.read(1)[known])).all()
assert ((zones.read(2) == 0) == classes.mask).all()
np.testing.assert_allclose(probabilities.sum(0)[known], 1, atol=1e-5)
assert (probabilities.argmax(0)[known] + 1 == classes[known]).all()
np.testing.assert_allclose(confidence.read(1)[known], probabilities.max(0)[known], atol=1e-6)
with np.errstate(divide="ignore", invalid="ignore"):
    h = -np.where(probabilities > 0, probabilities * np.log(probabilities), 0).sum(0)
np.testing.assert_allclose(entropy.read(1)[known], h[known], atol=1e-5)

# gdalinfo -json, by the GDAL that rasterio brings.
library = next((Path(rasterio.__file__).parent.parent / "rasterio.libs").glob("libgdal*"))
gdal = ctypes.CDLL(str(library))
gdal.GDALOpen.restype = gdal.GDALInfoOptionsNew.restype = ctypes.c_void_p
gdal.GDALInfo.argtypes, gdal.GDALInfo.restype = [ctypes.c_void_p] * 2, ctypes.c_char_p
gdal.GDALAllRegister()
options = gdal.GDALInfoOptionsNew((ctypes.c_char_p * 2)(b"-json", None), None)
information = json.loads(gdal.GDALInfo(gdal.GDALOpen(str(folder / "city.tif").encode(), 0), options))
lcz, smooth, probability = information["bands"]
for band in (lcz, smooth):
    assert band["categories"][0] == "" and band["categories"][6] == "6 open low-rise" and len(band["categories"]) == 18
assert "categories" not in probability and lcz["colorTable"]["entries"][6] == [0xFF, 0x98, 0x5E, 255]

# As w2w 0.6.0 reads a map (map_in_w2w.py has it do so; here, without the 800 MB that it needs, its rules are followed). The band is the second
# where one is called lczFilter, numbers are 1-17, and what is not in longitude and latitude is brought there by the nearest pixel,
# 0 where there is none; it must cover the model's domain, here the middle half.
assert "lczFilter" in zones.descriptions
with WarpedVRT(zones, crs="EPSG:4326") as degrees:
    numbers = degrees.read(2).astype("int32")
    west, south, east, north = degrees.bounds
    x, y = rasterio.warp.transform(zones.crs, "EPSG:4326", *(np.array(zones.bounds).reshape(2, 2).mean(0)[:, None]))
    assert west < x[0] < east and south < y[0] < north
assert set(np.unique(numbers)) == set(np.unique(zones.read(2))) <= set(range(18))

# Overviews of a larger map, each of every second pixel of the one before, and all at the start of the file.
with rasterio.open(folder / "side-by-side.tif") as whole:
    assert whole.shape == (600, 700) and whole.overviews(1) == [2, 4] and whole.is_tiled
    assert whole.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "PIXEL"
    pixels = whole.read()
for level, step in enumerate((2, 4)):
    with rasterio.open(folder / "side-by-side.tif", overview_level=level) as smaller:
        np.testing.assert_array_equal(smaller.read(), pixels[:, ::step, ::step])
print(f"rasterio {rasterio.__version__} read back the maps in {folder}")
