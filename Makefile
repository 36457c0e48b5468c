# The commands of daily work; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
LOCK := requirements/dev.txt
SERVICES := $(notdir $(patsubst %/pyproject.toml,%,$(wildcard services/*/pyproject.toml)))
PACKAGES := server kit files $(addprefix services/,$(SERVICES)) launcher
SOURCES := $(addsuffix /src,$(PACKAGES))
# Empty for all tests, or e.g. `make test ONLY=services/carts`.
ONLY :=
# Of images: their tag, what they are built on (empty: what tools/images.sh says) and where they are pushed to.
TAG := dev
BASE :=
REGISTRY :=

.PHONY: help
help: ## List these commands
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS=$$'\t' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

.PHONY: install
install: .venv/installed ## Prepare .venv from the locks; does nothing when it is up to date

.venv/installed: $(LOCK) $(wildcard */pyproject.toml services/*/pyproject.toml) tools/install.sh
	@echo "Preparing .venv ..."
	@tools/install.sh
	@touch $@

.PHONY: run
run: install ## Start the whole shop on this machine (trolley up)
	@exec $(BIN)/trolley up

# Tests make thousands of databases and wait for each to be on the disk: they are in memory where that has 4 GB to spare.
ROOM := $(shell df --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 4000000 { print "TMPDIR=/dev/shm" }')

# Bytecode is written whatever the environment says: tests start hundreds of processes, which all read the same modules.
.PHONY: test
test: install ## Run all tests; ONLY=services/carts runs some
	@$(ROOM) PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(ONLY)

.PHONY: check
check: install ## Lint, format, types, import rules, sizes, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES) bench
	$(BIN)/lint-imports
	$(BIN)/python tools/size.py
	$(BIN)/python tools/contracts.py --check

.PHONY: contracts
contracts: install ## Write each service's openapi.json and docs/problems.md anew
	@$(BIN)/python tools/contracts.py

.PHONY: words
words: install ## Bring the storefront's languages (locales/*.po) up to date with its texts
	@$(BIN)/python tools/words.py

.PHONY: fix
fix: install ## Mend what ruff can mend: format, imports, simple faults
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: lock
lock: install ## Recompile requirements/*.txt; ARGS=--upgrade takes newer versions
	@tools/lock.sh $(ARGS)

.PHONY: images
images: ## Build an image for each service: trolley/NAME:TAG; TAG=dev BASE=python:3.14-slim
	@TAG="$(TAG)" BASE="$(BASE)" tools/images.sh build

.PHONY: push
push: ## Push the images to a registry and print their digests; REGISTRY=localhost:5000 TAG=dev
	@TAG="$(TAG)" REGISTRY="$(REGISTRY)" tools/images.sh push

.PHONY: sbom
sbom: install ## Write a bill of materials of each image into .artefacts/sbom; TAG=dev
	@TAG="$(TAG)" tools/images.sh sbom

.PHONY: bench
bench: install ## Compare with the peers and write bench/RESULTS.md (25 min); ARGS=--quick only sees that it works
	@bench/install.sh
	$(BIN)/python -m bench $(ARGS)

.PHONY: peers
peers: install ## Install the services that the benchmark compares with; needs Node
	@bench/peers/install.sh

.PHONY: clean
clean: ## Delete caches; never data, never .venv
	@find . -path ./.venv -prune -o -path ./.data -prune -o -type d \
	    \( -name __pycache__ -o -name .pytest_cache -o -name .mypy_cache -o -name .ruff_cache -o -name .hypothesis \
	    -o -name .import_linter_cache -o -name .schemathesis \) -print0 | xargs -0 rm -rf
