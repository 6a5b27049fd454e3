#!/bin/sh
# Writes what the image holds of Python packages, with versions, licences and dependencies, as CycloneDX.
set -eu

cd "$(dirname "$0")/.."
bin=$1 output=$2

environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
"$bin/uv" venv --quiet --clear --python "$bin/python" "$environment"
"$bin/uv" pip install --quiet --python "$environment/bin/python" \
    --require-hashes --no-deps --only-binary=:all: --requirement requirements.lock
mkdir -p "$(dirname "$output")"
"$bin/cyclonedx-py" environment --pyproject pyproject.toml --mc-type application \
    --output-reproducible --output-file "$output" "$environment/bin/python"
