# Each base is pinned by the digest of its index, which holds amd64 and arm64. They belong together:
# the same Debian, the same Python. .github/RELEASING.md says how to renew them.
ARG BUILD_BASE=docker.io/library/python:3.13-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
ARG BASE=gcr.io/distroless/python3-debian13:nonroot@sha256:83aa8d4f74a4d7f7cf2d472054139bef71a927b76c680c0f2e1021d6b1d6d732

FROM ${BUILD_BASE} AS build
COPY requirements.lock /
RUN python3 -m pip install --quiet --require-hashes --no-deps --only-binary=:all: --no-cache-dir \
        --no-compile --disable-pip-version-check --root-user-action=ignore \
        --target=/opt/adbpg-job-exporter --requirement=/requirements.lock \
    && rm -r /opt/adbpg-job-exporter/bin /opt/adbpg-job-exporter/tqdm/completion.sh
COPY exporter /opt/adbpg-job-exporter/exporter
ARG REVISION=""
RUN printf '%s\n' "${REVISION}" >/opt/adbpg-job-exporter/exporter/revision.txt

# Bytecode by the interpreter that will run: of all that is ours, unchecked, since nobody can change
# either; and of what starts use of the standard library, of which the base has none. Without a
# shell a stage cannot join its two steps; as root, it leaves them to nobody else's hands.
FROM ${BASE} AS bytecode
ENV PYTHONPATH=/opt/adbpg-job-exporter PYTHONPYCACHEPREFIX=/opt/adbpg-job-exporter/bytecode
# hadolint ignore=DL3002
USER 0:0
COPY --from=build /opt/adbpg-job-exporter /opt/adbpg-job-exporter
RUN ["python3", "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "/opt/adbpg-job-exporter"]
# hadolint ignore=DL3059
RUN ["python3", "-c", "import exporter.cli, exporter.web.page, exporter.gpdb.role_key, alibabacloud_credentials.provider"]

FROM ${BASE}
COPY --from=bytecode /opt/adbpg-job-exporter /opt/adbpg-job-exporter
ENV PYTHONPATH=/opt/adbpg-job-exporter \
    PYTHONPYCACHEPREFIX=/opt/adbpg-job-exporter/bytecode \
    PYTHONSAFEPATH=1
WORKDIR /etc/adbpg-job-exporter
USER 10001:10001
EXPOSE 10077
# Any answer will do: with users, this one is a 401. The number is that of --web.listen-address.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 \
    CMD ["python3", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 10077, timeout=4); c.request('GET', '/-/healthy'); raise SystemExit(c.getresponse().status >= 500)"]
ENTRYPOINT ["python3", "-m", "exporter"]
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="adbpg-job-exporter" \
      org.opencontainers.image.description="Prometheus exporter for the asynchronous jobs of AnalyticDB for PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
