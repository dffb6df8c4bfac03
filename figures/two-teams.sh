#!/usr/bin/env bash
# Two teams, one city: the ceiling that labels set. Hong Kong is cut in two; forests and networks are trained on one half with one
# team's labels, and classify the labelled pixels of the other half, which both teams score.
#
#   figures/two-teams.sh FOLDER OUT
#
# FOLDER holds hongkong/ as hong-kong.sh has it (IEEE GRSS Data Fusion Contest 2017) and china/hongkong/hk_train.shp and hk_test.shp
# (Liu & Shi 2020). OUT gets data sets, runs, and table.csv; called again, the script does what is missing there. SEEDS="1" takes one
# random seed only. Real Landsat-8 images, real labels.
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
# A strip of some 4 km between them belongs to neither: no window of one half holds ground of the other, although the grid is turned
# by a degree against the meridians.
west=113,22,114.13,23 east=114.17,22,115,23

# once FILE COMMAND…: what the command prints becomes the file, unless that is there.
once() {
  local file=$1
  shift
  [ -e "$file" ] || { "$@" > "$file.partial" && mv "$file.partial" "$file"; }
}

# Pixels with a class in both, and how many of them agree.
counts() {
  python3 -c 'import json, sys; found = json.load(sys.stdin); n = found["samples"]; print(n, round(n * found["rows"][0]["value"]), sep=",")'
}

# labels BBOX FILE SPLIT FOLDER DATE…: the windows around a team's labelled pixels.
labels() {
  "$lcz" --quiet patches "${@:5}" --labels "$2" --reproject --size 16 --scale 2e-5 --offset -0.1 --split "$3" --bbox="$1" --out "$4"
}

# train MODEL SEED EPOCHS DATA RUN; the network as in hong-kong.sh.
train() {
  local settings=()
  [ "$1" = forest ] || settings=(--epochs "$3" --set training.learning_rate=0.0005 --set training.label_smoothing=0.1
    --set model.dropout=0.4 --set training.augmentation=flips-and-turns)
  if [ -e "$5/checkpoint.safetensors" ]; then
    "$lcz" --quiet train --resume "$5"
  else
    # Nothing to resume: a forest, or a network that was stopped before its first checkpoint.
    rm -rf "$5"
    "$lcz" --quiet train "$1" --data "$4" --run "$5" --seed "$2" ${settings[@]+"${settings[@]}"}
  fi
}

# score RUN DATA
score() {
  rm -f "$out/predictions.h5"
  "$lcz" --quiet predict "$1" --data "$2/training.h5" --out "$out/predictions.h5" > /dev/null
  "$lcz" --quiet score "$out/predictions.h5" --bootstrap 0 --json | counts
}

agreement() {
  "$lcz" --quiet assess "$contest" --labels "${liu}_$1.shp" --json | counts
}

for part in train test; do
  once "$out/labels,contest,,all,liu-$part.row" agreement $part
done
for half in west east; do
  once "$out/$half-contest.txt" labels "${!half}" "$contest" 90/5/5 "$out/$half-contest" "${dates[@]}"
  once "$out/$half-liu.txt" labels "${!half}" "${liu}_train.shp" 90/5/5 "$out/$half-liu" "${dates[@]}"
  # The last date of the half that the models have not seen.
  once "$out/$half-by-contest.txt" labels "${!half}" "$contest" 100/0/0 "$out/$half-by-contest" "${dates[@]: -2}"
  for part in train test; do
    once "$out/$half-by-liu-$part.txt" labels "${!half}" "${liu}_$part.shp" 100/0/0 "$out/$half-by-liu-$part" "${dates[@]: -2}"
  done
done
for seed in ${SEEDS:-1 2 3}; do
  for model in forest sen2lcz; do
    for half in west east; do
      for team in contest liu; do
        # Of Liu & Shi's labels there are a fifth to a tenth as many.
        epochs=$([ $team = contest ] && echo 4 || echo 16)
        name=$model-$half-$team-$seed
        once "$out/$name.txt" train $model "$seed" "$epochs" "$out/$half-$team" "$out/run-$name"
        other=$([ $half = west ] && echo east || echo west)
        for by in contest liu-train liu-test; do
          once "$out/$model,$team,$seed,$other,$by.row" score "$out/run-$name" "$out/$other-by-$by"
        done
      done
    done
  done
done
{
  echo "model,labels,seed,half,scored_by,pixels,right"
  for row in "$out"/*.row; do echo "$(basename "$row" .row),$(cat "$row")"; done
} > "$out/table.csv"
python3 - "$out/table.csv" << 'PYTHON'
import csv, sys
from collections import defaultdict

total = defaultdict(lambda: [0, 0])
for row in csv.DictReader(open(sys.argv[1])):
    by = "Liu & Shi" if row["scored_by"].startswith("liu") else "contest"
    for column, key in enumerate(("pixels", "right")):
        total[row["model"], row["labels"], row["seed"], by][column] += int(row[key])
for (model, labels, seed, by), (pixels, right) in sorted(total.items()):
    print(f"{model} of {labels} {seed}, scored by {by}: {right / pixels:.3f} of {pixels} pixels")
PYTHON
