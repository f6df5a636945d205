# Two commands set klamm up: `make run` serves on localhost:9092, `make test` runs every check.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: run test bench fuzz kills crashes consoles lint format clean

run: $(VENV)/.run
	$(BIN)/klamm serve $(ARGS)

test: lint
	$(BIN)/pytest $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(BIN)/python -m compat_tests.bench $(ARGS)

# A million damaged messages, thousands of schemas that nobody wrote, and thousands of stories of a log against its model;
# `make test` does the same on a small scale.
fuzz: $(VENV)/.dev
	KLAMM_FUZZ_INPUTS=1000000 KLAMM_FUZZ_SCHEMAS=2000 $(BIN)/pytest tests/wire/test_bounds.py tests/wire/test_random_schemas.py $(ARGS)
	KLAMM_LOG_EXAMPLES=5000 KLAMM_COMPACTION_EXAMPLES=5000 $(BIN)/pytest tests/storage/test_log_model.py tests/storage/test_compaction_model.py $(ARGS)

# Coordinators killed under clients that consume, process and produce exactly once: 5,000 seeds, and 200 real kill -9.
kills: $(VENV)/.dev
	KLAMM_KILL_SEEDS=5000 KLAMM_PROCESS_KILLS=200 $(BIN)/pytest tests/coordinator/test_kills.py tests/coordinator/test_process_kills.py $(ARGS)

# 50 times kill -9 under load in each of four ways: records and transactions, in the page cache and on the device; and the
# power cut at every step of a recorded run, each time in 40 ways.
crashes: $(VENV)/.dev
	KLAMM_KILLS=50 KLAMM_POWER_CUTS=40 $(BIN)/pytest -s compat_tests/kill tests/storage/test_power_loss.py tests/broker/test_power_loss.py $(ARGS)

# What lag tools and consoles in Go ask, too: two programs that take minutes to build on a machine that never did.
consoles: $(VENV)/.dev
	KLAMM_CONSOLES=1 $(BIN)/pytest compat_tests/consoles $(ARGS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,compat]'
	touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
