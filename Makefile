# Each target does its own set-up: a bare machine needs python3 (>= 3.10) with venv, make and g++.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: setup format check test test-unit test-golden test-distributed test-integration bench golden demo ci clean

setup: .venv/.installed

# Installs again only when what is to be installed has changed.
.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup
	$(PYTEST) tests

test-unit: setup
	$(PYTEST) tests/unit

test-golden: setup
	$(PYTEST) tests/golden

test-distributed: setup
	$(PYTEST) tests/distributed

test-integration: setup
	$(PYTEST) tests/integration

# CAMVID=DIR: the photographs in SegNet's layout.
bench: setup
	$(BIN)/python benchmarks/camvid_day_dusk.py --camvid $(CAMVID)

# Rewrites the stored loss curves; a change in them needs a line in CHANGELOG.md.
golden: setup
	$(BIN)/python -m tests.golden.curves

demo: setup
	$(BIN)/advent-dist demo

ci: check test

clean:
	rm -rf .venv build runs
