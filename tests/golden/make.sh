#!/usr/bin/env bash
# Makes the golden images anew with the version that made the committed ones: builds it beside this checkout
# (once, in target/golden) and runs it. Two runs on one machine give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=a2dd8e640e563a95344ac5b91e4cefea2cb44979
source=target/golden
[ -d "$source" ] || git worktree add --detach "$source" "$version"
cargo build --manifest-path "$source/Cargo.toml" -p tailor-trainer --bin tailor
python3 tests/golden/make.py "$source/target/debug/tailor"
