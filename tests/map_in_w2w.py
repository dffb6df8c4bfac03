"""Has w2w read a map of `lcz map` for a small domain of WRF: its own functions choose the band, check the classes and bring the map to
longitude and latitude.

    python tests/map_in_w2w.py MAP.tif

`./course test` does so where LCZ_W2W is 1, since w2w and what it needs have 800 MB.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp
import xarray
from w2w.w2w import Info, _get_lcz_arr, _get_lcz_band, check_lcz_integrity

path = Path(sys.argv[1])
with rasterio.open(path) as raster:
    west, south, east, north = rasterio.warp.transform_bounds(raster.crs, "EPSG:4326", *raster.bounds)
    filtered, named = raster.read(2), raster.descriptions
assert named == ("lcz", "lczFilter", "probability"), named

with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    shutil.copy(path, folder / "map.tif")
    # The middle half of the map, as geogrid writes it, as far as these functions read it.
    inside = lambda low, high: np.linspace(low + (high - low) / 4, high - (high - low) / 4, 9)
    longitude, latitude = np.meshgrid(inside(west, east), inside(south, north))
    axes = ("Time", "south_north", "west_east")
    domain = {name: (axes, values[None]) for name, values in (("XLONG_M", longitude), ("XLAT_M", latitude))}
    xarray.Dataset(domain).to_netcdf(folder / "geo_em.d01.nc")
    given = argparse.Namespace(
        io_dir=str(folder), lcz_file="map.tif", wrf_file="geo_em.d01.nc", built_lcz=list(range(1, 11)), LCZ_BAND=0
    )
    info = Info.from_argparse(given)
    band = _get_lcz_band(info, given)
    assert band == 1, "the filtered map, by its name"
    check_lcz_integrity(info, band)
    with rasterio.open(info.src_file_clean) as clean:
        read = clean.read(1)
        assert clean.crs.to_epsg() == 4326
    assert set(np.unique(read)) <= set(np.unique(filtered)) | {0}, np.unique(read)
    shares = [np.bincount(classes[classes > 0], minlength=18) / (classes > 0).sum() for classes in (read, filtered)]
    assert abs(shares[0] - shares[1]).max() < 0.1, shares
    built = _get_lcz_arr(xarray.DataArray(read, dims=("y", "x")), info)
    assert ((built > 0) == ((read >= 1) & (read <= 10))).all()
    print(f"w2w read {path}: {int((built > 0).sum())} built pixels of {int((read > 0).sum())}")
