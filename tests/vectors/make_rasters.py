"""Known answers for tests/rasters.rs, from independent readers.

    pip install rasterio scipy numpy
    python tests/vectors/make_rasters.py ../shared/data > tests/vectors/rasters.json

`real`: what rasterio (GDAL) reads from the real data. `regions`, `windows`: what SciPy says about
the label raster of Hong Kong. `synthetic`: small GeoTIFFs in every encoding, which this script also
writes to tests/vectors/rasters/; their pixels are (row * 7 + column * 3 + band * 50) % 120 + 1.
"""

import json
import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine
from scipy import ndimage

data = Path(sys.argv[1])
folder = Path(__file__).parent / "rasters"


def facts(path):
    with rasterio.open(path) as raster:
        pixels = raster.read().astype("float64")
        rows, columns = raster.shape
        missing = np.isnan(pixels)
        if raster.nodata is not None:
            missing |= pixels == raster.nodata
        known = np.where(missing, 0, pixels)
        places = [(0, 0), (rows // 2, columns // 3), (rows - 1, columns - 1)]
        return {
            "shape": [raster.count, rows, columns],
            "transform": list(raster.transform.to_gdal()),
            "epsg": raster.crs.to_epsg() if raster.crs else None,
            "missing": int(missing.sum()),
            "sum": float(known.sum()),
            "weighted_sum": float((known * np.arange(known.size).reshape(known.shape)).sum()),
            "pixels": [[r, c, float(known[-1, r, c])] for r, c in places],
        }


hong_kong = data / "hongkong"
landsat = sorted((hong_kong / "landsat_8").iterdir())
patch = data / "bigearthnet" / "S2A_MSIL2A_20170617T113321_36_85"
chosen = [
    hong_kong / "hong_kong_lcz_GT.tif",
    landsat[0] / f"{landsat[0].name}_B1.tif",
    landsat[3] / f"{landsat[3].name}_B7.tif",
    *(data / "scenes/aquileia" / f"B{band}.tif" for band in ["01", "02", "8A"]),
    *(patch / f"{patch.name}_B{band}.tif" for band in ["01", "02", "05"]),
    data / "lcz_maps/lcz_zaragoza.tif",
]
real = {str(path.relative_to(data)): facts(path) for path in chosen}

labels = rasterio.open(hong_kong / "hong_kong_lcz_GT.tif").read(1)
touching = np.ones((3, 3))
regions = {str(k): ndimage.label(labels == k, structure=touching)[1] for k in np.unique(labels[labels > 0])}
pixels = {str(k): int((labels == k).sum()) for k in np.unique(labels[labels > 0])}

windows = []
for date in landsat:
    bands = [rasterio.open(date / f"{date.name}_B{band}.tif").read(1) for band in range(1, 8)]
    missing = np.any([band == 0 for band in bands], axis=0)
    bad = 0
    for row, column in zip(*np.nonzero(labels)):
        bad += bool(missing[row - 8 : row + 8, column - 8 : column + 8].any())
    windows.append(bad)

folder.mkdir(exist_ok=True)
row, column = np.mgrid[0:21, 0:37]


def write(name, dtype, count=1, **options):
    pixels = np.stack([(row * 7 + column * 3 + band * 50) % 120 + 1 for band in range(count)]).astype(dtype)
    if "nodata" in options:
        pixels[:, 4, 5] = options["nodata"]
    profile = dict(driver="GTiff", height=21, width=37, count=count, dtype=dtype, crs="EPSG:32633",
                   transform=Affine(10, 0, 300000, 0, -10, 5000000))
    profile.update(options)
    colours = profile.pop("colours", None)
    with rasterio.open(folder / f"{name}.tif", "w", **profile) as raster:
        if colours:
            raster.write_colormap(1, {k: (k, 2 * k, 255 - k, 255) for k in range(121)})
        raster.write(pixels)


write("u8_tiles_deflate", "uint8", compress="deflate", tiled=True, blockxsize=16, blockysize=16)
write("i8_strips", "int8", nodata=-5)
write("u16_strips_lzw_predictor", "uint16", compress="lzw", predictor=2, blockysize=4)
write("i16_three_bands_chunky", "int16", 3, interleave="pixel", compress="deflate", nodata=-999)
write("i16_three_bands_planar_tiles", "int16", 3, interleave="band", tiled=True, blockxsize=16, blockysize=16)
write("u32_strips", "uint32")
write("i32_tiles_lzw", "int32", compress="lzw", tiled=True, blockxsize=32, blockysize=16, nodata=-2147483648)
write("f32_predictor", "float32", compress="deflate", predictor=3, nodata=-3.4e38)
write("f64_packbits", "float64", compress="packbits", nodata=float("nan"))
write("big_endian", "uint16", ENDIANNESS="BIG")
write("big_tiff", "uint16", BIGTIFF="YES", compress="deflate")
write("colour_table", "uint8", colours=True)
write("white_is_zero", "uint8", photometric="miniswhite")
write("rotated", "uint8", transform=Affine(8, 6, 300000, 6, -8, 5000000))
write("feet", "uint8", crs="EPSG:2263")
write("zstd", "uint8", compress="zstd")
with rasterio.open(folder / "pixel_is_point.tif", "w", driver="GTiff", height=21, width=37, count=1,
                   dtype="uint8", crs="EPSG:32633", transform=Affine(10, 0, 300000, 0, -10, 5000000)) as raster:
    raster.update_tags(AREA_OR_POINT="Point")
    raster.write(((row * 7 + column * 3) % 120 + 1).astype("uint8"), 1)
with rasterio.open(folder / "sparse.tif", "w", driver="GTiff", height=64, width=64, count=1, dtype="uint16",
                   crs="EPSG:32633", transform=Affine(10, 0, 300000, 0, -10, 5000000), tiled=True,
                   blockxsize=16, blockysize=16, SPARSE_OK=True, nodata=0) as raster:
    raster.write(np.full((16, 16), 9, "uint16"), 1, window=rasterio.windows.Window(16, 32, 16, 16))
synthetic = {path.stem: facts(path) for path in sorted(folder.glob("*.tif"))}

json.dump({"real": real, "regions": regions, "pixels": pixels, "windows_without_data": windows,
           "synthetic": synthetic}, sys.stdout, indent=1)
