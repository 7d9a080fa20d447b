# make demo: set up and replay the example recordings.   make test: set up and run all checks.
# make proxy: the plugin inside a real LiteLLM proxy (an environment of its own, about 750 MB).
# make nightly: the invariants on very many generated requests (about an hour on two cores).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The CPU build; a bare "torch" would pull gigabytes of GPU libraries.
TORCH  := torch==2.13.0

.PHONY: demo test nightly install fix check bench proxy clean

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

# Each invariant on more than 10,000 generated requests, new ones each time, and larger hostile texts.
nightly: install
	TOKENTHRIFT_EXAMPLES_TIMES=100 $(BIN)/pytest -n 2 tests/test_invariants.py
	TOKENTHRIFT_EXAMPLES_TIMES=100 $(BIN)/pytest -n 2 tests/test_hostile.py
	TOKENTHRIFT_EXAMPLES_TIMES=100 $(BIN)/pytest tests/test_limits_crash.py tests/test_ledger_crash.py
	TOKENTHRIFT_EXAMPLES_TIMES=20 $(BIN)/pytest -n 2 tests/test_limits_store.py tests/test_limits.py tests/test_limits_windows.py

# The plugin inside a real LiteLLM proxy, whose many packages stay apart.
proxy: install .venv-proxy/bin/python
	TOKENTHRIFT_PROXY_PYTHON=.venv-proxy/bin/python $(BIN)/pytest tests/test_litellm_proxy.py tests/test_litellm_proxy_process.py

.venv-proxy/bin/python: pyproject.toml
	$(PYTHON) -m venv .venv-proxy
	.venv-proxy/bin/python -m pip install --quiet --disable-pip-version-check --editable . 'litellm[proxy]>=1.80'
	touch $@

bench: install
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) .venv-proxy .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
