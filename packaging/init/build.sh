#!/bin/sh
# Rebuilds creo-init and creo-log for both architectures. The committed binaries come from the compilers named here, on any machine:
#   apt-get install --no-install-recommends gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross   (Debian 12: gcc 12.2.0)
# Usage: build.sh [DIRECTORY], by default this one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}

build() {
  compiler=$1
  architecture=$2
  shift 2
  link "$compiler" "creo-init-$architecture" "creo-init.c command.c memory.c relay.c secrets.c" "$@"
  link "$compiler" "creo-log-$architecture" creo-log.c "$@"
}

link() {
  compiler=$1
  target=$2
  sources=$3
  shift 3
  (cd "$here" && "$compiler" -std=gnu11 -Os -Wall -Wextra -Werror "$@" \
    -ffreestanding -fno-builtin -fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-ident -fno-pic -fno-pie \
    -fno-tree-loop-distribute-patterns -fno-strict-aliasing -ffile-prefix-map="$here"=. \
    -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-z,noseparate-code -s \
    $sources -o "$out/$target.new")
  mv "$out/$target.new" "$out/$target"
}

build x86_64-linux-gnu-gcc amd64 -m64 -march=x86-64 -mtune=generic -fcf-protection=none
build aarch64-linux-gnu-gcc arm64 -march=armv8-a -mtune=generic -mno-outline-atomics
