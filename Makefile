# `make demo` and `make test` need nothing done before, on Debian 12 with python3, pip and make.

PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/sh

.DEFAULT_GOAL := help
.PHONY: help demo test lint unit docs dashboards format bench guards mutants pictures tools stack lock dist sbom image image-push clean

help: ## say what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

demo: .venv/runtime.stamp ## run the exporter on a simulated API, and say where to look
	@$(BIN)/python -m exporter demo

stack: .venv/runtime.stamp ## run the demo with Prometheus, its alerts and Alertmanager, and say where to look
	@sh .ci/tools.sh stack
	@PATH="$(CURDIR)/.tools/bin:$$PATH" $(BIN)/python examples/stack/run.py

test: .venv/dev.stamp tools lint ## install what the tests need, check the style and types, run every test
	@echo "== tests: unit tests, then real processes on loopback"
	@PATH="$(CURDIR)/.tools/bin:$$PATH" $(BIN)/pytest --numprocesses=3 --dist=loadfile

unit: .venv/dev.stamp ## run the fast tests only
	@$(BIN)/pytest tests/unit

lint: .venv/dev.stamp ## check style and types
	@echo "== lint: ruff and mypy"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy

format: .venv/dev.stamp ## let ruff format the code
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

docs: .venv/dev.stamp ## write the generated parts of docs/ and of the Helm chart again
	@$(BIN)/python docs/generate.py
	@$(BIN)/python docs/chart.py

dashboards: .venv/dev.stamp ## write grafana/dashboards/ again
	@$(BIN)/python -m grafana.generate

# What is locked stays as it is, as long as pyproject.toml allows it.
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal \
	--python-version=3.11 --only-binary=:all: --generate-hashes --no-emit-index-url $(if $(UPGRADE),--upgrade)

lock: .venv/uv.stamp ## write the locks again: what is installed, with hashes; UPGRADE=1 takes the newest
	@$(COMPILE) --extra=ram --extra=postgresql --extra=terminal --output-file=requirements.lock pyproject.toml
	@$(COMPILE) --extra=ram --extra=postgresql --extra=terminal --extra=dev --constraint=requirements.lock --output-file=requirements-dev.lock pyproject.toml
	@echo cyclonedx-bom | $(COMPILE) --output-file=.ci/sbom.lock -
	@echo mutmut | $(COMPILE) --constraint=requirements-dev.lock --output-file=.ci/mutants.lock -

dist: .venv/dev.stamp ## build wheel and source distribution of the commit into dist/
	@sh .ci/dist.sh $(BIN)/python

sbom: .venv/dev.stamp ## write what the image holds of Python packages into dist/sbom.cdx.json
	@sh .ci/sbom.sh $(BIN) dist/sbom.cdx.json

image: ## build the image adbpg-job-exporter:VERSION, by docker, podman or buildah
	@sh .ci/image.sh

image-push: ## push that image to a registry of yours: make image-push REGISTRY=registry.example.com
	$(if $(REGISTRY),,$(error say where to: make image-push REGISTRY=registry.example.com))
	@sh .ci/image.sh "$(REGISTRY)"

bench: .venv/dev.stamp tools ## measure the speed beside its references; benchmarks/README.md says how to read it
	@$(BIN)/python -m benchmarks.run --output docs/performance

guards: .venv/dev.stamp ## take out each guard in a copy of the tree, and see that a test notices
	@$(BIN)/python tests/guards/remove_one.py

mutants: .venv/dev.stamp .venv/mutants.stamp ## change the pure modules in a copy, one thing at a time, and list the changes that no test notices
	@$(BIN)/mutmut run
	@$(BIN)/mutmut results
	@rm -rf mutants

pictures: .venv/dev.stamp grafana/viewer/node_modules/.package-lock.json ## draw the dashboards with Grafana's panels, into docs/pictures/
	@sh .ci/tools.sh pngquant
	@cd grafana/viewer && npm run --silent check
	@PATH="$(CURDIR)/.tools/bin:$$PATH" $(BIN)/python -m grafana.viewer.draw

tools: ## install Prometheus into .tools/ and Chromium into the system, where they are missing
	@sh .ci/tools.sh

clean: ## remove what the other targets made here
	rm -rf .venv .tools dist build mutants tests/grafana/node_modules grafana/viewer/node_modules

.venv/bin/python:
	@echo "== a virtual environment in .venv"
	@$(PYTHON) -m venv .venv

# The tools install nothing but what a lock holds, and check its hashes.
PIP = $(BIN)/pip install --quiet --disable-pip-version-check --no-deps
LOCKED = --require-hashes --only-binary=:all: --requirement

.venv/runtime.stamp: requirements.lock | .venv/bin/python
	@echo "== what the exporter needs, from the Python package index"
	@$(PIP) $(LOCKED) requirements.lock
	@touch $@

.venv/dev.stamp: requirements-dev.lock pyproject.toml | .venv/bin/python
	@echo "== what the tests need, from the Python package index"
	@$(PIP) $(LOCKED) requirements-dev.lock
	@$(PIP) --no-build-isolation --editable .
	@touch $@ .venv/runtime.stamp .venv/uv.stamp

.venv/mutants.stamp: .ci/mutants.lock | .venv/dev.stamp
	@$(PIP) $(LOCKED) .ci/mutants.lock
	@touch $@

# uv alone: a lock that has to be written again may not be installable.
.venv/uv.stamp: | .venv/bin/python
	@sed -n '/^uv==/,/^    #/p' requirements-dev.lock >.venv/uv.lock
	@$(PIP) $(LOCKED) .venv/uv.lock
	@touch $@

grafana/viewer/node_modules/.package-lock.json: grafana/viewer/package-lock.json
	@echo "== Grafana's panels, from the npm registry"
	@command -v npm >/dev/null || sh .ci/tools.sh
	@cd grafana/viewer && npm ci --ignore-scripts --loglevel=error
	@touch $@
