# What people type. Each target sets up what it needs, once, from the hashed locks in requirements/; `make` lists them.
SHELL := bash
.DEFAULT_GOAL := help
PYTHON ?= python3
ENV ?=
BASE ?=

BIN := .venv/bin
MARKS := .venv/marks
INSTALL = $(BIN)/uv pip install --python $(BIN)/python --require-hashes

.PHONY: help plan up down train serve policies test test-local test-faults soak check bench lock format clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

plan: $(MARKS)/base ## Plan an environment offline: make plan [ENV=dev] [BASE=main]
	@$(BIN)/springtide plan $(if $(ENV),$(ENV),--all) $(if $(BASE),--base $(BASE))

up: $(MARKS)/local ## Bring the whole platform up on this machine: make up [ENV=local]
	@$(BIN)/springtide up $(or $(ENV),local)

down: $(MARKS)/local ## Take it down again
	@$(BIN)/springtide down $(or $(ENV),local)

train: $(MARKS)/workloads ## Train a small GPT here, with the entry that a container runs
	@$(BIN)/python -m springtide_workloads.local train

serve: $(MARKS)/workloads ## Serve what `make train` exported, over HTTP
	@$(BIN)/python -m springtide_workloads.local serve

policies: $(MARKS)/policies ## Install what `pulumi up --policy-pack policies` needs

test: $(MARKS)/dev ## Run the tests
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-local: $(MARKS)/dev ## Run the tests that need a control plane on this machine; builds it first, once
	@$(BIN)/python -m springtide.local.builds
	@$(BIN)/python -m pytest -m local tests/local

test-faults: $(MARKS)/dev ## Kill, freeze and starve training and serving, and see that nothing is lost
	@$(BIN)/python -m pytest -m faults

soak: $(MARKS)/dev ## The long sweeps of the same: hundreds of kills at random instants
	@$(BIN)/python -m pytest -m soak --timeout 7200

check: $(MARKS)/dev ## Lint, types, import arrows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

bench: $(MARKS)/base ## Measure the planner
	@$(BIN)/python bench/plan.py

format: $(MARKS)/dev ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(MARKS)/uv ## Remake the hashed locks from pyproject.toml
	requirements/lock

clean: ## Remove the virtual environment, caches and runs
	rm -rf .venv .cache .hypothesis .ruff_cache runs

$(MARKS)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "springtide needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Set PYTHON=python3.12, say."; exit 1; }
	@echo "▸ virtual environment in .venv"
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing: on Debian, apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@mkdir -p $(MARKS) && touch $@

$(MARKS)/base: requirements/base.txt pyproject.toml $(MARKS)/uv
	@echo "▸ 1/2 packages for planning (once)"
	@$(INSTALL) -r requirements/base.txt
	@echo "▸ 2/2 springtide itself"
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --editable .
	@touch $@

$(MARKS)/policies: requirements/policies.txt $(MARKS)/base
	@echo "▸ the policy SDK"
	@$(INSTALL) -r requirements/policies.txt
	@touch $@

$(MARKS)/workloads: requirements/workloads.txt $(MARKS)/base
	@echo "▸ torch and what training and serving need (about 3 GB, once)"
	@$(INSTALL) -r requirements/workloads.txt
	@touch $@

$(MARKS)/local: requirements/local.txt $(MARKS)/workloads
	@echo "▸ what a control plane on this machine needs"
	@$(INSTALL) -r requirements/local.txt
	@touch $@

$(MARKS)/dev: requirements/dev.txt $(MARKS)/policies $(MARKS)/local
	@echo "▸ tools for tests and checks"
	@$(INSTALL) -r requirements/dev.txt
	@touch $@
