# The README's commands. `make quickstart` and `make test` make the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: quickstart test test-cluster lint types clean
.DELETE_ON_ERROR:

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

quickstart: $(STAMP)
	$(BIN)/python jobs/tune_glue.py

test: $(STAMP)
	$(BIN)/python -m pytest -m "not cluster"

test-cluster: $(STAMP)
	$(BIN)/python -m pytest -m cluster

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

clean:
	rm -rf $(VENV)
