#!/bin/sh
# link-layer.sh DIR NAME USED... : make DIR a folder with links to layer NAME and those it may use.
set -eu
dir=$1
shift
src=$(cd "$(dirname "$0")" && pwd)
rm -rf "$dir"
mkdir -p "$dir"
for layer in "$@"; do
	ln -s "$src/$layer" "$dir/$layer"
done
