# Two commands: `make table` runs the default experiment, `make test` every check. Both make the environment first.

PYTHON ?= python3
VENV ?= .venv
CORES ?= all
BIN := $(VENV)/bin

.PHONY: help setup table test chaos slurm lint docs format lock clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.complete ## make the environment of requirements.lock in .venv

$(VENV)/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
# With pip's build isolation onedl-mmcv builds in seconds. Without it, it finds torch and compiles its operators.
	$(BIN)/python -m pip install --requirement requirements.lock
# The project itself is pure Python and builds with the lock's setuptools.
	$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
	touch $@

table: setup ## run the default experiment up to results/table.csv
	$(BIN)/snakemake --cores $(CORES) results/table.csv

lint: setup ## check style, workflow, imports and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

# A process per core, one thread each. Without a browser, and without the rights to install one, all tests but those of the report in a browser are run.
test: lint ## run every check and test
	without="--ignore tests/slurm --ignore tests/end_to_end/test_chaos.py"; \
	sh tests/report/get_chromium.sh || without="$$without --ignore tests/report/test_browser.py"; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile $$without

chaos: setup ## kill the tiny pipeline at random moments and compare what comes out
	$(BIN)/python -m pytest tests/end_to_end/test_chaos.py

slurm: setup ## run the tiny pipeline on a single-node Slurm of this machine, as root
	sh tests/slurm/get_slurm.sh
	$(BIN)/python -m pytest tests/slurm

docs: setup ## build the pages of docs/ as a site in build/site
	$(BIN)/mkdocs build --strict

format: setup ## rewrite the sources in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

# torch's CUDA libraries differ between platforms and are pinned by torch itself; its local version names one build.
lock: ## pin the newest releases that pyproject.toml allows
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --upgrade pip
	build/lock/bin/python -m pip install '.[deploy,dev,docs,openvino,slurm,tensorboard]'
	{ grep '^#' requirements.lock; \
	  build/lock/bin/python -m pip freeze --all --exclude pip --exclude ssr-mmseg \
	  | grep --invert-match --extended-regexp '^(nvidia-|cuda-|triton)' | sed 's/+.*//'; } > build/requirements.lock
	{ sed '/- pip:/q' environment.yaml; sed -n '/^#/!s/^/    - /p' build/requirements.lock; } > build/environment.yaml
	mv build/requirements.lock build/environment.yaml .

clean: ## remove the environment and all caches; results stay
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
