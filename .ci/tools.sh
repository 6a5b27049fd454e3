#!/bin/sh
# Installs the programs that the tests drive, where they are missing. Says what it does.
# Usage: tools.sh [PROGRAM...]   with further Debian packages that are named like their program
#        tools.sh stack          only what `make stack` runs
set -eu

cd "$(dirname "$0")/.."

say() { echo "== $*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

update_once() {
    [ -n "${updated:-}" ] && return
    say "the list of Debian's packages"
    as_root apt-get update -qq
    updated=yes
}

# Unpacked and not installed: Debian's packages would start servers on their ports.
unpack() { # PACKAGE FOLDER
    update_once
    say "$1, from Debian, into .tools/"
    mkdir -p .tools/bin .tools/packages
    (cd .tools/packages && apt-get download -qq "$1" 2>/dev/null)
    dpkg -x .tools/packages/"$1"_*.deb ".tools/$2"
}

install_wanted() {
    [ -z "$wanted" ] && return
    update_once
    say "from Debian, into the system:$wanted"
    # shellcheck disable=SC2086  a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $wanted >/dev/null
}

# The compiler and Grafana's types, which dashboards are held against.
install_types() {
    installed=tests/grafana/node_modules/.package-lock.json
    if [ -e "$installed" ] && [ ! tests/grafana/package-lock.json -nt "$installed" ]; then return; fi
    say "the types of Grafana's dashboards, from npm, into tests/grafana/"
    (cd tests/grafana && npm ci --silent --ignore-scripts)
    touch "$installed"
}

if ! command -v apt-get >/dev/null; then
    tools="prometheus promtool prometheus-alertmanager amtool"
    [ "${1:-}" = stack ] || tools="$tools chromium curl openssl npm buildah systemd-analyze"
    missing=""
    for tool in $tools; do
        command -v "$tool" >/dev/null || missing="$missing $tool"
    done
    if [ -n "$missing" ]; then
        echo "Install these by hand, this is not a Debian:$missing" >&2
        exit 1
    fi
    [ "${1:-}" = stack ] || install_types
    exit 0
fi

wanted=""
if [ ! -x .tools/bin/promtool ]; then
    unpack prometheus prometheus
    ln -sf ../prometheus/usr/bin/prometheus ../prometheus/usr/bin/promtool .tools/bin/
fi
if [ ! -x .tools/bin/amtool ]; then
    unpack prometheus-alertmanager alertmanager
    ln -sf ../alertmanager/usr/bin/prometheus-alertmanager ../alertmanager/usr/bin/amtool .tools/bin/
fi

# Both look there for their pages and templates; Alertmanager does not start without them.
if [ ! -e /usr/share/prometheus/alertmanager/default.tmpl ]; then
    say "pages and templates of both, into /usr/share/prometheus/"
    as_root mkdir -p /usr/share/prometheus
    as_root cp -R .tools/prometheus/usr/share/prometheus/. .tools/alertmanager/usr/share/prometheus/. /usr/share/prometheus/
fi

if [ "${1:-}" = stack ]; then
    # What Prometheus' pages are drawn with.
    if [ ! -e /usr/share/javascript/rickshaw ]; then
        wanted="fonts-glyphicons-halflings libjs-bootstrap4 libjs-eonasdan-bootstrap-datetimepicker libjs-jquery"
        wanted="$wanted libjs-jquery-hotkeys libjs-moment-timezone libjs-mustache libjs-popper.js libjs-rickshaw"
    fi
    install_wanted
    exit 0
fi

# Likewise on port 9091. Only the benchmarks need it.
if [ ! -x .tools/bin/prometheus-pushgateway ]; then
    unpack prometheus-pushgateway pushgateway
    ln -sf ../pushgateway/usr/bin/prometheus-pushgateway .tools/bin/
fi

# A library that the tests preload, to set one process's clocks.
if ! ls .tools/faketime/usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1; then
    unpack libfaketime faketime
fi

# What the image's stand-in bases are made of: see tests/image/bases.py.
if [ ! -e .tools/image/packages/complete ]; then
    update_once
    say "the parts of the image's bases, from Debian, into .tools/"
    mkdir -p .tools/image/packages
    packages=$(cat tests/image/packages.txt)
    # shellcheck disable=SC2086  a list of words
    (cd .tools/image/packages && apt-get download -qq $packages 2>/dev/null)
    touch .tools/image/packages/complete
fi

command -v chromium >/dev/null || wanted="$wanted chromium"
command -v curl >/dev/null || wanted="$wanted curl"
command -v openssl >/dev/null || wanted="$wanted openssl"
command -v npm >/dev/null || wanted="$wanted nodejs npm"
command -v buildah >/dev/null || wanted="$wanted buildah crun"
command -v systemd-analyze >/dev/null || wanted="$wanted systemd"
if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    # The server's programs, without a server that starts.
    as_root mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    wanted="$wanted postgresql"
fi
for program; do
    command -v "$program" >/dev/null || wanted="$wanted $program"
done
install_wanted
install_types
