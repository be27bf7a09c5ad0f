# What one does here. Each recipe does its own set-up, or names the one command that is missing.
# Needed beforehand: rustup with a C linker, and just.

set shell := ["bash", "-euo", "pipefail", "-c"]

export PATH := justfile_directory() / "target/tools/bin" + ":" + env("PATH")

# The gallery that `demo` and `evaluate-demo` show; `just gallery=DIR demo` shows another.
gallery := "web/galleries/letters2"

# The letters that `train-demo` learns, drawn from `fonts` when the folder is not there yet.
letters := "runs/letters-data"
fonts := "/usr/share/fonts"

# The program for the processor compiles in two minutes; what needs Burn, such as `evaluate`, in twenty.
tailor := "cargo run -p tailor-trainer --bin tailor --"
evaluate := "cargo run -p tailor-trainer --bin tailor --features graph -- evaluate"
web := "-p tailor-web --target wasm32-unknown-unknown --no-default-features"
# Everything that is tested natively, on every engine that a machine without a GPU can have.
workspace := "--workspace --exclude tailor-web --features tailor-trainer/vulkan"

[private]
default:
    @just --list --unsorted

# Open the studio in the browser with the gallery that ships; the WebGPU engine is built behind it
demo: (site-parts "page" "cpu" "relaxed" "teach" "teacher" "teacher,relaxed")
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build -p tailor-trainer --bin tailor
    # Its lines stand between those of the server. It ends with the server, and goes on where it was the next time.
    just site-parts gpu &
    builds=$!
    trap 'kill $builds 2>/dev/null || true' EXIT
    target/debug/tailor serve {{ gallery }} --site web/dist --open

# Run every test, the browser's included; arguments go to cargo test
test *arguments: ready site mutants-wasm
    cargo test {{ workspace }} {{ arguments }}
    cargo test -p tailor-web --lib

# Test one crate (packs, core, trainer or web) in a minute or two, or one of its tests; needs no browser and no Burn
check crate test="":
    #!/usr/bin/env bash
    set -euo pipefail
    case {{ quote(crate) }} in
        packs | tailor-packs) package=tailor-packs ;;
        core | tailor-core) package=tailor-core ;;
        trainer | native-trainer | tailor-trainer) package=tailor-trainer ;;
        web | tailor-web) package=tailor-web ;;
        *) echo "there is no crate "{{ quote(crate) }}"; choose packs, core, trainer or web" >&2; exit 2 ;;
    esac
    test={{ quote(test) }}
    # What tests a subject is a module, and its name a part of theirs.
    if [ $package = tailor-web ]; then
        cargo test -p $package --lib -- "$test"
    else
        cargo test -p $package -- "$test"
    fi

# Run the trainer's tests of these subjects on every engine, as in `just check-graph methods`; compiles Burn the first time
check-graph +subjects: (need "vulkan")
    cargo test {{ workspace }} --test trainer -- {{ subjects }}

# Check format, lints, documentation, licences
lint: fmt-check deny lint-without-burn lint-wasm
    # Nothing is documented for one kind of GPU alone.
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --exclude tailor-web --features tailor-trainer/graph --no-deps
    cargo clippy {{ workspace }} --all-targets -- -D warnings

# Time training and sampling on this machine, or one part: training, layers, classes, sampling, onnx, visit, word, browser
bench *parts: (need "wasm-opt" "brotli" "chromium") site
    cargo build -p tailor-trainer --bin tailor
    cargo bench {{ workspace }} --bench bench --profile dev -- {{ parts }}

# Build the program for NVIDIA GPUs as target/cuda/tailor, in about twenty minutes; `tests/benches/cuda.sh` tries it out
cuda:
    #!/usr/bin/env bash
    set -euo pipefail
    folder=$PWD/target/cuda
    # Kernels are compiled by NVRTC, which the driver's toolkit has. The other way is LLVM, which two build scripts would
    # fetch from GitHub, which not every machine reaches: they leave it out when told that they build documentation.
    # What would call it then lacks its functions, and each gets a stand-in that says its name and stops.
    export DOCS_RS=1 CARGO_TARGET_DIR=$folder RUSTFLAGS="-C link-arg=-Wl,--unresolved-symbols=ignore-all"
    build() { cargo rustc -p tailor-trainer --bin tailor --no-default-features --features cuda -- "$@"; }
    # Some crates take minutes, in which cargo says nothing.
    while sleep 15; do
        ps -eww -o args | sed -nE "s|.*[r]ustc --crate-name ([^ ]+) .*$folder.*|\1|p" | sort -u | xargs echo "    Compiling"
    done &
    trap 'kill %1' EXIT
    build
    nm -u "$folder/debug/tailor" | awk '$2 ~ /^(LLVM|cubecl_)/ { print $2 }' | sort -u |
        awk 'BEGIN { print "#include <stdio.h>\n#include <stdlib.h>" }
            { print "void " $1 "(void) { fputs(\"" $1 ": this program was built without LLVM\\n\", stderr); abort(); }" }' \
            >"$folder/stand-ins.c"
    echo "    Standing in for $(grep -c abort "$folder/stand-ins.c") functions of LLVM"
    cc -c -o "$folder/stand-ins.o" "$folder/stand-ins.c"
    build -C link-arg="$folder/stand-ins.o"
    strip -o "$folder/tailor" "$folder/debug/tailor"
    du -h "$folder/tailor"

# Run what takes long: kill a trainer at random moments, alter every byte of a gallery, read mutants, open and close fifty galleries
torture kills="200" mutants="100000": (need "wasm-opt" "brotli" "chromium") site mutants-wasm
    TAILOR_KILLS={{ kills }} cargo test -p tailor-trainer --test trainer -- --nocapture checkpoints::a_trainer_killed
    TAILOR_EVERY_VALUE=1 cargo test -p tailor-packs --test packs -- --nocapture galleries::every_altered
    TAILOR_MUTANTS={{ mutants }} cargo test -p tailor-packs --test packs -- --nocapture alterations::
    TAILOR_MUTANTS={{ mutants }} cargo test {{ workspace }} --test mutants_wasm -- --nocapture
    cargo test {{ workspace }} --test browser -- --nocapture --ignored one_image:: survive::

# Draw, teach and go without a network in Firefox and in WebKitGTK, whose engine Safari shares
other-browsers: (need "wasm-opt" "brotli" "firefox" "WebKitWebDriver" "Xvfb") site
    command -v geckodriver >/dev/null || cargo install geckodriver --locked --root target/tools
    cargo test {{ workspace }} --test browser -- --ignored --nocapture --test-threads 1 other_browsers::

# Fuzz each reader of packs and galleries for so many seconds; needs a nightly compiler and cargo-fuzz
fuzz seconds="60":
    #!/usr/bin/env bash
    set -euo pipefail
    cd tests
    for target in manifest archive index signature; do
        # What it finds goes where git does not look; what it begins with stays as it is.
        mkdir -p fuzz/target/found/$target
        cargo +nightly fuzz run --fuzz-dir fuzz -s none $target fuzz/target/found/$target fuzz/corpus/$target \
            -- -max_total_time={{ seconds }} -print_final_stats=1
    done

# Build the page and its engines into web/dist
site: (site-parts "page" "cpu" "relaxed" "teach" "teacher" "teacher,relaxed" "gpu")

# Make the npm package in target/npm: the JavaScript API and the engines. Then `npm pack target/npm`, or use it as it is
npm: (site-parts "cpu" "relaxed" "teacher" "teacher,relaxed" "gpu")
    rm -rf target/npm
    mkdir -p target/npm
    cp web/npm/* web/static/tailor.* LICENSE-* target/npm/
    for part in engine-cpu engine-cpu-relaxed engine-gpu teacher teacher-relaxed; do \
        cp web/dist/$part.js web/dist/${part}_bg.wasm target/npm/; done
    du -sh target/npm

# Builds some of the parts of the site: page, cpu, relaxed, teach, teacher, "teacher,relaxed", gpu.
[private]
site-parts +parts: wasm-target bindgen
    #!/usr/bin/env bash
    set -euo pipefail
    # Flags from outside would replace those of .cargo/config.toml, and the engines need these. Clippy as the compiler
    # would leave out optimisations.
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS RUSTC_WORKSPACE_WRAPPER
    dist=web/dist
    mkdir -p $dist
    # Says every quarter of a minute that what is silent for long is still at work.
    (while sleep 15; do echo "    … at work for $SECONDS s"; done) &
    beat=$!
    trap 'kill $beat 2>/dev/null || true' EXIT
    shrinker=$(wasm-opt --version 2>/dev/null || echo none)
    for part in {{ parts }}; do
        # Size costs speed where the engine computes.
        case $part in
            page) name=page code=z level=-Oz extra= ;;
            cpu) name=engine-cpu code=z level=-Os extra= ;;
            relaxed) name=engine-cpu-relaxed code=z level=-Os extra=--enable-relaxed-simd ;;
            teach) name=teach code=z level=-Oz extra= ;;
            teacher) name=teacher code=z level=-Os extra= ;;
            teacher,relaxed) name=teacher-relaxed code=z level=-Os extra=--enable-relaxed-simd ;;
            # A GPU waits for all of this code, not for a few kernels.
            gpu) name=engine-gpu code=s level=-Oz extra= ;;
        esac
        echo "    Building $name"
        CARGO_PROFILE_WEB_OPT_LEVEL=$code cargo build {{ web }} --profile web --features $part --bin $name
        built=target/wasm32-unknown-unknown/web/$name.wasm
        made=target/site/$name
        # Made anew as well when wasm-opt has come, or another one.
        [ "$built" -nt "$dist/${name}_bg.wasm" ] || [ "$(cat "$made/by" 2>/dev/null)" != "$shrinker" ] || continue
        # Made aside, so that what was half done is not taken for done the next time.
        rm -rf "$made"
        wasm-bindgen --target web --no-typescript --remove-name-section --remove-producers-section \
            --out-dir "$made/site" "$built"
        # Features are named one by one, because older versions of wasm-opt take nothing for granted.
        if [ "$shrinker" = none ]; then
            echo "    $name is left larger than need be: there is no wasm-opt (package binaryen)"
        elif echo "    Shrinking $name" && wasm-opt $level $extra \
            --enable-{simd,bulk-memory,sign-ext,nontrapping-float-to-int,mutable-globals} \
            --enable-{reference-types,multivalue} --strip-{debug,producers,target-features} \
            -o "$made/small" "$made/site/${name}_bg.wasm" 2>"$made/words"; then
            mv "$made/small" "$made/site/${name}_bg.wasm"
        else
            echo "    $name is left larger than need be: $shrinker does not know all of its instructions"
        fi
        cp -R "$made/site/." $dist/
        echo "$shrinker" > "$made/by"
    done
    rm -rf $dist/galleries.new
    mkdir -p $dist/galleries.new
    cp -R web/galleries/. $dist/galleries.new/
    rm -rf $dist/galleries
    mv $dist/galleries.new $dist/galleries
    cp -R web/index.html web/static/. web/locales $dist/
    # The answer for a browser that takes brotli lies beside each file, also when brotli came later.
    if command -v brotli >/dev/null; then
        find $dist -type f -size +1k \( -name '*.wasm' -o -name '*.js' -o -name '*.css' -o -name '*.html' -o -name '*.ftl' -o -name index.json \) |
            while read -r file; do
                [ "$file.br" -nt "$file" ] && continue
                # Under another name first: half a file would pass for a whole one the next time.
                brotli --best --force --output="$file.part" "$file"
                mv "$file.part" "$file.br"
            done
    fi
    du -h $dist/*.wasm*

# Train the letters, about as the shipped gallery was, and publish them to runs/galleries/letters2
train-demo steps="10000":
    [ -d {{ letters }} ] || cargo run -p tailor-trainer --example glyphs -- {{ fonts }} --out {{ letters }}
    {{ tailor }} train --data {{ letters }} --config docs/galleries/letters.toml --out runs/letters2 \
        --steps {{ steps }} --resume
    {{ tailor }} publish runs/letters2 --out runs/galleries/letters2 --learngene-dtype int8 --tailor-dtype int8
    @echo "To look at it: just gallery=runs/galleries/letters2 demo"

# Judge the gallery's samples with a classifier trained on real letters
evaluate-demo:
    [ -d {{ letters }} ] || cargo run -p tailor-trainer --example glyphs -- {{ fonts }} --out {{ letters }}
    {{ evaluate }} --gallery {{ gallery }} --data {{ letters }}

# Take pictures of every view of the studio at three widths, light and dark, into target/screenshots
screenshots: (need "wasm-opt" "brotli" "chromium") site
    cargo test {{ workspace }} --test browser -- --nocapture --ignored studio::screenshots

# Draw anew what the page shows before its program has come: the steps of samples of each gallery, and their pictures
opening:
    #!/usr/bin/env bash
    set -euo pipefail
    sample() { {{ tailor }} sample --gallery web/galleries/$1 "${@:2}"; }
    sample letters2 --steps 8 --class t --class a --class i --class l --class o --class r --out target/opening.png \
        --film web/galleries/letters2/film.webp
    sample fashion --steps 12 --class dress --class sneaker --class coat --class bag --class trouser --class ankle-boot \
        --out target/opening.png --film web/galleries/fashion/film.webp
    sample icons --steps 8 --class house --class anchor --class camera --class headphones --class umbrella --class bell \
        --out target/opening.png --film web/galleries/icons/film.webp
    sample avatars --steps 8 --class lorelei --class open-peeps --class miniavs --class toon-head --class micah \
        --class adventurer --out target/opening.png --film web/galleries/avatars/film.webp
    sample letters2 --class A --out web/static/letters.png
    sample fashion --steps 12 --class dress --out web/static/fashion.png
    sample icons --class house --out web/static/icons.png
    sample avatars --class lorelei --out web/static/avatars.png
    wc -c web/galleries/*/film.webp web/static/*.png

# Teach the letters learngene classes that it never saw, from a few of each class's images, and judge them
teach-demo data images="20" classes="greek-small-xi greek-small-omega cyrillic-small-zhe cyrillic-capital-ya":
    #!/usr/bin/env bash
    set -euo pipefail
    run=runs/taught-{{ images }}-$(basename {{ gallery }})
    gallery=runs/galleries/taught-{{ images }}
    rm -rf "$gallery" && mkdir -p "$run" runs/galleries && cp -r {{ gallery }} "$gallery"
    chosen=()
    for class in {{ classes }}; do
        few=$run/$class
        mkdir -p "$few"
        # Evenly spread over the folder.
        ls {{ data }}/"$class" | awk -v n="$(ls {{ data }}/"$class" | wc -l)" -v k={{ images }} \
            'int(NR * k / n) > int((NR - 1) * k / n)' | xargs -I '{}' cp {{ data }}/"$class"/'{}' "$few"
        [ -f "$run/$class.tailor" ] || {{ tailor }} train-tailor --learngene "$gallery" \
            --class "$class" --out "$run/$class.tailor" "$few"
        {{ tailor }} gallery add "$gallery" "$run/$class.tailor"
        chosen+=(--class "$class")
    done
    sha256sum {{ gallery }}/*.learngene "$gallery"/*.learngene
    {{ evaluate }} --gallery "$gallery" --data {{ data }} "${chosen[@]}"

# Teach four letters, or the classes of `pictures`, in Chromium as a visitor does, 300 steps each, and have a reader of `data` judge them; takes minutes
teach-browser data pictures="tests/fixtures/teach": (need "wasm-opt" "brotli" "chromium") site
    #!/usr/bin/env bash
    set -euo pipefail
    packs=$PWD/runs/taught-browser
    gallery=runs/galleries/taught-browser
    rm -rf "$packs" "$gallery" && mkdir -p runs/galleries && cp -r {{ gallery }} "$gallery"
    export TAILOR_TAUGHT=$packs TAILOR_TEACH=$(realpath {{ pictures }}) TAILOR_GALLERY=$(basename {{ gallery }})
    cargo test {{ workspace }} --test browser -- --nocapture --ignored taught_whole
    chosen=()
    for pack in "$packs"/*.tailor; do
        {{ tailor }} gallery add "$gallery" "$pack"
        chosen+=(--class "$(basename "$pack" .tailor)")
    done
    # What was taught has names of its own beside the gallery's, and so has what it is read against.
    real=runs/taught-browser-data
    rm -rf "$real" && mkdir "$real"
    for folder in "$(realpath {{ data }})"/*/; do ln -s "$folder" "$real/my-$(basename "$folder")"; done
    {{ evaluate }} --gallery "$gallery" --data "$real" "${chosen[@]}"

# Teach thirty classes for twenty steps each, join them in the page, and verify the gallery that it makes of them
class-browser data: (need "wasm-opt" "brotli" "chromium") site
    #!/usr/bin/env bash
    set -euo pipefail
    class=$PWD/runs/class-browser
    rm -rf "$class" && mkdir -p "$class/data"
    # Eight pictures of each of the first thirty classes, under names that the gallery does not have.
    for folder in $(ls {{ data }} | head -n 30); do
        mkdir "$class/data/my-$folder"
        (cd {{ data }}/"$folder" && ls | head -n 8 | xargs cp -t "$class/data/my-$folder")
    done
    {{ tailor }} train-tailor --learngene {{ gallery }} --out "$class/packs" --steps 20 --learning-rate 0.003 \
        --warmup 5 --ema 0.9 "$class/data"
    TAILOR_CLASS=$class/packs cargo test {{ workspace }} --test browser -- --nocapture --ignored taught_elsewhere
    {{ tailor }} verify "$class/gallery"

# Have Lighthouse judge the first visit on a phone, five times; needs Node, whose npx fetches Lighthouse
lighthouse: (need "wasm-opt" "brotli" "chromium" "npx") site
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build -p tailor-trainer --bin tailor
    target/debug/tailor serve {{ gallery }} --site web/dist --port 8791 &
    server=$!
    trap 'kill $server' EXIT
    mkdir -p target/lighthouse
    sleep 1
    for run in 1 2 3 4 5; do
        CHROME_PATH=${CHROMIUM:-$(command -v chromium)} npx --yes lighthouse@13.5.0 http://127.0.0.1:8791/ --quiet \
            --chrome-flags="--headless=new --no-sandbox" --only-categories=performance,accessibility,best-practices \
            --output=json --output-path=target/lighthouse/$run.json
    done
    node tests/lighthouse.mjs target/lighthouse/*.json

# Apply the rules of axe-core for accessibility, its experimental ones too, to every view at two widths in both themes
axe: (need "wasm-opt" "brotli" "chromium" "npm") site
    npm install --silent --no-save --prefix target/axe axe-core@4.14.1
    TAILOR_AXE=$PWD/target/axe/node_modules/axe-core/axe.min.js \
        cargo test {{ workspace }} --test browser -- --nocapture --ignored rule_of_accessibility

# Format the code
fmt:
    cargo fmt --all

# Check licences, sources, doubled crates and advisories, where cargo-deny is installed
deny:
    #!/usr/bin/env bash
    set -euo pipefail
    if ! command -v cargo-deny >/dev/null; then
        echo "deny: skipped; to have it: cargo install cargo-deny"
    else
        # Advisories come from a database on GitHub, which not every machine reaches.
        if cargo deny fetch db 2>/dev/null; then
            cargo deny check
        else
            echo "deny: advisories were not checked, because their database cannot be fetched"
            cargo deny check bans licenses sources
        fi
    fi

# Compiles the tests and the benchmark, which need no site for that.
[private]
tests:
    cargo test {{ workspace }} --all-targets --no-run
    cargo test -p tailor-web --lib --no-run

# What tests need beside a compiler.
[private]
ready: (need "wasm-opt" "brotli" "chromium" "vulkan") wasm-target

# The mutants as WebAssembly, for a browser.
[private]
mutants-wasm: wasm-target
    env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WORKSPACE_WRAPPER cargo build -p tailor-packs --example torture \
        --target wasm32-unknown-unknown --profile web

[private]
fmt-check:
    cargo fmt --all --check

# Other code is compiled then.
[private]
lint-without-burn:
    cargo clippy -p tailor-core -p tailor-trainer --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc -p tailor-packs -p tailor-core -p tailor-trainer --no-deps

# The part for WebGPU would compile Burn once more; it denies the compiler's warnings where it is built.
[private]
lint-wasm: wasm-target
    for part in page cpu relaxed teach teacher; do cargo clippy {{ web }} --features $part -- -D warnings; done

# Where rustup does not see to it by itself that the target of rust-toolchain.toml is there.
[private]
wasm-target:
    @[ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ] || rustup target add wasm32-unknown-unknown

# The wasm-bindgen of exactly the version in Cargo.lock: the two must match.
[private]
bindgen:
    #!/usr/bin/env bash
    set -euo pipefail
    version=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/"/, "", $3); print $3 }' Cargo.lock)
    [ "$(wasm-bindgen --version 2>/dev/null)" != "wasm-bindgen $version" ] || exit 0
    echo "Installing wasm-bindgen $version into target/tools, once; this takes a minute or two"
    CARGO_PROFILE_DEV_DEBUG=0 cargo install wasm-bindgen-cli --version "$version" \
        --no-default-features --bin wasm-bindgen --debug --root target/tools

# Sees to it that programs are there: installs what is missing where it may, else names the command.
[private]
need +programs:
    #!/usr/bin/env bash
    set -euo pipefail
    there() {
        case $1 in
            chromium)
                [ -n "${CHROMIUM:-}" ] || [ -d "/Applications/Google Chrome.app" ] || [ -d /Applications/Chromium.app ] \
                    || command -v chromium chromium-browser google-chrome google-chrome-stable chrome ;;
            firefox) command -v firefox firefox-esr ;;
            # A driver, real or emulated; macOS has none, and the tests that want one say so and pass.
            vulkan) [ "$(uname)" != Linux ] || compgen -G '/usr/share/vulkan/icd.d/*.json' ||
                compgen -G '/etc/vulkan/icd.d/*.json' ;;
            *) command -v "$1" ;;
        esac >/dev/null
    }
    packages=()
    for program in {{ programs }}; do
        there "$program" || case $program in
            wasm-opt) packages+=(binaryen) ;;
            chromium) packages+=(chromium fonts-liberation) ;;
            firefox) packages+=(firefox-esr) ;;
            WebKitWebDriver) packages+=(webkit2gtk-driver) ;;
            Xvfb) packages+=(xvfb) ;;
            npx) packages+=(npm) ;;
            vulkan) packages+=(mesa-vulkan-drivers libvulkan1) ;;
            *) packages+=("$program") ;;
        esac
    done
    [ ${#packages[@]} -gt 0 ] || exit 0
    if command -v apt-get >/dev/null; then
        install="apt-get install --yes --no-install-recommends ${packages[*]}"
        if [ "$(id -u)" = 0 ]; then
            apt-get update
            DEBIAN_FRONTEND=noninteractive $install
            exit 0
        fi
        install="sudo $install"
    elif command -v brew >/dev/null; then
        install="brew install ${packages[*]/fonts-liberation/}"
    else
        install="install these packages: ${packages[*]}"
    fi
    echo "missing on this machine; run:  $install" >&2
    exit 1
