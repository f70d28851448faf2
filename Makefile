# One virtual environment, filled in two steps: `make demo` needs the first, `make test` both.
#
#   PYTHON=python3.12    the interpreter (3.11 or newer)
#   VENV=folder          where the environment goes
#   TORCH_INDEX=URL      take torch from PyTorch's CPU index: https://download.pytorch.org/whl/cpu

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
DATA ?=
CARDS ?=
BIN := $(VENV)/bin
# torch's CUDA libraries are most of it; they are downloaded also where there is no GPU.
SIZE := $(if $(TORCH_INDEX),about 1.5 GB,about 5.5 GB on disk; with TORCH_INDEX=https://download.pytorch.org/whl/cpu about 1.5 GB)

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow chromium check docs format bench constraints clean

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/.demo  ## install, then draw a small competition and enter it, offline
	$(BIN)/medalist demo

test: $(VENV)/.test chromium  ## run the tests, except the slow ones
	$(BIN)/python -m pytest -n 2

test-slow: $(VENV)/.test chromium  ## run the slow tests
	$(BIN)/python -m pytest -n 2 -m slow

check: $(VENV)/.test  ## formatting, lint, types, who imports whom, and the docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory docs

docs: $(VENV)/.test  ## build the docs into build/docs; a warning is an error
	$(BIN)/python -m sphinx -b html --fresh-env --fail-on-warning --quiet docs build/docs

format: $(VENV)/.test  ## format and mend what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test  ## small benchmarks, one table of ratios; DATA= (image sets) and CARDS= add those on real images
	$(BIN)/python benchmarks/table.py $(if $(DATA),--data $(DATA) --cards $(CARDS))

constraints:  ## resolve constraints.txt anew (needs uv on the PATH)
	uv pip compile --quiet --universal --upgrade --all-extras --python-version 3.11 --fork-strategy fewest \
	    --no-header --no-annotate pyproject.toml | sed 's/ *;.*//' > constraints.txt

clean:  ## remove the environment, caches and build output
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv where there is one (it hard-links from its cache), else pip. The stamps hold until the pins or needs change.
INSTALL = $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip install) --constraint constraints.txt \
    $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX) $(if $(UV),--index-strategy unsafe-best-match))
UV = $(shell for uv in uv $(BIN)/uv; do $$uv --version >/dev/null 2>&1 && echo $$uv && break; done)

$(VENV)/.demo: pyproject.toml constraints.txt
	@echo "Installing into $(VENV): torch, timm, scikit-learn, openvino and what they need ($(SIZE))"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "medalist needs Python 3.11 or newer, $(PYTHON) is older or missing; try: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv || echo "no uv here; pip will do, slower"
	@$(MAKE) --no-print-directory install-demo

$(VENV)/.test: $(VENV)/.demo
	@echo "Adding to $(VENV): test tools, ONNX, HDF5, optuna, albumentations, cleanlab, httpx2, Sphinx and playwright (about 0.9 GB)"
	@$(MAKE) --no-print-directory install-test

# Tests of the report drive Debian's Chromium: installed where we may, else they say that they are skipped.
chromium:  ## install what the browser tests drive: as root, with apt, in at most 5 minutes; it never fails
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && $(APT); } || \
	    echo "no chromium here: the browser tests of the report are skipped"
APT = { told=$$(timeout 300 sh -c 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install --yes --no-install-recommends chromium' 2>&1) || { echo "$$told"; false; }; }

# A second make, because uv may have come with the environment just made.
.PHONY: install-demo install-test
install-demo:
	$(INSTALL) --editable '.[openvino]'
	@touch $(VENV)/.demo

install-test:
	$(INSTALL) --editable '.[openvino,export,augment,search,quality,expand,docs,dev]'
	@touch $(VENV)/.test
