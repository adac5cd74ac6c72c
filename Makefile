# Lapak: every command a newcomer or CI needs. `make` alone lists them.
# From a bare clone: Python 3.11 or newer and make are enough; the rest is installed into .venv and var/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo up down test check bench chaos lock clean
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
UV := var/uv/bin/uv
# What is installed is known by the hash of what asked for it: nothing is done when nothing changed.
ASKED := requirements/uv.txt requirements/dev.txt pyproject.toml
STAMP := .venv/.lapak-installed
HASH = $$(cat $(ASKED) | $(BIN)/python -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
SAY = printf '\033[1m==> %s\033[0m\n'

help:  ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

setup:  ## Install everything into .venv (does nothing when it is up to date)
	@if [ ! -x $(BIN)/python ]; then \
	  python=""; \
	  for name in $${PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14 python; do \
	    if command -v "$$name" >/dev/null && "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then \
	    echo "Lapak needs Python 3.11 or newer and found none (python3 here: $$(python3 --version 2>&1 || true))." >&2; \
	    echo "Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; \
	  fi; \
	  if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
	    echo "$$python lacks the venv module. On Debian and Ubuntu: apt-get install python3-venv; or name another: make PYTHON=..." >&2; exit 1; \
	  fi; \
	  $(SAY) "making .venv with $$("$$python" --version)"; \
	  rm -rf .venv; "$$python" -m venv --without-pip .venv; \
	fi
	@hash=$(HASH); if [ "$$(cat $(STAMP) 2>/dev/null)" != "$$hash" ]; then \
	  $(MAKE) -s $(UV); \
	  $(SAY) "installing the pinned packages into .venv"; \
	  quiet=--quiet; if [ -t 2 ]; then quiet=; fi; \
	  $(UV) pip sync --python $(BIN)/python --require-hashes $$quiet requirements/dev.txt; \
	  $(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation $$quiet -e .; \
	  echo "$$hash" > $(STAMP); \
	  $(SAY) "installed"; \
	fi

# Its release and hashes are pinned in requirements/uv.txt. It lives outside .venv: `uv pip sync` removes from there what the requirements do not name.
$(UV): requirements/uv.txt
	@$(SAY) "installing uv into var/uv"
	@rm -rf var/uv; mkdir -p var
	@venv=$$(sed -n 's/^executable = //p' .venv/pyvenv.cfg); "$${venv:-python3}" -m venv var/uv
	@var/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/uv.txt
	@touch $(UV)

demo: setup  ## Play the six-location bazaar end to end on real servers, and report
	@$(BIN)/lapak demo

up: setup  ## Start the local stack and the services, and leave them running
	@$(BIN)/lapak up

down: setup  ## Stop what `make up` started; the data stays in var/
	@$(BIN)/lapak down

test: setup  ## Run all tests, two files at a time (on Apache Kafka where Java 17+ and Maven are there)
	@$(BIN)/pytest -n 2 --dist loadfile

check: setup  ## Lint, format, types, import contracts, event contracts
	@$(SAY) "ruff check"; $(BIN)/ruff check
	@$(SAY) "ruff format"; $(BIN)/ruff format --check
	@$(SAY) "mypy"; $(BIN)/mypy
	@$(SAY) "import contracts"; $(BIN)/lint-imports
	@$(SAY) "event contracts"; $(BIN)/lapak contracts --check

bench: setup  ## Measure: throughput, latency, allocation
	@$(BIN)/python -m tests.bench

chaos: setup  ## Kill services and servers under load for minutes, account for every event and message (CHAOS="--seed 7" repeats)
	@$(BIN)/python -m tests.chaos $(CHAOS)

lock: setup  ## Resolve the requirements anew (after a change in pyproject.toml)
	@$(MAKE) -s $(UV)
	@$(SAY) "requirements/runtime.txt"
	@$(UV) pip compile pyproject.toml --quiet --universal --generate-hashes --no-header --no-emit-index-url -o requirements/runtime.txt
	@$(SAY) "requirements/dev.txt"
	@$(UV) pip compile pyproject.toml --quiet --universal --generate-hashes --no-header --no-emit-index-url --group local --group dev --group lab --group bench -c requirements/runtime.txt -o requirements/dev.txt

clean:  ## Stop the stacks and remove var/ and .venv
	@if [ -x $(BIN)/python ] && [ -d var ]; then for stack in var/*/stack.json; do \
	  [ ! -e "$$stack" ] || $(BIN)/python -m deploy.local.stop "$$(basename "$$(dirname "$$stack")")"; done; fi
	@rm -rf var .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
