# Every target sets itself up: it needs Python 3.11 or later, pip, and the package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
USABLE := $(VENV)/.usable
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
SIDE_BY_SIDE := --numprocesses auto --dist worksteal
OUT := build/demo
PROOF := build/validate
EMOJI := emoji-datasource-twitter-16.0.0 emoji-datasource-google-16.0.0

.PHONY: help demo test quick lint types unit soak bench validate-small validate-full clean

help:
	@echo "make demo    rank a sample picture, offline, and write a report"
	@echo "make test    lint, types and all tests"
	@echo "make quick   lint, types and the tests that take no seconds: under a minute"
	@echo "make soak    the long tests: 100,000 mutated inputs a reader, many kills"
	@echo "make bench   the benchmarks"
	@echo "make validate-small   prove it: a local model forgets; minutes, needs npm for the emoji"
	@echo "make validate-full    the same for figures; some three hours, goes on where it stopped"
	@echo "make clean   remove what these made"

# What a user needs; pip shows each package as it comes.
$(USABLE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "expected Python 3.11 or later, found " + sys.version.split()[0] + "; set PYTHON=python3.11")'
	@echo "== 1 of 2: an environment of its own in $(VENV)"
	$(PYTHON) -m venv $(VENV)
	@echo "== 2 of 2: whence and what it needs, pinned by constraints.txt"
	$(PIP) --editable .
	@touch $@

# What a developer needs besides.
$(READY): $(USABLE)
	@echo "== linter, type checker, test runner and what the tests compare with"
	$(PIP) --editable '.[dev]'
	@touch $@

demo: $(USABLE)
	@mkdir -p $(OUT)
	@echo "== harvest: a sample Discord export becomes a dataset"
	$(BIN)/harvest midjourney --discord-export 'data/sample/discord/*.json' --out $(OUT)/midjourney
	@echo "== attribute: a generated picture against 79 candidates, offline"
	$(BIN)/attribute --image data/sample/gen.png --prompt "$$(head -n 1 data/sample/prompts.txt)" \
	  --candidates data/sample/candidates --offline --top 5 --report $(OUT)/report.html
	@echo "open $(OUT)/report.html"

test: lint types unit

# Checks keep what they found (.ruff_cache, .mypy_cache), so that only what changed is looked at.
quick: lint types $(READY)
	$(BIN)/pytest tests/unit -m "not torch and not subprocess and not slow" $(SIDE_BY_SIDE)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/pytest $(SIDE_BY_SIDE) --durations=10

soak: $(READY)
	$(BIN)/pytest -m soak --durations=20

bench: $(READY)
	$(BIN)/python benchmarks/run.py

$(PROOF)/%.tgz:
	@mkdir -p $(PROOF)
	@command -v npm >/dev/null || { echo "expected npm, which fetches the emoji; install Node.js"; exit 1; }
	cd $(PROOF) && npm pack --silent $(shell echo $* | sed 's/-\([0-9]\)/@\1/')

# The small one has two categories: describing pictures is then no part of the time.
validate-small: $(READY) $(EMOJI:%=$(PROOF)/%.tgz)
	for set in $(EMOJI); do $(BIN)/harvest captions $(PROOF)/$$set.tgz --out $(PROOF)/small-$$set \
	  --category "Animals & Nature" --category "Food & Drink" || exit 1; done
	$(BIN)/attribute validate run $(EMOJI:%=$(PROOF)/small-%) --size small --out $(PROOF)/small

validate-full: $(READY) $(EMOJI:%=$(PROOF)/%.tgz)
	for set in $(EMOJI); do $(BIN)/harvest captions $(PROOF)/$$set.tgz --out $(PROOF)/$$set || exit 1; done
	$(BIN)/attribute validate run $(EMOJI:%=$(PROOF)/%) --size full --out $(PROOF)/full
	for set in $(EMOJI); do $(BIN)/attribute validate run $(PROOF)/$$set --size full --part lds \
	  $(EMOJI:%=--tokenizer-from $(PROOF)/%) --out $(PROOF)/full-$$set || exit 1; done
	$(BIN)/attribute validate fit $(EMOJI:%=$(PROOF)/full-%)
	$(BIN)/attribute validate fit $(foreach set,$(lastword $(EMOJI)) $(firstword $(EMOJI)),$(PROOF)/full-$(set))
	for set in $(EMOJI); do $(BIN)/attribute validate run $(PROOF)/$$set --size full --part lds \
	  $(EMOJI:%=--tokenizer-from $(PROOF)/%) --out $(PROOF)/full-$$set || exit 1; done  # with the fits

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
