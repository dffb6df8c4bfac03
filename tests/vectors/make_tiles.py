"""A small scene with clouds for tests/scene/tiles.rs, and what NumPy and rasterio cut from it.

    pip install rasterio numpy
    python tests/vectors/make_tiles.py

Writes tests/vectors/tiles/B2.tif and B3.tif (10 m), B11.tif and SCL.tif (20 m), labels.tif (10 m, UTM 33N), and
tests/vectors/tiles.json: for each way to cut, every tile's fate, and sums over the pixels and masks of those kept.
"""

import json
from pathlib import Path

import numpy as np
import rasterio
from rasterio.warp import transform_bounds
from rasterio.windows import from_bounds

here = Path(__file__).parent
folder = here / "tiles"
folder.mkdir(exist_ok=True)
random = np.random.default_rng(11)
ROWS, COLUMNS = 100, 130
CORNER = (500000, 5300000)
CRS = "EPSG:32633"


def write(name, values, pixel, nodata):
    transform = rasterio.Affine(pixel, 0, CORNER[0], 0, -pixel, CORNER[1])
    rows, columns = values.shape
    profile = dict(driver="GTiff", height=rows, width=columns, count=1, dtype=values.dtype, crs=CRS,
                   transform=transform, nodata=nodata, compress="deflate")
    with rasterio.open(folder / f"{name}.tif", "w", **profile) as file:
        file.write(values, 1)


def smooth(rows, columns, steps, low, high):
    """Steps of a random surface, so that files stay small."""
    y, x = np.mgrid[0:rows, 0:columns]
    surface = sum(np.sin(x / random.uniform(6, 20) + random.uniform(0, 9)) * np.cos(y / random.uniform(6, 20)) for _ in range(4))
    surface = (surface - surface.min()) / np.ptp(surface)
    return (low + np.floor(surface * steps) / steps * (high - low))


b2, b3 = [smooth(ROWS, COLUMNS, 40, 300, 2500).astype(np.uint16) for _ in range(2)]
b11 = smooth(ROWS // 2, COLUMNS // 2, 40, 300, 4000).astype(np.uint16)
b3[90:, 120:] = 0
b2[0, 0] = 0
scl = np.full((ROWS // 2, COLUMNS // 2), 4, np.uint8)
scl[5:14, 20:34] = 9
scl[16:22, 26:38] = 3
scl[30:36, 8:12] = 10
scl[30:34, 40:44] = 8
scl[48:, :4] = 0
labels = smooth(ROWS, COLUMNS, 5, 0, 5).astype(np.uint8)
labels[40:70, 60:100] = 0
for name, values, pixel, nodata in [("B2", b2, 10, 0), ("B3", b3, 10, 0), ("B11", b11, 20, 0), ("SCL", scl, 20, None), ("labels", labels, 10, 0)]:
    write(name, values, pixel, nodata)

up = lambda a: a.repeat(2, 0).repeat(2, 1)
bands = np.stack([b2, b3, up(b11)], -1).astype(np.float64)
missing = (bands == 0).any(-1) | (up(scl) == 0)
hidden = np.isin(up(scl), [3, 8, 9, 10])


def cut(size, stride, most, window=None, sky=True):
    top, left, rows, columns = window or (0, 0, ROWS, COLUMNS)
    part = (slice(top, top + rows), slice(left, left + columns))
    tiles, pixels, classes, ignored = [], 0.0, 0, 0
    gone = missing[part] if sky else (bands[part] == 0).any(-1)
    cloud = hidden[part] & sky
    for row in range(0, rows - size + 1, stride):
        for column in range(0, columns - size + 1, stride):
            at = (slice(row, row + size), slice(column, column + size))
            mask = np.where(cloud[at], 0, labels[part][at])
            if gone[at].any():
                fate = "no data"
            elif cloud[at].mean() > most:
                fate = "discarded by cloud"
            elif not mask.any():
                fate = "no label"
            else:
                fate = "kept"
                place = np.arange(1, size * size + 1).reshape(size, size)
                pixels += float((bands[part][at] * 1e-4 * np.array([1, 2, 3]) * place[..., None]).sum())
                classes += int((mask * place).sum())
                ignored += int((mask == 0).sum())
            tiles.append([row, column, fate])
    return dict(size=size, stride=stride, most=most, sky=sky, tiles=tiles, pixels=pixels, classes=classes, ignored=ignored)


cuts = [cut(20, 20, 0.15), cut(24, 10, 0.15), cut(16, 16, 0.0), cut(16, 16, 0.5), cut(20, 20, 0.15, sky=False)]
boxes = []
with rasterio.open(folder / "B2.tif") as file:
    bounds = transform_bounds(CRS, "EPSG:4326", *file.bounds)
    for shares in [(0.2, 0.1, 0.8, 0.9), (-0.5, 0.35, 0.61, 2.0), (0.0, 0.0, 1.0, 1.0)]:
        west, south, east, north = [bounds[k % 2] + s * (bounds[k % 2 + 2] - bounds[k % 2]) for k, s in enumerate(shares)]
        box = transform_bounds("EPSG:4326", CRS, west, south, east, north, densify_pts=20)
        window = from_bounds(*box, transform=file.transform)
        first = [max(0, int(np.floor(window.row_off))), max(0, int(np.floor(window.col_off)))]
        last = [min(ROWS, int(np.ceil(window.row_off + window.height))), min(COLUMNS, int(np.ceil(window.col_off + window.width)))]
        window = [first[0], first[1], last[0] - first[0], last[1] - first[1]]
        boxes.append(dict(box=[west, south, east, north], window=window, cut=cut(16, 16, 0.15, window)))
(here / "tiles.json").write_text(json.dumps(dict(cuts=cuts, boxes=boxes)) + "\n")
for one in cuts + [box["cut"] for box in boxes]:
    print(one["size"], one["stride"], {fate: sum(t[2] == fate for t in one["tiles"]) for fate in ("kept", "no data", "discarded by cloud", "no label")})
