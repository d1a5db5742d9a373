# Relevo. `make help` lists what there is. Every target sets up what it needs, once.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SYNTH  := cdk.out/manifest.json
SITE   := .build/site/index.html

# Node for jsii comes from PyPI, so nothing but Python and make has to be there.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 1

SOURCES := $(shell find shared regions global_stack -name node_modules -prune -o \( -name '*.py' -o -name '*.lock' \) -print) app.py cdk.json
SITE_SOURCES := $(shell find global_stack/site -name node_modules -prune -o -type f -print)

.PHONY: help setup drill test test-code test-stacks test-tools test-lab matrix mutants bench sbom up down check fmt synth site deploy lock clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## Make the virtual environment in .venv, with the relevo command in it

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("relevo: Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "setting up $(VENV): about a minute, once"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	@touch $@

synth: $(SYNTH) ## Synthesize the CloudFormation templates into cdk.out, offline

$(SYNTH): $(READY) $(SOURCES)
	@$(BIN)/python -m regions.package
	@CDK_OUTDIR=cdk.out $(BIN)/python app.py
	@touch $@

site: $(SITE) ## Build the dashboard page into .build/site

# Its packages are pinned with hashes in package-lock.json, and none of their scripts is run.
global_stack/site/node_modules/.package-lock.json tests/site/node_modules/.package-lock.json: %/node_modules/.package-lock.json: %/package-lock.json $(READY)
	@$(BIN)/npm --prefix $* ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(SITE): global_stack/site/node_modules/.package-lock.json $(SITE_SOURCES)
	@$(BIN)/npm --prefix global_stack/site run --silent build
	@touch $@

drill: $(SYNTH) ## Growth to 10x and the loss of a Region at 10x, judged: out/drill/report.html
	@$(BIN)/relevo drill growth --out out/drill

# The lab's tests wait more than they work: the others, at a lower priority, take what they leave.
test: ## All checks, all tests, and a quick region-loss drill in the lab
	@echo "checks, tests and a drill: about ten minutes; each suite tells what came of it when it ends"
	@$(MAKE) --no-print-directory --jobs=2 $(SYNTH) $(SITE) tests/site/node_modules/.package-lock.json
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=target test-lab test-stacks test-code test-tools check
	@$(BIN)/relevo drill region-loss --quick --out out/test-drill

matrix: $(SYNTH) ## Every fault in every situation, in either Region, judged: out/matrix/matrix.html
	@$(BIN)/relevo drill matrix --quick

mutants: $(SYNTH) ## Remove every guard in turn; one whose test does not notice is red
	@$(BIN)/python -m tests.mutants

bench: $(SYNTH) ## Calls, units, milliseconds and rates: out/bench.json and a table
	@$(BIN)/relevo bench --lab

sbom: $(READY) ## The bills of materials with licences, CycloneDX: out/sbom.json, and out/sbom-page.json of the page
	@mkdir -p out
	@$(BIN)/cyclonedx-py environment $(VENV) --pyproject pyproject.toml --of JSON --sv 1.6 --output-reproducible -o out/sbom.json
	@$(BIN)/npm --prefix global_stack/site --silent sbom --package-lock-only --sbom-format cyclonedx > out/sbom-page.json

# Apart: the component suite keeps one mock of AWS for its whole session, and the runbooks' tests make their own.
test-code: $(SYNTH)
	@nice $(BIN)/python -m pytest tests/unit tests/component tests/simulation

test-stacks: $(SYNTH)
	@nice $(BIN)/python -m pytest tests/runbooks tests/infra

# The lab's own parts and the page's: what needs no Regions.
test-tools: $(SYNTH) $(SITE) tests/site/node_modules/.package-lock.json
	@nice $(BIN)/python -m pytest -m "not lab" tests/lab tests/site

test-lab: $(SYNTH) $(SITE) tests/site/node_modules/.package-lock.json
	@$(BIN)/python -m pytest -m lab tests/lab tests/site

check: $(SYNTH) ## ruff, mypy --strict, import contracts, cfn-lint (cdk-nag runs at synth)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/cfn-lint cdk.out/*.template.json

fmt: $(READY) ## Format the code
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

up: $(SYNTH) $(SITE) ## Start the lab: two Regions on this machine, until Ctrl-C
	@$(BIN)/relevo up

down: $(READY) ## Stop the lab and every process of it
	@$(BIN)/relevo down

deploy: $(SYNTH) $(SITE) ## Deploy to AWS, Region by Region, each baked and taken back if bad, then the page (first: RELEASE=--first)
	@$(BIN)/relevo release --yes $(RELEASE)
	@$(BIN)/python -m global_stack.publish

lock: $(READY) ## Pin all dependencies again (here and in the Lambda package), with hashes
	@$(BIN)/uv pip compile pyproject.toml --group test --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock
	@$(BIN)/uv pip compile regions/handlers/requirements.in --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet -o regions/handlers/requirements.lock

clean: ## Remove everything that was built, the virtual environment included
	@rm -rf global_stack/site/node_modules tests/site/node_modules
	@rm -rf $(VENV) .build cdk.out out .pytest_cache .mypy_cache .ruff_cache .hypothesis relevo.egg-info
