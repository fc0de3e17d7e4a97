# Two commands for a fresh machine with Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || echo 2)
BIN := .venv/bin

.PHONY: demo test test-slow test-slurm test-browser torture docs check lock benchmark benchmark-gpu clean

# every figure, table and claim of the default study, from images that come with scikit-learn
demo: .venv/installed
	$(BIN)/boltzprune run --cores $(CORES)

PYTEST := $(BIN)/python -m pytest --numprocesses $(CORES) --maxprocesses 8 --dist loadfile --no-loadscope-reorder

test: .venv/installed
	$(PYTEST) -m "not slow"

# the tests that `make test` leaves out since they take longest: whole studies through the workflow, every command of the
# documentation, notebooks, the site, loops compiled for other processors
test-slow: .venv/installed
	$(PYTEST) -m slow

# the workflow on a real SLURM of one node, which is installed and started for it; needs root and apt-get. The plugin lies
# in a folder of its own: where it is installed and no SLURM answers, every call of Snakemake waits for 10 s
test-slurm: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock --no-deps --upgrade \
		--target .venv/slurm snakemake-executor-plugin-slurm snakemake-executor-plugin-slurm-jobstep
	BOLTZPRUNE_SLURM_PLUGIN=$(CURDIR)/.venv/slurm $(BIN)/python -m pytest -m cluster -rs

# the report in Chromium, which is installed if it is missing; that needs root and apt-get
test-browser: .venv/installed
	(command -v chromium && command -v chromedriver) || \
		(apt-get update && \
		DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium chromium-driver)
	$(BIN)/python -m pytest -m browser -rs

# every promise put to the test many times, hours of it; prints promise, tried, survived
torture: .venv/installed
	$(BIN)/python -m pytest -m "torture or slow" --heavy

# the documentation as a site, build/site/index.html
docs: .venv/installed
	$(BIN)/python docs/site/build.py

# what the project's own rules ask: lint, format, types, workflow lint
check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

# speed and memory, as JSON under benchmarks/results; PyTorch is the peer of the deep machines, which are those of a
# finished study: make benchmark STUDY=results/NAME
STUDY = results/digits-small
benchmark: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test,benchmark]"
	$(BIN)/python benchmarks/cpu.py
	$(BIN)/python benchmarks/dbm.py $(STUDY)
	$(BIN)/python benchmarks/study.py

# the same of the GPU that is there
benchmark-gpu: .venv/installed
	$(BIN)/python benchmarks/gpu.py

# requirements.lock for what pyproject.toml names; versions that stand there stay, and in a new file are the newest
lock: .venv/installed
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --extra test --extra slurm \
		pyproject.toml -o requirements.lock

.venv/installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"boltzprune needs Python 3.11 or newer, and this is %d.%d; try: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "Installing boltzprune and what it needs (Snakemake, NumPy, Numba, SciPy, ...) into .venv: 1.1 GB, a minute or so."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e ".[test]"
	@touch .venv/installed

clean:
	rm -rf .venv .snakemake .pytest_cache .ruff_cache
