#!/usr/bin/env bash
# Makes the golden images anew with the versions that made the committed ones: builds each beside this checkout
# (once, in target) and runs it. Two runs on one machine give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/../.."
for version in $(grep -o '"version": "[0-9a-f]*"' tests/golden/runs.json | cut -d'"' -f4 | sort -u); do
    source=target/golden-${version:0:7}
    [ -d "$source" ] || git worktree add --detach "$source" "$version"
    cargo build --manifest-path "$source/Cargo.toml" -p tailor-trainer --bin tailor
    python3 tests/golden/make.py "$source/target/debug/tailor" "$version"
done
