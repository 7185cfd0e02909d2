# Two commands for a person: `make demo` and `make test`. Both start from nothing but python3 (>= 3.11) and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# several hundred processes are started: none shall compile the program anew because it may not keep what it compiled
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test thorough lint types pytest docs install dev clean

demo: $(VENV)/.installed
	$(BIN)/qmtl run --config demo.yaml --fresh

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist worksteal -q

# the same tests with ten times the examples of every costly law: long, and not part of `make test`
thorough: $(VENV)/.dev
	QMTL_LAWS=long $(BIN)/pytest -n 2 --dist worksteal -q

lint: $(VENV)/.dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

pytest: $(VENV)/.dev
	$(BIN)/pytest -n 2 --dist worksteal -q

# the pages that are made from schemas, the table of functions and the registry of reasons
docs: $(VENV)/.dev
	$(BIN)/python -m qmtl.dsl.reference docs/reference
	$(BIN)/python -m qmtl.engine.reasontable docs/reference

install: $(VENV)/.installed
dev: $(VENV)/.dev

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "qmtl needs Python 3.11 or newer, this is %d.%d; run: make PYTHON=/path/to/python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) out build dist *.egg-info
