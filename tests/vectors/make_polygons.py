"""Random polygons with holes for tests/scene/rasterising.rs, and what rasterio.features.rasterize makes of them.

    pip install rasterio fiona shapely pyproj numpy
    python tests/vectors/make_polygons.py

Writes tests/vectors/rasters/random.shp (with .shx, .dbf, .prj), the same as random.gpkg (layer `land`, next to a second
layer `empty`), atlas.gpkg (the polygons in EPSG:3035, with Urban Atlas codes), and tests/vectors/polygons.json: the rasters as lines of
letters, `.` for background, A for class 1, Z for 26, [ for 27. Polygons have up to three holes, some have several parts, some cross themselves, overlap or leave
the raster. Vertices are reprojected one by one by pyproj.
"""

import json
from pathlib import Path

import fiona
import numpy as np
import pyproj
import rasterio
from rasterio.features import rasterize

here = Path(__file__).parent
random = np.random.default_rng(8)
ROWS, COLUMNS, PIXEL = 90, 110, 10.0
transform = rasterio.Affine(PIXEL, 0, 500000, 0, -PIXEL, 5300000)
# 27 letters, for the 27 codes of the Urban Atlas.
LETTERS = ".ABCDEFGHIJKLMNOPQRSTUVWXYZ["
CODES = [11100, 12220, 14100, 21000, 31000, 50000]


def star(x, y, radius, corners):
    """A ring around a point; not convex, but it does not cross itself."""
    angles = np.sort(random.uniform(0, 2 * np.pi, corners))
    radii = radius * random.uniform(0.45, 1, corners)
    ring = [(float(x + r * np.cos(a)), float(y + r * np.sin(a))) for a, r in zip(angles, radii)]
    return ring + ring[:1]


def polygon():
    x, y = 500000 + random.uniform(-60, COLUMNS * PIXEL + 60), 5300000 - random.uniform(-60, ROWS * PIXEL + 60)
    radius = random.choice([6, 25, 80, 160])
    rings = [star(x, y, radius, random.integers(5, 16))]
    for _ in range(random.integers(0, 4)):
        angle = random.uniform(0, 2 * np.pi)
        away = radius * 0.15
        rings.append(star(x + away * np.cos(angle), y + away * np.sin(angle), radius * 0.2, random.integers(3, 9))[::-1])
    return rings


def bow_tie():
    x, y = 500000 + random.uniform(100, 900), 5300000 - random.uniform(100, 800)
    a, b = random.uniform(30, 90, 2)
    return [[(x - a, y - b), (x + a, y + b), (x + a, y - b * 0.7), (x - a * 0.8, y + b), (x - a, y - b)]]


features = []
for k in range(60):
    parts = [bow_tie()] if k % 20 == 7 else [polygon() for _ in range(2 if k % 9 == 4 else 1)]
    features.append((parts, int(random.integers(0, 7))))
# Along the lines between pixels, as polygons made of rasters are.
features.append(([[[(500100.0, 5299900.0), (500300.0, 5299900.0), (500300.0, 5299750.0), (500100.0, 5299750.0), (500100.0, 5299900.0)]]], 3))


def geometry(parts, to=lambda point: point):
    rings = [[[to(point) for point in ring] for ring in part] for part in parts]
    return {"type": "Polygon", "coordinates": rings[0]} if len(rings) == 1 else {"type": "MultiPolygon", "coordinates": rings}


def write(path, driver, crs, properties, rows, **options):
    kind = {"ESRI Shapefile": "Polygon", "GPKG": "Unknown"}[driver]
    with fiona.open(path, "w", driver=driver, crs=crs, schema={"geometry": kind, "properties": properties}, **options) as file:
        file.writerecords({"geometry": shape, "properties": values} for shape, values in rows)


rows = [(geometry(parts), {"VALUE": value, "name": f"polygon {k}"}) for k, (parts, value) in enumerate(features)]
folder = here / "rasters"
write(folder / "random.shp", "ESRI Shapefile", "EPSG:32633", {"VALUE": "int", "name": "str:20"}, rows)
gpkg = folder / "random.gpkg"
gpkg.unlink(missing_ok=True)
write(gpkg, "GPKG", "EPSG:32633", {"VALUE": "int", "name": "str"}, rows, layer="land")
write(gpkg, "GPKG", "EPSG:32633", {"VALUE": "int"}, [], layer="empty")
to_laea = pyproj.Transformer.from_crs(32633, 3035, always_xy=True).transform
to_utm = pyproj.Transformer.from_crs(3035, 32633, always_xy=True).transform
atlas = folder / "atlas.gpkg"
atlas.unlink(missing_ok=True)
# Without the last: reprojected, its edges lie on the lines between pixels but for rounding, which decides what they touch.
random_ones = features[:-1]
laea = [geometry(parts, lambda point: to_laea(*point)) for parts, _ in random_ones]
write(atlas, "GPKG", "EPSG:3035", {"code_2018": "str", "area": "float"},
      [(shape, {"code_2018": str(CODES[value - 1]), "area": 1.5}) for shape, (_, value) in zip(laea, random_ones) if value])


def again(shape):
    def each(rings):
        return [[to_utm(*point) for point in ring] for ring in rings]

    parts = shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]
    return geometry([each(part) for part in parts])


def letters(shapes, all_touched):
    rasterised = rasterize(shapes, (ROWS, COLUMNS), transform=transform, all_touched=all_touched, dtype="uint8")
    return ["".join(".ABCDEFGHIJKLMNOPQRSTUVWXYZ["[value] for value in line) for line in rasterised]


# Polygons without a class cover nothing.
plain = [(geometry(parts), value) for parts, value in features if value]
# Places of the codes among the 27 of the Urban Atlas, and their groups.
places = {11100: (1, 1), 12220: (9, 1), 14100: (16, 1), 21000: (18, 2), 31000: (23, 3), 50000: (27, 5)}
coded = [(again(shape), places[CODES[value - 1]]) for shape, (_, value) in zip(laea, random_ones) if value]
(here / "polygons.json").write_text(json.dumps({
    "centre": letters(plain, False),
    "all_touched": letters(plain, True),
    "atlas": letters([(shape, place[0]) for shape, place in coded], False),
    "groups": letters([(shape, place[1]) for shape, place in coded], True),
}, indent=0) + "\n")
