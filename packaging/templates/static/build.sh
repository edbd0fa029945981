#!/bin/sh
# Compiles the program for both architectures. Any language will do: what counts is a static program in each of these folders.
set -eu
cd "$(dirname "$0")"
for architecture in amd64 arm64; do
  CGO_ENABLED=0 GOOS=linux GOARCH="$architecture" go build -trimpath -ldflags=-s -o "linux-$architecture/server" main.go
done
