#!/usr/bin/env bash
# The Hong Kong table of figures/README.md: three splits by region, three seeds, with the baselines.
#
#   figures/hong-kong.sh FOLDER OUT
#
# FOLDER holds hong_kong_lcz_GT.tif and landsat_8/DATE/DATE_B1.tif … (IEEE GRSS Data Fusion Contest 2017);
# OUT gets one data set and one run per seed. Real Landsat-8 images, real labels.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 FOLDER OUT" >&2; exit 2; }
folder=$1 out=$2
lcz=${LCZ:-$(dirname "${BASH_SOURCE[0]}")/../target/release/lcz}

dates=()
for date in "$folder"/landsat_8/*/; do
  name=$(basename "$date")
  dates+=(--bands "$(printf "$date${name}_B%s.tif," 1 2 3 4 5 6 7 | sed 's/,$//')")
done

for seed in 1 2 3; do
  # Digital numbers to reflectance: DN · 2e-5 − 0.1.
  "$lcz" patches "${dates[@]}" --labels "$folder/hong_kong_lcz_GT.tif" \
    --size 16 --scale 2e-5 --offset -0.1 --split 60/15/25 --seed "$seed" --out "$out/data-$seed"
  # Few, correlated regions: short training with strong regularisation, chosen by validation loss.
  "$lcz" train sen2lcz --data "$out/data-$seed" --run "$out/run-$seed" --seed "$seed" --epochs 4 \
    --set training.learning_rate=0.0005 --set training.label_smoothing=0.1 --set model.dropout=0.4 \
    --set training.augmentation=flips-and-turns
  "$lcz" evaluate "$out/run-$seed" --data "$out/data-$seed/testing.h5"
done
