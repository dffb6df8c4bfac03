"""Checks with rasterio and pyshp a scene that `lcz synth FOLDER --scene-size ROWSxCOLUMNS` wrote.

    python tests/scene_reads_back.py FOLDER ROWS COLUMNS
"""

import sys
from pathlib import Path

import numpy as np
import rasterio
import rasterio.features
import shapefile

folder, rows, columns = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
FINE, COARSE = ["B2", "B3", "B4", "B8", "LCZ"], ["B5", "B6", "B7", "B8A", "B11", "B12", "SCL"]

pixels = {}
for name in FINE + COARSE:
    metres = 10 if name in FINE else 20
    with rasterio.open(folder / f"{name}.tif") as band:
        assert band.crs.to_epsg() == 32625, (name, band.crs)
        assert band.transform == rasterio.Affine(metres, 0, 500000, 0, -metres, 5300000), (name, band.transform)
        assert band.shape == (rows * 10 // metres, columns * 10 // metres), (name, band.shape)
        assert band.dtypes == ("uint8" if name in ("LCZ", "SCL") else "uint16",), (name, band.dtypes)
        assert band.nodata == 0, (name, band.nodata)
        assert "synthetic (lcz " in band.tags()["TIFFTAG_IMAGEDESCRIPTION"], band.tags()
        assert band.compression.value == "DEFLATE", (name, band.compression)
        pixels[name] = band.read(1)
        if name == "LCZ":
            assert pixels[name].min() > 0 and band.colormap(1)[17][:3] == (0x65, 0x6B, 0xFA)

# The swath ends in the lower right corner, for all bands at the same place.
seen = pixels["SCL"] > 0
assert not seen[-1, -1] and seen[: rows // 4].all() and seen[:, : columns * 3 // 8].all()
assert 0.96 < seen.mean() < 0.99, seen.mean()
for name in FINE + COARSE:
    if name != "LCZ":
        expected = np.kron(seen, np.ones((2, 2), bool)) if name in FINE else seen
        np.testing.assert_array_equal(pixels[name] > 0, expected, err_msg=name)

# The polygons are the raster, to the pixel.
with shapefile.Reader(str(folder / "districts")) as polygons:
    fields = [field[0] for field in polygons.fields[1:]]
    assert fields == ["VALUE", "LCZ", "NAME", "polygon_id", "LC_CODE", "LC_NAME", "SOURCE"], fields
    shapes = [(shape.__geo_interface__, record["VALUE"]) for shape, record in zip(polygons.shapes(), polygons.records())]
    records = [record.as_dict() for record in polygons.records()]
codes = "1 2 3 4 5 6 7 8 9 10 A B C D E F G".split()
assert all(codes[record["VALUE"] - 1] == record["LCZ"] for record in records)
assert [record["polygon_id"] for record in records] == list(range(1, len(records) + 1))
assert all(record["SOURCE"].startswith("synthetic (lcz ") for record in records)
assert "UTM_Zone_25N" in (folder / "districts.prj").read_text()
with rasterio.open(folder / "LCZ.tif") as band:
    transform = band.transform
drawn = rasterio.features.rasterize(shapes, out_shape=(rows, columns), transform=transform, fill=0, dtype="uint8")
np.testing.assert_array_equal(drawn, pixels["LCZ"])


def area(geometry):
    parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    shoelace = lambda ring: abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, ring[1:]))) / 2
    return sum(shoelace(part[0]) - sum(map(shoelace, part[1:])) for part in parts)


areas = np.zeros(18)
for geometry, zone in shapes:
    areas[zone] += area(geometry)
np.testing.assert_allclose(areas, 100.0 * np.bincount(pixels["LCZ"].ravel(), minlength=18))

# Clouds are bright and their shadows dark in the bands, too; water is where the zones have it.
classes = pixels["SCL"]
blue, near_infrared = (pixels[name].reshape(rows // 2, 2, columns // 2, 2).mean((1, 3)) / 1e4 for name in ("B2", "B8"))
assert set(np.unique(classes)) <= {0, 3, 4, 5, 6, 8, 9, 10}, np.unique(classes)
clear = np.isin(classes, [4, 5])
if (classes == 9).sum() > 100:
    assert blue[classes == 9].mean() > 2 * blue[clear].mean()
if (classes == 3).sum() > 100:
    assert near_infrared[classes == 3].mean() < 0.75 * near_infrared[clear].mean()
zone = pixels["LCZ"][::2, ::2]
if (classes == 6).sum() > 100:
    assert (zone[classes == 6] == 17).mean() > 0.9
    assert near_infrared[classes == 6].mean() < 0.5 * near_infrared[clear].mean()

print(f"rasterio {rasterio.__version__} and pyshp {shapefile.__version__} read back the scene of {len(shapes)} polygons in {folder}")
