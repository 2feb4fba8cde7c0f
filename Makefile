# `make table` runs the default experiment and `make test` runs all checks; both create the environment first.

PYTHON ?= python3
VENV ?= .venv
CORES ?= all
BIN := $(VENV)/bin

.PHONY: help setup table test chaos slurm lint docs schema format lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.complete ## create the environment of requirements.lock in .venv

$(VENV)/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is required; run: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
# Keep pip's build isolation: onedl-mmcv then builds in seconds; if it finds torch, it compiles its operators.
	$(BIN)/python -m pip install --requirement requirements.lock
# The project is pure Python and builds with the setuptools of the lock.
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

# One process per core, one thread each. The browser tests are skipped if Chromium is missing and cannot be installed.
test: lint ## run all checks and tests
	without="--ignore tests/slurm --ignore tests/end_to_end/test_chaos.py"; \
	sh tests/report/get_chromium.sh || without="$$without --ignore tests/report/test_browser.py"; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile $$without

chaos: setup ## kill the tiny pipeline at random moments and compare its results
	$(BIN)/python -m pytest tests/end_to_end/test_chaos.py

slurm: setup ## run the tiny pipeline on a single-node Slurm on this machine, as root
	sh tests/slurm/get_slurm.sh
	$(BIN)/python -m pytest tests/slurm

docs: setup ## build the documentation site in build/site
	$(BIN)/mkdocs build --strict

schema: setup ## write the schema and the tables of the configuration's keys, from the models in ssr_mmseg/settings/
	$(BIN)/python -m ssr_mmseg.settings.reference

format: setup ## format the sources and apply ruff's fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

# torch pins its own CUDA libraries, which differ between platforms; a local version (+cpu) would pin one build.
lock: ## pin the newest releases allowed by pyproject.toml
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --upgrade pip
	build/lock/bin/python -m pip install '.[deploy,dev,docs,openvino,slurm,tensorboard]'
	{ grep '^#' requirements.lock; \
	  build/lock/bin/python -m pip freeze --all --exclude pip --exclude ssr-mmseg \
	  | grep --invert-match --extended-regexp '^(nvidia-|cuda-|triton)' | sed 's/+.*//'; } > build/requirements.lock
	{ sed '/- pip:/q' environment.yaml; sed -n '/^#/!s/^/    - /p' build/requirements.lock; } > build/environment.yaml
	mv build/requirements.lock build/environment.yaml .

clean: ## remove the environment and all caches, but not results
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
