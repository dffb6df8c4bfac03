#!/usr/bin/env bash
# Runs the tests of the kernels (simd/, nn/kernels/) for 64-bit ARM, under emulation on any Linux, at both levels of that
# processor, NEON and portable code: tests/neon.sh [TEST…]. What needs libhdf5 or dfdx is left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=aarch64-unknown-linux-gnu
fail() { echo "tests/neon.sh: $1" >&2; exit 1; }
command -v qemu-aarch64 > /dev/null || fail "no qemu-aarch64; apt-get install qemu-user"
command -v aarch64-linux-gnu-gcc > /dev/null || fail "no cross compiler; apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"

# The standard library for ARM: as rustup installs it, or built from its source.
std=()
if [ ! -d "$(rustc --print target-libdir --target $target)" ]; then
  [ -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ] || fail "no standard library for ARM; rustup target add $target"
  export RUSTC_BOOTSTRAP=1
  std=(-Zbuild-std)
fi

crate=$(mktemp -d)
trap 'rm -rf "$crate"' EXIT
mkdir -p "$crate/src/nn"
cp Cargo.lock rust-toolchain.toml "$crate"
cp -r src/simd "$crate/src"
cp -r src/nn/kernels "$crate/src/nn"
sed -i '/mod lend;/d' "$crate/src/nn/kernels/mod.rs"
echo "mod kernels;" > "$crate/src/nn/mod.rs"
cat > "$crate/src/lib.rs" <<'RUST'
#![allow(dead_code, unused_imports)]
mod nn;
mod simd;
#[derive(Debug)]
struct Error;
impl Error {
    fn input(_: String, _: String, _: String) -> Self {
        Self
    }
}
type Result<T> = std::result::Result<T, Error>;
RUST
cat > "$crate/Cargo.toml" <<TOML
[package]
name = "kernels"
version = "0.0.0"
edition = "2024"
[dependencies]
$(grep -E '^(rand|rand_chacha|rayon) = ' Cargo.toml)
[profile.dev]
opt-level = 3
[workspace]
TOML

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
cd "$crate"
cargo test ${std[@]+"${std[@]}"} --target $target --lib -- "$@"
