#!/usr/bin/env bash
# The maps of figures/: Aquileia by the So2Sat project's own network, Hong Kong by a network trained on three quarters of its regions.
#
#   figures/maps.sh FOLDER OUT
#
# FOLDER holds scenes/aquileia/B*.tif (Sentinel-2 L2A), dlr/S2_RESNET20_BS16_LR2e-4_IN32-32-10_PRO-52-0R12_2019-06-27.h5
# and hongkong/ as hong-kong.sh has it
# (IEEE GRSS Data Fusion Contest 2017). OUT gets data sets, runs and maps with all their rasters. Real images, real labels.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 FOLDER OUT" >&2; exit 2; }
folder=$1 out=$2
lcz=${LCZ:-$(dirname "${BASH_SOURCE[0]}")/../target/release/lcz}
mkdir -p "$out"

# Values are reflectance times 65,535; 0 means no data, although no tag states it. Pixels are 13.95 m, resampled to the 10 m of So2Sat.
# The box leaves out the margins, which are mostly without data.
"$lcz" import "$folder/dlr/S2_RESNET20_BS16_LR2e-4_IN32-32-10_PRO-52-0R12_2019-06-27.h5" --run "$out/imported"
"$lcz" map "$out/imported" --bands "$folder"/scenes/aquileia/B*.tif --scale 1.5259021896696422e-05 --nodata 0 \
  --bbox=13.3007,45.7073,13.5073,45.7936 --stride 200m --provenance 'real: Sentinel-2 L2A, Aquileia, 2019-04-16' --out "$out/map-aquileia.tif"

dates=()
for date in "$folder"/hongkong/landsat_8/*/; do
  name=$(basename "$date")
  dates+=(--bands "$(printf "$date${name}_B%s.tif," 1 2 3 4 5 6 7 | sed 's/,$//')")
done
# As in hong-kong.sh, seed 1: a quarter of each class is for testing, in regions of their own.
"$lcz" patches "${dates[@]}" --labels "$folder/hongkong/hong_kong_lcz_GT.tif" \
  --size 16 --scale 2e-5 --offset -0.1 --split 60/15/25 --seed 1 --out "$out/hong-kong"
# Half as wide as published, for a map in minutes.
"$lcz" train sen2lcz --data "$out/hong-kong" --run "$out/run-hong-kong" --seed 1 --epochs 4 --set model.width=8 \
  --set training.learning_rate=0.0005 --set training.label_smoothing=0.1 --set model.dropout=0.4 \
  --set training.augmentation=flips-and-turns
# The last date; scored on the regions that were held out.
"$lcz" map "$out/run-hong-kong" "${dates[@]: -2}" --scale 2e-5 --offset -0.1 --labels "$out/hong-kong/testing.tif" \
  --provenance 'real: Landsat 8, Hong Kong, 2015-10-18 (IEEE GRSS Data Fusion Contest 2017)' --out "$out/map-hong-kong.tif"
