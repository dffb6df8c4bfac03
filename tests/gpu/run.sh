#!/usr/bin/env bash
# Everything that lcz has to show on a GPU, by one command:
#
#   ./run.sh [OUT]
#
# from the folder that `./course cuda --bundle` has packed (lcz, the comparison tests, and this), on a machine with an NVIDIA
# driver and CUDA's cuBLAS and NVRTC: those of a toolkit, of PyTorch's packages or of NVIDIA's. No network, no Rust.
# OUT [default: results] gets what each step printed. Without PyTorch its ratios are left out.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-results}
mkdir -p "$out"
out=$(cd "$out" && pwd)
device=${LCZ_TEST_DEVICE:-cuda:0}
python=$(command -v python3 || true)
failed=0

# Libraries are linked without a version: each is offered under that name, whichever CUDA it is of.
libraries=$(mktemp -d)
trap 'rm -rf "$libraries"' EXIT
places() {
  ldconfig -p 2> /dev/null | sed -n 's/.* => //p'
  ls -d /usr/local/cuda*/lib64/*.so* /usr/local/cuda*/targets/*/lib/*.so* /usr/local/nvidia/lib*/*.so* 2> /dev/null
  [ -z "$python" ] || "$python" - <<'PYTHON'
import glob, site
for folder in [*site.getsitepackages(), site.getusersitepackages()]:
    print(*glob.glob(f"{folder}/nvidia/*/lib/*.so*"), sep="\n")
PYTHON
}
places > "$libraries/found"
folders=$libraries
for name in libcuda.so.1 libcublas.so libcublasLt.so libnvrtc.so; do
  found=$(grep -E "/${name//./\\.}[.0-9]*$" "$libraries/found" | sort -V | tail -n 1)
  if [ -n "$found" ]; then
    ln -s "$found" "$libraries/$name"
    folders=$folders:$(dirname "$found") # Where those are that it wants itself.
  elif [ "$device" != cpu ]; then
    echo "error: no $name; install the CUDA toolkit, or: pip install nvidia-cublas nvidia-cuda-nvrtc" >&2
    exit 1
  else
    ln -s "$here/stubs/${name%.1}" "$libraries/$name" # The processor against itself needs no code of them.
  fi
done
export LD_LIBRARY_PATH=$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

# step NAME COMMAND…: prints and keeps what it says.
step() {
  local name=$1
  shift
  printf '\n==== %s: %s\n' "$name" "$*"
  "$@" 2>&1 | tee "$out/$name.txt"
  [ "${PIPESTATUS[0]}" = 0 ] || { failed=$((failed + 1)) && echo "FAILED: $name"; }
}

[ "$device" = cpu ] || step driver nvidia-smi
step devices "$here/lcz" devices
LCZ_TEST_DEVICE=$device step comparison "$here/cuda-tests" --ignored --test-threads 1
for model in sen2lcz resnet50 mlp; do
  settings=()
  [ "$model" = resnet50 ] && settings=(--set model.variant=course)
  for mode in train infer; do
    for batch in ${LCZ_BATCHES:-64 512}; do
      step "$model-$mode-$batch" "$here/lcz" --quiet bench "$model" --mode "$mode" --batch-size "$batch" \
        --repeats "${LCZ_ROUNDS:-5}" --device "$device" --json "${settings[@]+"${settings[@]}"}"
      if [ -n "$python" ] && "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2> /dev/null; then
        step "$model-$mode-$batch-pytorch" "$python" "$here/peers/torch_bench.py" "$model" --mode "$mode" --batch "$batch" \
          --rounds "${LCZ_ROUNDS:-5}" --device cuda
      fi
    done
  done
done
rm -rf "$out/data" "$out/run"
step data "$here/lcz" --quiet synth "$out/data" --patches "${LCZ_PATCHES:-12000}" --seed 1
step training "$here/lcz" --quiet train sen2lcz --data "$out/data" --run "$out/run" --epochs "${LCZ_EPOCHS:-20}" --seed 1 --device "$device"
step evaluation "$here/lcz" --quiet evaluate "$out/run" --data "$out/data/testing.h5" --device "$device"
rm -rf "$out/data"
printf '\n%s\n' "$failed steps failed; all that was printed is in $out"
[ "$failed" = 0 ]
