# Every target sets itself up: it needs Python 3.11 or later, pip, and the package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUT := build/demo

.PHONY: help demo test lint types unit soak bench clean

help:
	@echo "make demo    rank a sample picture, offline, and write a report"
	@echo "make test    lint, types and all tests"
	@echo "make soak    the long tests: 100,000 mutated inputs a reader, many kills"
	@echo "make bench   the benchmarks"
	@echo "make clean   remove what these made"

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "expected Python 3.11 or later, found " + sys.version.split()[0] + "; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)
	@mkdir -p $(OUT)
	$(BIN)/harvest midjourney --discord-export 'data/sample/discord/*.json' --out $(OUT)/midjourney
	$(BIN)/attribute --image data/sample/gen.png --prompt "$$(head -n 1 data/sample/prompts.txt)" \
	  --candidates data/sample/candidates --offline --top 5 --report $(OUT)/report.html
	@echo "open $(OUT)/report.html"

test: lint types unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/pytest --numprocesses auto --durations=10

soak: $(READY)
	$(BIN)/pytest -m soak --durations=20

bench: $(READY)
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
