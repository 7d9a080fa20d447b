# make demo: set up and replay the example recordings.   make test: set up and run all checks.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The CPU build; a bare "torch" would pull gigabytes of GPU libraries.
TORCH  := torch==2.13.0

.PHONY: demo test install fix check bench clean

$(BIN)/tokenthrift: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: pyproject.toml $(BIN)/tokenthrift
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,all]'
	touch $@

demo: $(BIN)/tokenthrift
	$(BIN)/tokenthrift replay examples/recordings/*.jsonl --policy policies/balanced.yaml
	@echo
	$(BIN)/tokenthrift plan examples/requests/failing_test.json --policy policies/balanced.yaml

install: $(VENV)/.dev

fix: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/tokenthrift policy check policies/*.yaml

test: check
	$(BIN)/pytest -n auto

bench: install
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
