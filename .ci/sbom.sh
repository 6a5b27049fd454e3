#!/bin/sh
# Writes what the image holds of Python packages, with versions, licences and dependencies, as CycloneDX.
set -eu

cd "$(dirname "$0")/.."
bin=$1 output=$2

environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
"$bin/uv" venv --quiet --clear --python "$bin/python" "$environment/image"
"$bin/uv" pip install --quiet --python "$environment/image/bin/python" \
    --require-hashes --no-deps --only-binary=:all: --requirement requirements.lock
mkdir -p "$(dirname "$output")"
# In an environment of its own: it brings chardet, which requests loads where it is there, so that
# the exporter would need 1.6 MB more among the tests and benchmarks than anywhere else.
"$bin/uv" venv --quiet --clear --python "$bin/python" "$environment/tool"
"$bin/uv" pip install --quiet --python "$environment/tool/bin/python" \
    --require-hashes --no-deps --only-binary=:all: --requirement .ci/sbom.lock
"$environment/tool/bin/cyclonedx-py" environment --pyproject pyproject.toml --mc-type application \
    --output-reproducible --output-file "$output" "$environment/image/bin/python"
