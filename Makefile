# Each target works as the first command on a fresh clone. The environment is made in .venv when it
# is missing, and again when requirements.lock or pyproject.toml have changed, or the checkout was moved.

PYTHON ?= python3.11
# Step one of the installation: torch's builds differ between CPU and CUDA, so pip picks it by version.
# For another build give pip's arguments, such as: make repro TORCH="torch==2.13.0 --index-url ..."
TORCH ?= torch==2.13.0
PROFILE ?=
PORT ?=

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/.complete
export PATH := $(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY ?= true
unexport PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help setup repro test test-fast test-faults test-ray lab ui bench readme pipeline lint lock

help:  ## Show the targets
	@echo "What to do next:"
	@echo "  1. make repro   the small profile: trains, draws, judges in about ten minutes"
	@echo "  2. open results/quick/report.html: what came out; make ui shows every run in MLflow"
	@echo "  3. make lab     opens the notebooks: change a depth, Run All"
	@echo "Is something missing? . .venv/bin/activate, then: highways doctor"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The scripts in .venv name its place: where the checkout was moved, it is made anew.
# (Compared by the shell, and .venv by its relative path everywhere: there may be blanks and quotes in the place.)
MOVED := $(if $(wildcard $(STAMP)),$(shell [ "$$(cat $(STAMP))" = "$$(pwd -P)" ] || echo yes))
ifeq ($(MOVED),yes)
.PHONY: $(STAMP)
endif

setup: $(STAMP)  ## Make .venv
$(STAMP): requirements.lock pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { echo "error: $(PYTHON) is needed (make PYTHON=... names another)" >&2; exit 1; }
	@echo "making $(VENV): some minutes, once"
	@"$(PYTHON)" -m venv $(if $(MOVED),--clear) $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@pwd -P > $@

repro: setup  ## Run the pipeline on what is active; PROFILE=laptop makes that active first
	$(if $(PROFILE),highways profile use $(PROFILE))
	highways repro

test: setup  ## Run all tests, the pipeline included
	pytest

test-faults: setup  ## Kill, damage, fill and flood it for half an hour; counts go to docs/reliability.md
	HIGHWAYS_FAULTS_COUNTS=1 pytest tests/faults -m "faults or not faults"

test-fast: setup  ## Run the tests that take seconds
	pytest -m "not pipeline"

test-ray: setup  ## Install Ray and test its engine on a cluster of three nodes on this machine
	python -m pip install --quiet --disable-pip-version-check -e ".[ray]" --no-build-isolation
	pytest tests/test_ray.py

lab: setup  ## Open JupyterLab
	jupyter lab --config=notebooks/jupyter_server_config.py

ui: setup  ## Open MLflow's UI on 127.0.0.1:5000 or the next free port (PORT=...); prints links
	@highways tracking ui $(if $(PORT),--port $(PORT))

bench: setup  ## Measure speeds, as ratios within one run
	python benchmarks/populations.py
	python benchmarks/fused.py
	python benchmarks/sentences.py
	python benchmarks/convolutions.py
	python benchmarks/bfloat16.py
	python benchmarks/lesions.py
	python benchmarks/parity.py
	python benchmarks/engines.py
	python benchmarks/overhead.py
	highways readme

readme: setup  ## Write README's numbers and the results' pages from what is committed
	highways readme

pipeline: setup  ## Write dvc.yaml from the experiments
	highways pipeline

lint: setup  ## Check format, lint, types and spelling
	ruff format --check src tests benchmarks notebooks
	ruff check src tests benchmarks notebooks
	pyright
	codespell src tests benchmarks notebooks README.md references

lock: setup  ## Resolve requirements.lock anew
	python -m pip install --quiet pip-tools
	@# soupsieve 4 wants Python 3.11.5, and Debian 12 has 3.11.2
	@echo "soupsieve<3" > $(VENV)/constraints.txt
	CUSTOM_COMPILE_COMMAND="make lock" pip-compile --quiet --extra dev --generate-hashes --strip-extras --upgrade \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --unsafe-package torch \
	  --constraint $(VENV)/constraints.txt --output-file requirements.lock pyproject.toml
	sed -i "/^# WARNING/,\$$d" requirements.lock
	@echo "environment.yml names the direct dependencies: bring it up to date, tests/test_layout.py checks it"
