# Two commands matter: `make demo` and `make test`. Both make their environment first if need be.
PYTHON ?= python3
VENV ?= .venv
WORKSPACE ?= workspace
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

.PHONY: help demo test test-all check bench clean

help:
	@echo "make demo      an edge that is learned, noise that is not, 27 strategies on real EURUSD bars"
	@echo "make test      lint, types, import floors and the tests (under 8 minutes on 2 cores)"
	@echo "make test-all  the slow tests too"
	@echo "make check     lint, types and import floors alone"
	@echo "make bench     every benchmark, one JSON line each"

# The lean environment: everything a campaign needs, without PyTorch.
$(VENV)/.lean: pyproject.toml constraints.txt
	@echo "Making the environment in $(VENV): about 36 packages, 600 MB on disk, 1-2 minutes."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "marketlab needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --editable .
	@touch $@

# The tests need PyTorch too: it is the reference that the compiled trainer must reproduce.
$(VENV)/.dev: $(VENV)/.lean
	@echo "Adding PyTorch (the trainer's reference) and the test tools: about 1.1 GB on disk, 1-2 minutes."
	@$(PIP) --editable ".[deep,dev,postgres,ccxt,yfinance]"
	@$(BIN)/marketlab data fetch-bundled
	@touch $@

demo: $(VENV)/.lean
	@$(BIN)/marketlab --workspace $(WORKSPACE) demo

test: check
	@$(BIN)/marketlab warmup
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile -m "not slow and not gpu and not network"

test-all: check
	$(BIN)/pytest -m "not gpu"

check: $(VENV)/.dev
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	@for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
