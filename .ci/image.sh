#!/bin/sh
# Builds the image of this source, by the first of docker, podman and buildah that is there. Says what it does.
# Usage: image.sh            builds adbpg-job-exporter:VERSION
#        image.sh REGISTRY   tags what was built for a registry, and pushes it there
set -eu

cd "$(dirname "$0")/.."
registry=${1:-}
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' exporter/__init__.py)
image=adbpg-job-exporter:$version

tool=
for each in docker podman buildah; do
    if command -v "$each" >/dev/null; then
        tool=$each
        break
    fi
done
if [ -z "$tool" ]; then
    echo "nothing here can build images: install docker, podman or buildah" >&2
    exit 1
fi

if [ -n "$registry" ]; then
    there=${registry%/}/$image
    echo "== $there, by $tool"
    "$tool" tag "$image" "$there"
    exec "$tool" push "$there"
fi

# A source distribution is no repository, but has its commit written down.
revision=$(git rev-parse HEAD 2>/dev/null || cat exporter/revision.txt)
# Images of OCI's own format, the default of the other two, have no health check.
format=--format=docker
[ "$tool" = docker ] && format=
echo "== $image of $revision, by $tool"
exec "$tool" build ${format:+"$format"} --tag "$image" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" .
