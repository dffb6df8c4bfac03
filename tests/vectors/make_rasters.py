"""Known answers for tests/scene/, from independent readers.

    pip install rasterio scipy numpy pyproj pyshp
    python tests/vectors/make_rasters.py ../shared/data > tests/vectors/rasters.json

`real`: what rasterio (GDAL) reads from the real data. `regions`, `windows`: what SciPy says about
the label raster of Hong Kong. `synthetic`: small GeoTIFFs in every encoding, which this script also
writes to tests/vectors/rasters/; their pixels are (row * 7 + column * 3 + band * 50) % 120 + 1.
`unsupported`: encodings that are refused, with the word that the refusal names. `polygon_pixels`,
`rasterised`: what rasterio.features.rasterize makes of Hong Kong's polygons and of a small shapefile, which
this script writes, too. `points`: pyproj's coordinates. `warped`: the label pixel that pyproj finds for
each centre, checked against rasterio.warp. `upsampled`: bands of 10, 20 and 60 m brought to 10 m by rasterio. `zaragoza`: an LCZ map.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pyproj
import rasterio
import shapefile
from rasterio.enums import ColorInterp, Resampling
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.warp import reproject
from scipy import ndimage

data = Path(sys.argv[1])
folder = Path(__file__).parent / "rasters"


def facts(path):
    with rasterio.open(path) as raster:
        bands = [k for k, use in zip(raster.indexes, raster.colorinterp) if use != ColorInterp.alpha]
        pixels = raster.read(bands).astype("float64")
        rows, columns = raster.shape
        missing = np.isnan(pixels)
        if raster.nodata is not None:
            missing |= pixels == raster.nodata
        known = np.where(missing, 0, pixels)
        places = [(0, 0), (rows // 2, columns // 3), (rows - 1, columns - 1)]
        return {
            "shape": [len(bands), rows, columns],
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
pixels_of_classes = {str(k): int((labels == k).sum()) for k in np.unique(labels[labels > 0])}

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


def retag(name, tag, value):
    """Changes the value of a short tag in a little-endian file."""
    path = folder / f"{name}.tif"
    data = bytearray(path.read_bytes())
    start = struct.unpack_from("<I", data, 4)[0]
    for k in range(struct.unpack_from("<H", data, start)[0]):
        entry = start + 2 + 12 * k
        if struct.unpack_from("<H", data, entry)[0] == tag:
            struct.pack_into("<H", data, entry + 8, value)
    path.write_bytes(data)


tiles = dict(tiled=True, blockxsize=16, blockysize=16)
write("u8_strips", "uint8")
write("u8_strips_lzw", "uint8", compress="lzw", blockysize=5)
write("u8_strips_packbits", "uint8", compress="packbits", blockysize=3)
write("u8_tiles", "uint8", **tiles)
write("u8_tiles_deflate", "uint8", compress="deflate", **tiles)
write("u8_tiles_packbits", "uint8", compress="packbits", **tiles)
write("u8_deflate_predictor", "uint8", compress="deflate", predictor=2)
write("i8_strips", "int8", nodata=-5)
write("u16_strips_lzw_predictor", "uint16", compress="lzw", predictor=2, blockysize=4)
write("u16_tiles_deflate_predictor", "uint16", compress="deflate", predictor=2, **tiles)
write("u16_deflate_old_number", "uint16", compress="deflate")
retag("u16_deflate_old_number", 259, 32946)
write("i16_three_bands_chunky", "int16", 3, interleave="pixel", compress="deflate", nodata=-999)
write("i16_three_bands_chunky_predictor", "int16", 3, interleave="pixel", compress="lzw", predictor=2)
write("i16_three_bands_planar_tiles", "int16", 3, interleave="band", **tiles)
write("i16_three_bands_planar_predictor", "int16", 3, interleave="band", compress="deflate", predictor=2, **tiles)
write("u16_tiles_lzw", "uint16", compress="lzw", **tiles)
write("u16_tiles_lzw_predictor", "uint16", compress="lzw", predictor=2, **tiles)
write("i16_three_bands_tiles_lzw_predictor", "int16", 3, interleave="pixel", compress="lzw", predictor=2, **tiles)
write("u32_strips", "uint32")
write("i32_tiles_lzw", "int32", compress="lzw", tiled=True, blockxsize=32, blockysize=16, nodata=-2147483648)
write("i32_deflate_predictor", "int32", compress="deflate", predictor=2)
write("i64_deflate", "int64", compress="deflate")
write("u64_lzw", "uint64", compress="lzw")
write("f32_strips", "float32", blockysize=8)
write("f32_lzw_horizontal_predictor", "float32", compress="lzw", predictor=2)
write("f32_predictor", "float32", compress="deflate", predictor=3, nodata=-3.4e38)
write("f32_tiles_lzw_predictor", "float32", compress="lzw", predictor=3, **tiles)
write("f32_two_bands_chunky_predictor", "float32", 2, interleave="pixel", compress="deflate", predictor=3)
write("f64_packbits", "float64", compress="packbits", nodata=float("nan"))
write("f64_deflate_predictor", "float64", compress="deflate", predictor=3)
write("big_endian", "uint16", ENDIANNESS="BIG")
write("big_endian_lzw_predictor", "int16", compress="lzw", predictor=2, ENDIANNESS="BIG")
write("big_endian_float_predictor", "float32", compress="deflate", predictor=3, ENDIANNESS="BIG")
write("big_endian_f64_tiles", "float64", compress="deflate", ENDIANNESS="BIG", **tiles)
write("big_tiff", "uint16", BIGTIFF="YES", compress="deflate")
write("big_tiff_big_endian_tiles", "uint16", BIGTIFF="YES", compress="lzw", ENDIANNESS="BIG", **tiles)
write("rgb_alpha_chunky", "uint8", 4, photometric="rgb", alpha="yes", interleave="pixel", compress="lzw")
write("rgb_alpha_planar", "uint8", 4, photometric="rgb", alpha="premultiplied", interleave="band",
      compress="deflate", **tiles)
write("grey_alpha", "uint16", 2, alpha="yes", compress="deflate")
write("four_bands_none_alpha", "uint16", 4, alpha="no", compress="deflate")
write("colour_table", "uint8", colours=True, compress="deflate")
write("white_is_zero", "uint8", photometric="miniswhite")
write("rotated", "uint8", transform=Affine(8, 6, 300000, 6, -8, 5000000))
write("feet", "uint8", crs="EPSG:2263")
write("geographic", "uint8", crs="EPSG:4326", transform=Affine(0.0001, 0, 13.25, 0, -0.0001, 52.5))
write("laea", "uint8", crs="EPSG:3035", transform=Affine(100, 0, 4500000, 0, -100, 3200000))
write("user_defined", "uint8", crs="+proj=tmerc +lat_0=47 +lon_0=13.3 +k=1 +x_0=0 +y_0=0 +ellps=GRS80 +units=m")
with rasterio.open(folder / "geographic_point.tif", "w", driver="GTiff", height=21, width=37, count=1,
                   dtype="uint8", crs="EPSG:4326", transform=Affine(0.5, 0, 13.25, 0, -0.25, 52.5)) as raster:
    raster.update_tags(AREA_OR_POINT="Point")
    raster.write(((row * 7 + column * 3) % 120 + 1).astype("uint8"), 1)
with rasterio.open(folder / "pixel_is_point.tif", "w", driver="GTiff", height=21, width=37, count=1,
                   dtype="uint8", crs="EPSG:32633", transform=Affine(10, 0, 300000, 0, -10, 5000000)) as raster:
    raster.update_tags(AREA_OR_POINT="Point")
    raster.write(((row * 7 + column * 3) % 120 + 1).astype("uint8"), 1)
with rasterio.open(folder / "sparse.tif", "w", driver="GTiff", height=64, width=64, count=1, dtype="uint16",
                   crs="EPSG:32633", transform=Affine(10, 0, 300000, 0, -10, 5000000), tiled=True,
                   blockxsize=16, blockysize=16, SPARSE_OK=True, nodata=0) as raster:
    raster.write(np.full((16, 16), 9, "uint16"), 1, window=rasterio.windows.Window(16, 32, 16, 16))
synthetic = {path.stem: facts(path) for path in sorted(folder.glob("*.tif"))
             if not path.stem.startswith(("refused_", "labels_"))}

unsupported = {
    "zstd": (dict(compress="zstd"), "compression ZSTD"),
    "webp": (dict(compress="webp", count=3), "compression WEBP"),
    "jpeg": (dict(compress="jpeg"), "compression JPEG"),
    "lzma": (dict(compress="lzma"), "compression LZMA"),
    "lerc": (dict(compress="lerc"), "compression LERC"),
    "one_bit": (dict(nbits=1), "pixels of 1 bits"),
    "twelve_bits": (dict(nbits=12, dtype="uint16"), "pixels of 12 bits"),
    "complex": (dict(dtype="complex64", compress="deflate"), "complex pixels"),
}
for name, (options, _) in unsupported.items():
    write(f"refused_{name}", **{"dtype": "uint8", **options})

# Polygons: a lake with an island, two parts, a bow tie, a sliver between centres, one outside, one of no
# class, and one that overlaps an earlier one.
grid = Affine(10, 0, 300000, 0, -10, 5000000)
drawn = [
    (3, 1, [[(0.3, 0.2), (0.4, 14.3), (17.6, 15.2), (16.3, 0.7)], [(3.2, 3.4), (12.8, 4.1), (11.1, 12.7), (2.2, 11.4)],
            [(5.7, 6.2), (8.9, 6.8), (7.2, 9.9)]]),
    (11, 2, [[(1.1, 20.2), (1.3, 24.6), (6.2, 23.1)], [(9.3, 20.7), (12.9, 26.2), (13.3, 19.1)]]),
    (17, 3, [[(14.2, 22.3), (20.1, 35.4), (14.4, 36.2), (20.4, 21.8)]]),
    (5, 4, [[(2.6, 30.1), (2.9, 36.0), (2.7, 36.2)]]),
    (6, 5, [[(30.0, 3.0), (30.0, 9.0), (40.0, 9.0)]]),
    (0, 6, [[(-3.0, -3.0), (-3.0, 40.0), (25.0, 40.0), (25.0, -3.0)]]),
    (8, 7, [[(10.3, 10.2), (10.1, 24.4), (19.2, 23.7), (19.4, 11.3)]]),
]
esri = ('PROJCS["WGS_1984_UTM_Zone_33N",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",'
        'SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],'
        'PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],'
        'PARAMETER["Central_Meridian",15.0],PARAMETER["Scale_Factor",0.9996],'
        'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]')
esri_degrees = esri[esri.index("GEOGCS"):esri.index(",PROJECTION")]


def write_polygons(name, prj, move=lambda x, y: (x, y)):
    with shapefile.Writer(folder / name, shapefile.POLYGON) as writer:
        writer.field("Name", "C", 12)
        writer.field("LCZ", "N", 4)
        writer.field("city", "C", 8)
        for value, number, rings in drawn:
            places = [[move(*(grid * (column, row))) for row, column in ring] for ring in rings]
            writer.poly([ring + ring[:1] for ring in places])
            writer.record(f"polygon {number}", value, ["Wien", "Graz"][number % 2])
    (folder / f"{name}.prj").write_text(prj)


def transformer(source, target):
    return pyproj.Transformer.from_crs(source, target, always_xy=True).transform


write_polygons("polygons", esri)
write_polygons("polygons_4326", esri_degrees, transformer(32633, 4326))
places = [(value, [[grid * (c, r) for r, c in ring + ring[:1]] for ring in rings]) for value, _, rings in drawn if value]
rasterised = rasterize([({"type": "Polygon", "coordinates": rings}, value) for value, rings in places],
                  out_shape=(21, 37), transform=grid)

# Pixels that polygons of different classes cover.
alone = np.stack([value * rasterize([{"type": "Polygon", "coordinates": rings}], out_shape=(21, 37), transform=grid)
                  for value, rings in places if rings[0][0][1] > 4999750])
highest, lowest = alone.max(0), np.where(alone > 0, alone, 99).min(0)
disputed = int(((highest > 0) & (highest != lowest)).sum())

# Coordinates of the same points in several systems.
generator = np.random.default_rng(5)
points = []
for source, target, box in [(4326, 32633, (10, 40, 20, 60)), (4326, 32719, (-72, -50, -66, -10)),
                            (3035, 32632, (4e6, 2.5e6, 4.6e6, 3.5e6)), (3857, 32633, (1.4e6, 6e6, 2e6, 7e6)),
                            (4326, 3857, (-179, -80, 179, 80)), (4258, 25832, (6, 45, 12, 55)),
                            (32632, 32633, (6e5, 5e6, 8e5, 5.5e6)), (4326, 2154, (-4, 42, 8, 51)),
                            (2263, 4326, (9.2e5, 1.3e5, 1.06e6, 2.7e5))]:
    for one, other, back in [(source, target, False), (target, source, True)]:
        x, y = generator.uniform(box[0], box[2], 4), generator.uniform(box[1], box[3], 4)
        if back:
            x, y = transformer(source, target)(x, y)
        there = transformer(one, other)(x, y)
        points.append({"from": one, "to": other, "at": np.stack([x, y], 1).tolist(),
                       "there": np.stack(there, 1).tolist()})

# Label rasters on other systems, nearest neighbour on the grid of u8_strips.tif.
warped = {}
for code, step, size in [(4326, 0.0003, (14, 22)), (3035, 23.0, (18, 24)), (3857, 31.0, (16, 23)), (32633, 17.0, (20, 30))]:
    left, top = transformer(32633, code)(300000 - 13, 5000000 + 7)
    labels = generator.integers(0, 18, size).astype("uint8")
    path = folder / f"labels_{code}.tif"
    with rasterio.open(path, "w", driver="GTiff", height=size[0], width=size[1], count=1, dtype="uint8",
                       crs=f"EPSG:{code}", transform=Affine(step, 0, left, 0, -step, top), compress="deflate") as raster:
        raster.write(labels, 1)
    # GDAL's transform is approximate, up to an eighth of a pixel: where the two differ, pyproj's counts.
    there = np.zeros((21, 37), "uint8")
    reproject(labels, there, src_transform=Affine(step, 0, left, 0, -step, top), src_crs=f"EPSG:{code}",
              dst_transform=grid, dst_crs="EPSG:32633", resampling=Resampling.nearest)
    x, y = transformer(32633, code)(*(grid * (column + 0.5, row + 0.5)))
    r, c = np.floor((top - y) / step).astype(int), np.floor((x - left) / step).astype(int)
    inside = (r >= 0) & (c >= 0) & (r < size[0]) & (c < size[1])
    exact = np.where(inside, labels[np.where(inside, r, 0), np.where(inside, c, 0)], 0)
    print(code, "pixels where GDAL differs:", int((exact != there).sum()), file=sys.stderr)
    assert (exact != there).sum() < 8
    warped[str(code)] = exact.tolist()

polygons = shapefile.Reader(str(hong_kong / "polygons/singleparts"))
shapes = [(shape.__geo_interface__, record["polygon_id"]) for shape, record in
          zip(polygons.shapes(), polygons.records()) if record["VALUE"] > 0]
with rasterio.open(hong_kong / "hong_kong_lcz_GT.tif") as raster:
    ids = rasterize(shapes, out_shape=raster.shape, transform=raster.transform, dtype="int32")
    assert ((ids > 0) == (raster.read(1) > 0)).all()
polygon_pixels = {str(k): int((ids == k).sum()) for _, k in shapes}

upsampled = {}
for patch in sorted((data / "bigearthnet").iterdir()):
    upsampled[patch.name] = {}
    for path in sorted(patch.glob("*.tif")):
        with rasterio.open(path) as raster:
            pixels = raster.read(1, out_shape=(120, 120), resampling=Resampling.nearest).astype("float64")
        window = pixels[34:66, 61:93]
        upsampled[patch.name][path.stem.split("_")[-1]] = [
            float(window.sum()), float((window * np.arange(window.size).reshape(window.shape)).sum())]

zaragoza = rasterio.open(data / "lcz_maps/lcz_zaragoza.tif").read(1)
zaragoza = {str(k): [int((zaragoza == k).sum()), ndimage.label(zaragoza == k, structure=touching)[1]]
            for k in np.unique(zaragoza[zaragoza > 0])}

json.dump({"real": real, "regions": regions, "pixels": pixels_of_classes, "windows_without_data": windows,
           "synthetic": synthetic, "unsupported": {name: word for name, (_, word) in unsupported.items()},
           "polygon_pixels": polygon_pixels, "rasterised": rasterised.tolist(), "disputed": disputed,
           "points": points, "warped": warped,
           "upsampled": upsampled, "zaragoza": zaragoza}, sys.stdout, indent=1)
