#!/usr/bin/env bash
# Training speed on an NVIDIA GPU, side by side in one run: KIND on our trainer against a dense DiT in
# PyTorch with torch.compile, flash attention and fused AdamW, both on 32×32×4 latents.
#
#   tests/benches/cuda.sh [PRESET…]          default: dit-s-2 dit-b-2 dit-l-2
#
# Needs the CUDA toolkit's libraries, and PYTHON with a CUDA build of PyTorch. TAILOR names a binary that was
# built elsewhere; else one is built with `--features cuda`.
set -euo pipefail
cd "$(dirname "$0")/../.."
presets=("${@:-}")
[ -n "${presets[0]}" ] || presets=(dit-s-2 dit-b-2 dit-l-2)
python=${PYTHON:-python3}
batch=${BATCH:-256}
rounds=${ROUNDS:-3}
tailor=${TAILOR:-target/release/tailor}
if [ -z "${TAILOR:-}" ]; then
    cargo build --release -p tailor-trainer --bin tailor --no-default-features --features cuda
fi
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader

# Runs a command and adds the GPU memory that was in use at the worst to its line of JSON.
watched() {
    local peaks line
    peaks=$(mktemp)
    nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits --loop-ms=200 >"$peaks" &
    local watcher=$!
    line=$("$@" | tr -d '\n')
    kill $watcher
    wait $watcher 2>/dev/null || true
    echo "${line%\}}, \"device_memory_mib\": $(sort -n "$peaks" | tail -1)}"
    rm -f "$peaks"
}

for preset in "${presets[@]}"; do
    for _ in $(seq "$rounds"); do
        echo "kind $preset $(watched "$tailor" bench --preset "$preset" --batch-size "$batch" --classes 150 \
            --device cuda --steps 30 --json)"
        echo "dense $preset $(watched "$python" tests/reference/bench_cuda.py --preset "$preset" --batch "$batch")"
    done
    for classes in 10 1000 10000; do
        echo "kind $preset, $classes classes $(watched "$tailor" bench --preset "$preset" --batch-size "$batch" \
            --classes "$classes" --device cuda --steps 30 --json)"
    done
done
