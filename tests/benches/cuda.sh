#!/usr/bin/env bash
# Everything that is to be known of a GPU, in one go of under ten minutes: gradients and losses against the
# processor's, resuming, sampling, and training speed side by side with PyTorch.
#
#   tests/benches/cuda.sh [--device cuda|vulkan|metal|cpu] [--small] [--out DIR] [PRESET…]
#
# TAILOR names the program (`just cuda` makes target/cuda/tailor). PYTHON names a Python with a CUDA build of
# PyTorch; without one the comparison with PyTorch is left out. MINUTES says after how long no further benchmark is
# begun. `--small` takes a tiny model and a few steps, for a GPU in software: `--device vulkan --small`.
# What was measured goes to DIR (runs/cuda): log.txt, and the logs of the runs. The presets are those of the benchmark.
set -euo pipefail
cd "$(dirname "$0")/../.."

device=cuda small='' out=runs/cuda presets=()
while [ $# -gt 0 ]; do
    case $1 in
        --device) device=$2 && shift ;;
        --small) small=yes ;;
        --out) out=$2 && shift ;;
        -*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
        *) presets+=("$1") ;;
    esac
    shift
done
tailor=${TAILOR:-target/cuda/tailor}
python=${PYTHON:-python3}
minutes=${MINUTES:-8}
if [ -n "$small" ]; then
    preset=tiny classes=6 images=8 steps=20 batch=8 begin=10 every=5 bench_steps=3 bench_batch=8 banks=(10 100)
    [ ${#presets[@]} -gt 0 ] || presets=(tiny)
else
    preset=letters classes=62 images=12 steps=300 batch=64 begin=20 every=20 bench_steps=30
    bench_batch=${BATCH:-256} banks=(10 1000 10000)
    [ ${#presets[@]} -gt 0 ] || presets=(dit-s-2 dit-b-2 dit-l-2)
fi
[ -x "$tailor" ] || { echo "$tailor is not there; run: just cuda (or name a program: TAILOR=…)" >&2 && exit 1; }

mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
exec > >(tee "$out/log.txt") 2>&1
say() { printf '\n== %s (%d s so far)\n' "$*" "$SECONDS"; }
compare() { python3 tests/benches/compare.py "$@"; }
checkpoint() { printf '%s/checkpoints/%09d.safetensors' "$1" "$2"; } # run, step

say "The machine"
if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
fi
"$tailor" --version
nproc

# The letters as data: real ones where `just train-demo` has drawn them, else those that the gallery draws.
say "Data"
data=runs/letters-data
if [ -n "$small" ] || [ ! -d $data ]; then
    data=$work/data
    chosen=(--all-classes)
    [ -z "$small" ] || chosen=(--class A --class B --class C --class g --class k --class 7)
    "$tailor" sample --gallery web/galleries/letters "${chosen[@]}" --count $images --guidance 1 --steps 8 \
        --device cpu --out "$work/data.png" --raw "$work/data.npy"
    compare split "$work/data.npy" $classes "$data"
fi

# Trains to a step; the run and the device come first, then further flags.
train() {
    local run=$1 on=$2
    shift 2
    "$tailor" train --data "$data" --cache "$work/cache" --preset $preset --out "$run" --device "$on" \
        --batch-size $batch --sample-every 0 --keep 100 --warmup 20 --log-every $every "$@" 2>"$run.err" ||
        { cat "$run.err" && exit 1; }
}
# The same run from a checkpoint on, and nothing that came later.
from() { # run, step, copy
    mkdir -p "$3/checkpoints"
    cp "$(checkpoint "$1" "$2")" "$3/checkpoints/"
}

# Twice the same: on the processor, and on the device that is tried.
places=(processor device)
on() { if [ "$1" = processor ]; then echo cpu; else echo "$device"; fi; }

say "Gradients of one step against the processor's, both after $begin steps on the processor"
train "$work/begin" cpu --steps $begin
for place in "${places[@]}"; do
    from "$work/begin" $begin "$work/step-$place"
    resumed=(--resume --steps $((begin + 1)))
    [ "$(on "$place")" != cuda ] || resumed+=(--precision f32)
    train "$work/step-$place" "$(on "$place")" "${resumed[@]}"
done
compare gradients "$(checkpoint "$work/begin" $begin)" \
    "$(checkpoint "$work/step-device" $((begin + 1)))" "$(checkpoint "$work/step-processor" $((begin + 1)))"

say "Losses of $steps steps against the processor's"
for place in "${places[@]}"; do
    train "$work/whole-$place" "$(on "$place")" --steps $steps --checkpoint-every $((steps / 2))
    cp "$work/whole-$place/metrics.jsonl" "$out/losses-$place.jsonl"
done
compare losses "$work/whole-device/metrics.jsonl" "$work/whole-processor/metrics.jsonl"

say "The second half again, from the checkpoint in the middle"
from "$work/whole-device" $((steps / 2)) "$work/resumed"
train "$work/resumed" "$device" --resume --steps $steps
compare losses "$work/resumed/metrics.jsonl" "$work/whole-device/metrics.jsonl" $((steps / 2))

say "Images on both"
"$tailor" publish "$work/whole-device" --out "$work/gallery" --raw-weights --previews 0 --device cpu >/dev/null
for place in "${places[@]}"; do
    "$tailor" sample --gallery "$work/gallery" --all-classes --steps 20 --guidance 1.5 --sampler dpm++ \
        --device "$(on "$place")" --out "$out/images-$place.png" --raw "$work/images-$place.npy"
done
compare images "$work/images-device.npy" "$work/images-processor.npy"

# Runs a command that prints JSON, as one line, and adds the GPU memory that was in use at the worst.
watched() {
    local line watcher
    if ! command -v nvidia-smi >/dev/null; then
        "$@" | tr -d '\n' | tr -s ' '
        return
    fi
    nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits --loop-ms=200 >"$work/memory" &
    watcher=$!
    line=$("$@" | tr -d '\n' | tr -s ' ')
    kill $watcher
    wait $watcher 2>/dev/null || true
    echo "${line%\}}, \"device_memory_mib\": $(sort -n "$work/memory" | tail -1)}"
}
left() { [ $SECONDS -lt $((60 * minutes)) ]; }
kind() { # preset, classes
    left || { echo "kind $1, $2 classes: left out, for want of time" && return; }
    echo "kind $1, $2 classes: $(watched "$tailor" bench --preset "$1" --batch-size "$bench_batch" --classes "$2" \
        --device "$device" --steps $bench_steps --json)"
}
dense() { # preset
    left || { echo "dense $1: left out, for want of time" && return; }
    echo "dense $1: $(watched "$python" tests/reference/bench_cuda.py --preset "$1" --batch "$bench_batch")"
}

say "Training speed, in turns with a dense DiT in compiled PyTorch"
torch=yes
"$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null || torch=''
[ -n "$torch" ] || echo "PyTorch with CUDA was not found as $python: set PYTHON to compare with it"
for preset in "${presets[@]}"; do
    for _ in 1 2 3; do
        kind "$preset" 150
        [ -z "$torch" ] || dense "$preset"
    done
    for bank in "${banks[@]}"; do kind "$preset" "$bank"; done
done
say "Done"
