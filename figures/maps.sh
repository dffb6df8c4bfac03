#!/usr/bin/env bash
# The map of figures/: Aquileia by imported weights.
#
#   figures/maps.sh FOLDER OUT
#
# FOLDER holds scenes/aquileia/B*.tif (Sentinel-2 L2A) and sen2lcz/sen2lcz_17_keras.hdf5. OUT gets the run and the map with
# all its rasters. A real scene.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 FOLDER OUT" >&2; exit 2; }
folder=$1 out=$2
lcz=${LCZ:-$(dirname "${BASH_SOURCE[0]}")/../target/release/lcz}
mkdir -p "$out"

# Values are reflectance times 65,535; 0 is no data, which no tag says. Pixels are 13.95 m, resampled to the 10 m of So2Sat.
"$lcz" import-keras "$folder/sen2lcz/sen2lcz_17_keras.hdf5" --run "$out/imported"
"$lcz" map "$out/imported" --bands "$folder"/scenes/aquileia/B*.tif --scale 1.5259021896696422e-05 --nodata 0 \
  --data 'real: Sentinel-2 L2A, Aquileia, 2019-04-16' --out "$out/map-aquileia.tif"
