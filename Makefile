# Each target works as the first command on a fresh clone. The environment .venv is created when it is missing. It is
# created again when a requirements*.lock or pyproject.toml has changed, or the checkout has moved.

# The first of these that is available. Everything has been run with 3.11, the quick tests with 3.12 and 3.13.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13,$(shell command -v $(name) >/dev/null && echo $(name))) python3.11)
# torch's builds differ between CPU and CUDA. requirements-torch.lock has the hashes of the known builds, and
# requirements-cuda.lock has the parts that a CUDA build needs. For an unknown build give pip's arguments; no hash is
# checked then: make repro TORCH="torch==2.13.0 --index-url ..." (.venv remembers it; TORCH= ends that).
VENV := .venv
TORCH ?= $(shell cat $(VENV)/.torch 2>/dev/null)
# make setup UV=uv uses uv instead of pip; uv brings the Python that PYTHON names, such as 3.12.
UV ?=
PROFILE ?=
PORT ?=

BIN := $(CURDIR)/$(VENV)/bin
PIP := $(if $(UV),$(UV) pip --quiet,$(VENV)/bin/python -m pip --quiet --disable-pip-version-check)
# pip chooses the build according to its settings; then the hash of the chosen build is checked.
LOCKED_TORCH := $(shell sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements-torch.lock)
CUDA_PARTS := import importlib.metadata as m, sys; \
  print(*[part for part in m.requires('torch') if sys.platform == 'linux' and part.startswith(('cuda', 'nvidia'))])
STAMP := $(VENV)/.complete
# The tests of a file stay together, in the order given by tests/conftest.py.
PARALLEL := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
export PATH := $(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY ?= true
unexport PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help setup repro test same test-fast test-faults test-ray lab ui bench readme pipeline lint lock

help:  ## Show the targets
	@echo "What to do next:"
	@echo "  1. make repro   train, draw and judge the small profile, in about ten minutes"
	@echo "  2. open results/quick/report.html for the results; make ui shows every run in MLflow"
	@echo "  3. make lab     open the notebooks, change a depth, Run All"
	@echo "Is something missing? . .venv/bin/activate, then: highways doctor"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The scripts in .venv contain its path, so .venv is created again when the checkout has moved.
# (The shell compares the paths, and .venv is always given by its relative path: the path may have blanks and quotes.)
MOVED := $(if $(wildcard $(STAMP)),$(shell [ "$$(cat $(STAMP))" = "$$(pwd -P)" ] || echo yes))
ifeq ($(MOVED),yes)
.PHONY: $(STAMP)
endif

setup: $(STAMP)  ## Create .venv
$(STAMP): requirements.lock requirements-torch.lock requirements-cuda.lock pyproject.toml
	@echo "making $(VENV): some minutes, once"
ifneq ($(UV),)
	@$(UV) venv --quiet --clear --seed --python "$(PYTHON)" $(VENV)
else
	@command -v "$(PYTHON)" >/dev/null || { echo "error: $(PYTHON) is needed; make PYTHON=... names another," \
	  "make UV=uv fetches it" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(if $(MOVED),--clear) $(VENV)
endif
ifneq ($(TORCH),)
	@$(PIP) install $(TORCH)
	@printf '%s\n' "$(TORCH)" > $(VENV)/.torch
else ifneq ($(UV),)
	@$(PIP) install --no-deps --require-hashes -r requirements-torch.lock
else
	@rm -rf $(VENV)/wheels $(VENV)/.torch
	@$(PIP) download --no-deps --only-binary :all: --dest $(VENV)/wheels $(LOCKED_TORCH)
	@$(PIP) install --no-deps --force-reinstall --no-index --find-links $(VENV)/wheels --require-hashes \
	  -r requirements-torch.lock || { rm -rf $(VENV)/wheels; echo "error: no torch; a build that requirements-torch.lock" \
	  "does not know is taken by make setup TORCH=\"$(LOCKED_TORCH)\"" >&2; exit 1; }
	@rm -rf $(VENV)/wheels
endif
ifeq ($(TORCH),)
	@parts=$$($(VENV)/bin/python -c "$(CUDA_PARTS)") || exit 1; \
	  [ -z "$$parts" ] || $(PIP) install --no-deps --require-hashes -r requirements-cuda.lock
endif
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@pwd -P > $@

repro: setup  ## Run the pipeline on the active profiles; PROFILE=laptop activates that one first
	$(if $(PROFILE),highways profile use $(PROFILE))
	highways repro

test: setup  ## Run all tests, the pipeline included
	pytest $(PARALLEL)

same: setup  ## Execute the committed notebooks in a clone, without data, and compare everything with git
	python tests/same.py $(PROFILE)

test-faults: setup  ## Inject faults (kill, damage, fill, flood) for half an hour; counts go to docs/reliability.md
	HIGHWAYS_FAULTS_COUNTS=1 pytest tests/faults -m "faults or not faults"

test-fast: setup  ## Run the tests that take seconds
	pytest $(PARALLEL) -m "not pipeline"

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

readme: setup  ## Write README's numbers and the results' pages from the committed files
	highways readme

pipeline: setup  ## Write dvc.yaml and the schema of claims.yaml from the experiments
	highways pipeline

lint: setup  ## Check format, lint, types and spelling
	ruff format --check src tests benchmarks notebooks examples
	ruff check src tests benchmarks notebooks examples
	pyright
	codespell src tests benchmarks notebooks examples README.md references

# Hash of the CPU build in PyTorch's own index, for Python 3.11 on x86-64 Linux; pip-compile sees only PyPI's builds.
TORCH_FOR_CPUS := torch==2.13.0 sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" pip-compile --quiet --generate-hashes --strip-extras --upgrade \
  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links

lock: setup  ## Resolve requirements.lock, requirements-torch.lock and requirements-cuda.lock again
	$(PIP) install pip-tools
	@# soupsieve 4 needs Python 3.11.5, and Debian 12 has 3.11.2
	@echo "soupsieve<3" > $(VENV)/constraints.txt
	$(COMPILE) --extra dev --unsafe-package torch --constraint $(VENV)/constraints.txt \
	  --output-file requirements.lock pyproject.toml
	sed -i "/^# WARNING/,\$$d" requirements.lock
	@sed -n 's/^ *"\(torch==.*\)",/\1/p' pyproject.toml > $(VENV)/torch.in
	@grep -qx "$(firstword $(TORCH_FOR_CPUS))" $(VENV)/torch.in \
	  || { echo "error: TORCH_FOR_CPUS in Makefile has the hash of another version" >&2; exit 1; }
	PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= PIP_EXTRA_INDEX_URL= $(COMPILE) --no-annotate --output-file $(VENV)/torch.lock $(VENV)/torch.in
	@awk '/^[a-z]/ {of = 1; kept = /^torch==/} /^#/ && of {kept = 0} !of || kept; \
	  /^torch==/ {print "    --hash=$(lastword $(TORCH_FOR_CPUS)) \\"}' $(VENV)/torch.lock > requirements-torch.lock
	@awk '/^[a-z]/ {of = 1; kept = /^(cuda|nvidia)-|^triton==/} /^#/ && of {kept = 0} !of || kept' \
	  $(VENV)/torch.lock > requirements-cuda.lock
	@echo "environment.yml names the direct dependencies: bring it up to date, tests/test_layout.py checks it"
