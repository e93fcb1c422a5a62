# Everything is set up on the first call of any target; a newcomer needs no other page.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: demo test up down reset status logs unit lint types bench faults compose lock setup help

# onnxruntime reports to its maker unless told not to.
export ORT_DISABLE_TELEMETRY := 1

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.complete
TEST_FOLDERS := $(wildcard $(addprefix tests/,unit journeys faults architecture contracts integration browser))
# Two at a time, because most of it waits for servers; what takes longest as a whole comes first.
WORKERS := -n 2 --no-loadscope-reorder
UV ?= uv
LOCK := $(UV) pip compile --quiet --universal --fork-strategy fewest --generate-hashes \
  --no-header --no-annotate pyproject.toml
IMAGE_EXTRAS := catalog dispatch scoring smoothing studio standin
LINTED := services shared deploy tests $(wildcard bench)

demo: setup  ## Set up everything, play the main scenario, print the report, leave the system running
	@$(BIN)/rushes demo

test: setup  ## Lint, types, import contracts and all tests, on real Kafka and real PostgreSQL
	@$(BIN)/python -m tests.support.chromium
	@mkdir -p .local; $(MAKE) --no-print-directory -k lint types unit > .local/beside.log 2>&1 & beside=$$!; \
	set -o pipefail; status=0; \
	$(BIN)/pytest $(WORKERS) -m "not long" $(filter-out tests/unit,$(TEST_FOLDERS)) | tee .local/tests.log || status=1; \
	wait $$beside || status=1; cat .local/beside.log; tail -n 1 .local/tests.log; \
	exit $$status

up: setup  ## Start Kafka, PostgreSQL, the ComfyUI stand-in and every service; data is kept
	@$(BIN)/python -m deploy.local up

down: setup  ## Drain and stop everything; data is kept
	@$(BIN)/python -m deploy.local down

reset: setup  ## Stop everything and remove the data (asks; YES=1 does not)
	@$(BIN)/python -m deploy.local reset $(if $(YES),--yes)

status: setup  ## What runs, on which port, since when
	@$(BIN)/python -m deploy.local status

logs: setup  ## The last lines of every log (NAME=dispatch for one, FOLLOW=1 to stay)
	@$(BIN)/python -m deploy.local logs $(NAME) $(if $(FOLLOW),--follow)

unit: setup  ## Tests without Kafka and PostgreSQL; seconds
	@$(BIN)/pytest -q tests/unit

lint: setup  ## Style, formatting and import contracts
	@$(BIN)/ruff check $(LINTED)
	@$(BIN)/ruff format --check $(LINTED)
	@$(BIN)/lint-imports --no-logo

types: setup  ## mypy --strict
	@$(BIN)/mypy

bench: setup  ## Benchmarks, with their results recorded under bench/
	@$(BIN)/python -m bench

faults: setup  ## The long fault tests: 20 and more seeded kills during runs
	@$(BIN)/pytest -m long tests/faults

compose: setup  ## Write docker-compose.yml from the topology, and keys and passwords for it (.env)
	@$(BIN)/python -m deploy.compose

lock:  ## Lock the dependencies again: for this machine, and for both images (needs uv, or UV=<path>)
	@$(LOCK) --all-extras -o requirements.lock
	@$(LOCK) $(addprefix --extra=,$(IMAGE_EXTRAS)) -c requirements.lock -o requirements-image.lock
	@$(LOCK) $(addprefix --extra=,$(IMAGE_EXTRAS)) deploy/gpu-requirements.txt --override deploy/gpu-overrides.txt \
	  -c requirements.lock -o requirements-gpu.lock

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml deploy/kafka/pom.xml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1 || echo missing). Install it, or set PYTHON=<path>." >&2; exit 1; }
	@echo "setting up .venv (the first time takes a few minutes) ..."
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv || \
	  { echo "$(PYTHON) cannot make a virtual environment. Install its venv module, e.g. 'apt install python3-venv'." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock || \
	  { echo "pip could not install the dependencies. Check the network and pip's index, then try again." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@$(BIN)/python -m deploy.local fetch
	@touch $@

help:  ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'
