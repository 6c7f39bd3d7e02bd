# Short names. Each target does the set-up that it needs, inside the checkout: .venv, from the hash-pinned
# locks. `make run` needs the first lock only; `make test` adds the tools and the official SDK.
#
#   PYTHON=python3.12 make run     another interpreter (3.11 or newer)
#   ARGS="--for 30s" make run      more words for `kalshid run`
#   make e2e SUITE=trixie          under the systemd and the Python of a Debian release
#   make sim SEEDS=17              live through one seed of the simulation again

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Targets of one run share one .venv.
.NOTPARALLEL:

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
# No cache: nothing is written outside the checkout.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-cache-dir --quiet
READY_VENV := $(VENV)/.ready-venv
READY_RUN := $(VENV)/.ready-run
READY_TEST := $(VENV)/.ready-test
READY_TORCH := $(VENV)/.ready-torch

.PHONY: help run test full torch e2e monitoring sim bench lint fmt lock clean

help:  ## say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

# A venv that an interruption left half made has no stamp, and is made again.
$(READY_VENV):
	@command -v $(PYTHON) >/dev/null || { echo "kalshid needs Python 3.11 or newer: no $(PYTHON) here" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "kalshid needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V 2>&1);" \
		"name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# The project itself is installed last, editable, without its dependencies and without an index: what it
# is built with (setuptools) stands in the lock too.
$(READY_RUN): $(READY_VENV) requirements.lock pyproject.toml
	@echo "setting up $(VENV): what the daemon needs"
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@touch $@

# The SDK declares Python 3.13 and runs on 3.11; its lock is complete, so nothing is resolved here.
$(READY_TEST): $(READY_RUN) requirements-dev.lock requirements-sdk.lock
	@echo "setting up $(VENV): what the tests need"
	$(PIP) install --require-hashes -r requirements-dev.lock
	$(PIP) install --require-hashes --ignore-requires-python --no-deps -r requirements-sdk.lock
	@touch $@

# Five gigabytes, for what is trained with it alone: no daemon and no other test needs it.
$(READY_TORCH): $(READY_TEST) requirements-torch.lock
	@echo "setting up $(VENV): what trains sequences"
	$(PIP) install --require-hashes -r requirements-torch.lock
	@touch $@

torch: $(READY_TORCH)  ## set up the extra torch (5 GB), and run the tests that need it
	$(BIN)/pytest -m "" tests/lab/fitting/test_patchtst.py tests/lab/fitting/test_patchtst_bitcoin.py \
		tests/lab/test_pipeline_sequence.py tests/test_sequence_commands.py

run: $(READY_RUN)  ## set up, then run the daemon against the exchange that ships with it
	@exec $(BIN)/kalshid run $(ARGS)

lint: $(READY_TEST)  ## format check, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two workers, for the two cores that the gate may count on (tests/conftest.py says who gets what).
WORKERS := --numprocesses 2 --dist loadfile
# pytest's own closing line is the last thing that the gate prints.
test: lint bench  ## the gate: lint, figures, the golden replay under two hash seeds, all tests
	PYTHONHASHSEED=0 $(BIN)/pytest --quiet tests/golden
	PYTHONHASHSEED=1 $(BIN)/pytest --quiet tests/golden
	$(BIN)/pytest $(WORKERS)

full: lint $(READY_TORCH)  ## the gate with the long runs (tests marked `full`), torch's among them
	PYTHONHASHSEED=0 $(BIN)/pytest --quiet tests/golden
	PYTHONHASHSEED=1 $(BIN)/pytest --quiet tests/golden
	$(BIN)/pytest -m "" $(WORKERS)

e2e: $(READY_TEST)  ## the units under a real systemd in a container, with times; needs root and systemd-nspawn
	bash tests/e2e/systemd.sh

monitoring:  ## Prometheus and Alertmanager from Debian's packages on loopback, to watch a running daemon
	@exec bash grafana/monitoring.sh

SEEDS ?= 0-299
MODE ?= both
sim: $(READY_TEST)  ## live through SEEDS=0-9999 of the simulation, MODE=safety, liveness or both
	$(BIN)/python -m tests.sim --seeds $(SEEDS) --mode $(MODE)

PROFILE ?=
bench: $(READY_TEST)  ## measure, print, and write bench.json; PROFILE=1 makes daemon/PROFILE.md anew
	$(BIN)/python -m tests.bench bench.json $(if $(PROFILE),--profile)

fmt: $(READY_TEST)  ## format, and repair what lint can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Makes the locks anew. uv is the maker's tool only; it lives in a venv of its own, for the occasion.
# The locks hold for Python 3.11 and newer on every platform, and record no download address.
LOCK := $(VENV)-lock/bin/uv pip compile --quiet --no-config --universal --fork-strategy fewest \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links
lock:  ## resolve the dependencies anew into requirements*.lock
	$(PYTHON) -m venv --clear $(VENV)-lock
	$(VENV)-lock/bin/python -m pip --disable-pip-version-check --quiet install uv
	rm -f requirements.lock requirements-dev.lock requirements-sdk.lock requirements-torch.lock
	echo 'setuptools>=77' | $(LOCK) --python-version 3.11 --output-file requirements.lock - pyproject.toml
	echo 'setuptools>=77' | $(LOCK) --python-version 3.11 --constraints requirements.lock \
		--extra lab --extra onnx --extra notify --extra postgres --extra tracker --extra notebooks --extra dev \
		--output-file requirements-dev.lock - pyproject.toml
	echo 'kalshi-python-async==3.34.0' | $(LOCK) --python-version 3.13 --constraints requirements-dev.lock \
		--output-file requirements-sdk.lock -
	$(LOCK) --python-version 3.11 --constraints requirements-dev.lock --extra torch \
		--output-file requirements-torch.lock pyproject.toml
	rm -rf $(VENV)-lock

clean:  ## remove what the other targets made; never the state in var/
	rm -rf $(VENV) $(VENV)-lock build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache bench.json
	find daemon strategies tests -name __pycache__ -type d -prune -exec rm -rf {} +
