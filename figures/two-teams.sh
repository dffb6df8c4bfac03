#!/usr/bin/env bash
# Two teams, one city: the ceiling that labels set. Hong Kong is cut in two; forests learn one half from one team's labels, and map
# the other half, which is scored by both teams.
#
#   figures/two-teams.sh FOLDER OUT
#
# FOLDER holds hongkong/ as hong-kong.sh has it (IEEE GRSS Data Fusion Contest 2017) and china/hongkong/hk_train.shp and hk_test.shp
# (Liu & Shi 2020). OUT gets data sets, runs, maps, and table.csv. Real Landsat-8 images, real labels.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 FOLDER OUT" >&2; exit 2; }
folder=$1 out=$2
lcz=${LCZ:-$(dirname "${BASH_SOURCE[0]}")/../target/release/lcz}
mkdir -p "$out"

contest=$folder/hongkong/hong_kong_lcz_GT.tif
liu=$folder/china/hongkong/hk
dates=()
for date in "$folder"/hongkong/landsat_8/*/; do
  name=$(basename "$date")
  dates+=(--bands "$(printf "$date${name}_B%s.tif," 1 2 3 4 5 6 7 | sed 's/,$//')")
done
reflectance=(--scale 2e-5 --offset -0.1)
# A strip of some 4 km between them belongs to neither: no window of one half holds ground of the other, although the grid is turned
# by a degree against the meridians.
west=113,22,114.13,23 east=114.17,22,115,23

# Of a comparison: pixels with a class in both, and how many of them agree.
counts() {
  "$lcz" --quiet assess "$1" --labels "$2" --bootstrap 0 --json 2> /dev/null |
    python3 -c 'import json, sys; found = json.load(sys.stdin); n = found["samples"]; print(n, round(n * found["rows"][0]["value"]))'
}

echo "labels,seed,scored_by,pixels,right" > "$out/table.csv"
for part in train test; do
  read -r n right < <(counts "$contest" "${liu}_$part.shp")
  echo "contest,,liu-$part,$n,$right" >> "$out/table.csv"
done
for half in west east; do
  other=$([ $half = west ] && echo "$east" || echo "$west")
  for team in contest liu; do
    labels=$([ $team = contest ] && echo "$contest" || echo "${liu}_train.shp")
    "$lcz" --quiet patches "${dates[@]}" --labels "$labels" --reproject --size 16 "${reflectance[@]}" --split 90/5/5 \
      --bbox="${!half}" --out "$out/$half-$team" > "$out/$half-$team.txt"
    for seed in 1 2 3; do
      name=$half-$team-$seed
      "$lcz" --quiet train forest --data "$out/$half-$team" --run "$out/run-$name" --seed $seed > "$out/$name.txt"
      # The last date of the half that it has not seen.
      "$lcz" --quiet map "$out/run-$name" "${dates[@]: -2}" "${reflectance[@]}" --stride 100m --bbox="$other" \
        --out "$out/$name.tif" > /dev/null
      for truth in "$contest" "${liu}_train.shp" "${liu}_test.shp"; do
        read -r n right < <(counts "$out/$name.tif" "$truth")
        echo "$team,$seed,$(basename "$truth"),$n,$right" >> "$out/table.csv"
      done
    done
  done
done
python3 - "$out/table.csv" << 'PYTHON'
import csv, sys
from collections import defaultdict

total = defaultdict(lambda: [0, 0])
for row in csv.DictReader(open(sys.argv[1])):
    by = "Liu & Shi" if row["scored_by"].startswith(("hk", "liu")) else "contest"
    for column, key in enumerate(("pixels", "right")):
        total[row["labels"], row["seed"], by][column] += int(row[key])
for (labels, seed, by), (pixels, right) in sorted(total.items()):
    what = "the contest's labels" if not seed else f"forest of {labels}, seed {seed}"
    print(f"{what}, scored by {by}: {right / pixels:.3f} of {pixels} pixels")
PYTHON
