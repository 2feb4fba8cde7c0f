# `make table` runs the default experiment and `make test` runs all checks; both create the environment first.

PYTHON ?= python3
VENV ?= .venv
CORES ?= all
UPGRADE ?= --upgrade
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --no-deps --require-hashes

.PHONY: help setup table test chaos slurm lint docs schema format lock sbom clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.complete ## create the environment of requirements.lock in .venv

$(VENV)/.complete: requirements.lock requirements-cuda.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is required; run: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
# A build of torch for CPUs, if pip is told where there is one: PyPI's for Linux requires gigabytes of CUDA libraries.
	sed -n '/^torch==/,/[^\\]$$/ { s/^torch==[^ ]*/&+cpu/; p; }' requirements.lock \
	| $(INSTALL) --requirement /dev/stdin 2> /dev/null || true
# Keep pip's build isolation: onedl-mmcv then builds in seconds; if it finds torch, it compiles its operators.
	$(INSTALL) --requirement requirements.lock
# What another build of torch requires in addition.
	if $(BIN)/python -m pip check | grep '^torch .* requires'; then $(INSTALL) --requirement requirements-cuda.lock; fi
# The project is pure Python and builds with the hatchling of the lock.
	$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
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

# One process per core, one thread each. A process that dies ends the run: replaced, it would let the run wait forever.
# Bytecode is written even where the user's shell forbids it: hundreds of processes would compile the project again.
# The browser tests are skipped if Chromium is missing and cannot be installed.
test: lint ## run all checks and tests
	without="--ignore tests/slurm --ignore tests/end_to_end/test_chaos.py"; \
	sh tests/report/get_chromium.sh || without="$$without --ignore tests/report/test_browser.py"; \
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --max-worker-restart 0 --dist loadfile $$without

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

lock: ## pin the newest releases that pyproject.toml allows; UPGRADE= keeps the pins that still fit
	$(PYTHON) .ci/lock.py $(UPGRADE)

sbom: setup ## list the installed packages with their licenses in build/sbom.json, as CycloneDX
	$(PYTHON) -m venv --clear build/sbom
	build/sbom/bin/python -m pip install cyclonedx-bom
# The tool does not know that the version is in the package.
	sed "s/^dynamic = .*/version = \"$$($(BIN)/hatchling version)\"/" pyproject.toml > build/sbom/pyproject.toml
	build/sbom/bin/cyclonedx-py environment --output-reproducible --pyproject build/sbom/pyproject.toml \
	  --output-file build/sbom.json $(VENV)

clean: ## remove the environment and all caches, but not results
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
