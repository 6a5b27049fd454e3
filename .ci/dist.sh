#!/bin/sh
# Builds wheel and source distribution of the checked-out commit into dist/: the same bytes each time.
set -eu

cd "$(dirname "$0")/.."
python=$1
umask 022

source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
git archive HEAD | tar -x -C "$source"
git rev-parse HEAD >"$source/exporter/revision.txt"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
rm -f dist/*.whl dist/*.tar.gz
"$python" -m build --quiet --no-isolation --outdir dist "$source"
