# The README's commands. `make quickstart` and `make test` make the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# For `make submit`: which command, its arguments, and where Ray's Jobs API is (docs/how-to/cluster.md).
COMMAND ?= tune
ARGS ?=
RAY_API_SERVER_ADDRESS ?= http://127.0.0.1:8265
export RAY_API_SERVER_ADDRESS
# Processes that run the tests of `make test-fast`.
WORKERS ?= 2

# Tests of lanes, of whole searches and of the same numbers as transformers.Trainer: those marked `internals` run with
# every hook into private names off (docs/explanation/internals.md) and with other versions of Ray, too.
INTERNALS_TESTS := tests/integration/test_lane_placement.py tests/integration/test_lane_survival.py \
	tests/integration/test_search_whole.py
TRAINER_TESTS := tests/integration/test_training_equals_trainer.py

.PHONY: quickstart submit test-fast test test-cluster test-docs test-internals-off test-ray test-transformers lint \
	types coverage docs reference clean
.DELETE_ON_ERROR:

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

quickstart: $(STAMP)
	$(BIN)/python jobs/tune_glue.py

submit: $(STAMP)
	$(BIN)/gluetune submit -- $(COMMAND) $(ARGS)

test-fast: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not cluster and not ray and not slow" tests/unit

# Two series of tests that share the cores: these files, most of them tests of Ray, whose output is printed last, and all
# others, among them some more of Ray, so that both take about as long. Tests of Ray wait often: their series has priority.
FIRST_SERIES := $(addprefix tests/integration/test_,api_whole.py confirmation_whole.py finetune_whole.py lane_placement.py \
	lane_prestart.py lane_survival.py own_tasks_whole.py pretraining_transfer.py search_cluster.py search_encoders.py \
	search_folds.py search_limits.py search_whole.py) \
	tests/contract/test_contract_onnx.py

test: $(STAMP)
	log=$$(mktemp); \
	$(BIN)/python -m pytest -m "not cluster and not docs" --durations=25 $(FIRST_SERIES) > $$log 2>&1 & first=$$!; \
	nice -n 5 $(BIN)/python -m pytest -m "not cluster and not docs" --durations=25 $(addprefix --ignore=,$(FIRST_SERIES)); \
	others=$$?; \
	wait $$first; first=$$?; cat $$log; rm $$log; exit $$((first + others))

test-cluster: $(STAMP)
	$(BIN)/python -m pytest -m cluster -p no:randomly --durations=25 tests/cluster tests/integration tests/unit/benchmarks

# Commands and programs of README and docs/, the job files and notebooks of examples/.
test-docs: $(STAMP)
	$(BIN)/python -m pytest -m docs -p no:randomly --durations=25 tests/docs

test-internals-off: $(STAMP)
	GLUETUNE_INTERNALS=off $(BIN)/python -m pytest -m internals --durations=10 $(INTERNALS_TESTS) $(TRAINER_TESTS)

# RAY=2.57.1 and TRANSFORMERS=5.8.0: the version is installed in a temporary folder in front of the environment.
test-ray: $(STAMP)
	tests/other_version.sh $(BIN)/python "ray==$(RAY)" -m internals $(INTERNALS_TESTS)

test-transformers: $(STAMP)
	tests/other_version.sh $(BIN)/python "transformers==$(TRANSFORMERS)" \
		tests/unit/models/test_models_families.py tests/integration/test_training_speedups.py $(TRAINER_TESTS)

lint: $(STAMP)
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/lint-imports --no-cache

types: $(STAMP)
	$(BIN)/mypy

# The share of lines that the tests run, in the tests' own processes; a report, without a limit that must be reached.
coverage: $(STAMP)
	$(BIN)/python -m pytest -m "not cluster and not docs" --cov --cov-report=term --cov-report=html

# The pages of docs/reference that are made from the code.
reference: $(STAMP)
	$(BIN)/python docs/generate

docs: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	$(BIN)/mkdocs build --quiet

clean:
	rm -rf $(VENV)
