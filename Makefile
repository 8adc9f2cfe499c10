# Each target does its own set-up: a bare machine needs python3 (>= 3.10) with venv, make and g++.
PYTHON ?= python3
BIN := .venv/bin
# Hundreds of processes import the same files.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest
SLOW := $(addprefix tests/integration/test_,doctor.py elastic.py ended.py faults.py grafana.py killed.py predict_killed.py serve.py \
  sweep_killed.py sweep_outage.py sweep_rank_killed.py unasked_gpus.py write_faults.py your_data.py) tests/unit/export/test_round_trip.py

.PHONY: setup format check test test-slow test-cluster test-onprem test-aws test-unit test-golden test-distributed test-integration bench bench-check gpu-check soak golden demo sweep-demo browser hosts ci clean

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

# Two at a time; tests/dealt.py says which go together.
test: setup
	$(PYTEST) -n 2 --max-worker-restart 0 tests/unit tests/golden tests/distributed tests/integration $(SLOW:%=--ignore=%)

# What is killed, or loses its nodes or its bucket, and goes on, clusters and Grafana and the server
# of their own, exports in a stranger's hands, a page of the docs word by word: minutes of waiting.
test-slow: setup
	$(PYTEST) -n 2 --max-worker-restart 0 $(SLOW)

test-unit: setup
	$(PYTEST) tests/unit

test-golden: setup
	$(PYTEST) tests/golden

test-distributed: setup
	$(PYTEST) tests/distributed

test-integration: setup
	$(PYTEST) tests/integration $(SLOW:%=--ignore=%)

# Real hosts in namespaces: needs root, iproute2, openssh-server, rsync and faketime; says so and passes without.
test-cluster: test-onprem test-aws

test-onprem: setup hosts
	cluster/testbed/enter.sh $(PYTEST) tests/cluster --ignore-glob='*/test_aws_*'

test-aws: setup hosts
	cluster/testbed/enter.sh $(PYTEST) tests/cluster/test_aws_*.py

# CAMVID=DIR: the photographs in SegNet's layout.
bench: setup
	$(BIN)/python benchmarks/decode.py $(if $(CAMVID),--camvid $(CAMVID))
	$(BIN)/python benchmarks/input_pipeline.py $(if $(CAMVID),--camvid $(CAMVID)) --peers
	$(BIN)/python benchmarks/camvid_day_dusk.py $(if $(CAMVID),--camvid $(CAMVID))
	$(BIN)/python benchmarks/asha.py
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/restart.py
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/activations.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/evaluate.py
	$(BIN)/python benchmarks/predict.py
	$(BIN)/python benchmarks/checkpoint.py
	$(BIN)/python benchmarks/self_training_step.py
	$(BIN)/python benchmarks/precision.py
	$(BIN)/python benchmarks/ranks.py
	$(BIN)/python benchmarks/crowd.py

# Measures ratios of benchmarks/results again, and fails where one is 15 % worse.
bench-check: setup
	$(BIN)/python benchmarks/check.py

# What a GPU is to do as a CPU does, and how fast it does it; without one, its CPU half.
gpu-check: setup
	$(BIN)/python benchmarks/gpu.py

# Builds, runs and sweeps against a bucket, every tenth request for which breaks.
SOAK_MINUTES ?= 10
soak: setup
	$(BIN)/python -m tests.soak --minutes $(SOAK_MINUTES)

# Rewrites the stored loss curves; a change in them needs a line in CHANGELOG.md.
golden: setup
	$(BIN)/python -m tests.golden.curves

demo: setup
	$(BIN)/advent-dist demo --overwrite

# Eight trials over procedural streets from a local S3 server; `--resume` goes on after a kill.
sweep-demo: setup
	$(BIN)/python -m tune.demo --overwrite

# For the tests that open a report. Where it can't be installed, they are skipped and say so.
browser:
	command -v chromedriver > /dev/null || { apt-get update -q && apt-get install -qy chromium chromium-driver; } \
	  || echo 'no chromium and chromedriver: the tests that open a report are skipped'

# For test-cluster, which is skipped where they can't be installed, and says so.
hosts:
	for tool in sshd rsync ip faketime; do PATH=$$PATH:/usr/sbin type $$tool > /dev/null 2>&1 || missing=$$tool; done; \
	  test -z "$$missing" || { apt-get update -q && apt-get install -qy openssh-server rsync iproute2 faketime; } \
	  || echo "no $$missing: the tests on several hosts are skipped"

# One after the other: several hosts, or what is killed and goes on, fill two cores by themselves.
ci: check browser test test-slow test-cluster

clean:
	rm -rf .venv build runs
