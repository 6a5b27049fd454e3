#!/bin/sh
# Prints what CHANGELOG.md says of a version, for a release's notes, once the tag is the right one.
set -eu

cd "$(dirname "$0")/.."
tag=$1
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' exporter/__init__.py)
if [ "$tag" != "v$version" ]; then
    echo "the tag is $tag, but exporter/__init__.py says $version: the tag should be v$version" >&2
    exit 1
fi
notes=$(awk -v head="## [$version]" 'index($0, "## ") == 1 { on = index($0, head) == 1; next } on' CHANGELOG.md)
if [ -z "$notes" ]; then
    echo "CHANGELOG.md has nothing under '## [$version]': move there what is under Unreleased" >&2
    exit 1
fi
echo "$notes"
