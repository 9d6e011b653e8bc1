# Everything from a bare checkout: Python 3.11+, pip, make, git. `make help` tells what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check bench docs lock clean

help: ## tell what can be made
	@echo "mtfleet: a MetaTrader account cloud that you run yourself"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16
	@echo "The first run prepares $(VENV) from the locked requirements; PYTHON=… chooses the interpreter."

demo: $(VENV)/.server ## start a server on a simulated broker, add an account, show prices (ARGS=--once ends there)
	@$(BIN)/mtfleet demo $(ARGS)

test: $(VENV)/.dev ## run every test: in random order on two workers, then the whole program and a browser
	@failed=0; \
	echo "== unit and integration tests"; \
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not e2e" $(ARGS) || failed=1; \
	echo "== whole program and browser"; \
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m e2e $(ARGS) || failed=1; \
	exit $$failed

check: $(VENV)/.dev ## format, lint, types, floors, documentation links
	@echo "== ruff"; $(BIN)/ruff format --check -q . && $(BIN)/ruff check -q .
	@echo "== mypy"; $(BIN)/python -m mypy --no-error-summary
	@echo "== imports point down"; $(BIN)/lint-imports --no-logo > $(VENV)/.imports.log 2>&1 || { cat $(VENV)/.imports.log; exit 1; }
	@echo "== documentation"; $(BIN)/python docs/check.py --quiet
	@echo "all clean"

bench: $(VENV)/.dev ## print the measures beside their aims (ARGS="startup fleet" for some of them)
	@$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/.dev ## check the documentation's links and list its pages
	@$(BIN)/python docs/check.py

lock: $(VENV)/.python ## pin the newest allowed versions again (needs a package index)
	@echo "== preparing uv"; $(PIP) install uv
	@for set in server dev; do \
		echo "== pinning requirements/$$set.txt"; \
		groups="--group build"; [ $$set = dev ] && groups="--group dev"; \
		$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-header --no-annotate --extra server --extra postgres $$groups \
			-o requirements/$$set.txt > /dev/null || exit 1; \
	done

clean: ## remove all that was made here, except data directories
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: each step is done once, and again when what it was made from changes.
$(VENV)/.python:
	@command -v $(PYTHON) > /dev/null || { echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "mtfleet needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1). Name a newer one: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "== making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV) > /dev/null 2>&1 || { \
		$(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --disable-pip-version-check --quiet --python $(BIN)/python install pip; }
	@touch $@

$(VENV)/.server: requirements/server.txt pyproject.toml $(VENV)/.python
	@echo "== installing the server's requirements (once)"
	@$(PIP) install --require-hashes -r requirements/server.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml $(VENV)/.python
	@echo "== installing requirements for development (once)"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.server $@
