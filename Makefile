# Two commands do everything: `make demo` and `make test`. `make check` is what CI runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check lint types house kernel clean bench messages screenshots

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/aboveboard demo birdsite

test: $(STAMP)
	$(BIN)/python -m pytest -n auto

# the compiled kernel, beside its sources: after a change of one of them
kernel: $(STAMP)
	$(BIN)/python hatch_build.py

lint: $(STAMP)
	$(BIN)/ruff check src tests bench hatch_build.py
	$(BIN)/ruff format --check src tests bench hatch_build.py

types: $(STAMP)
	$(BIN)/mypy

house: $(STAMP)
	$(BIN)/lint-imports

check: lint types house test

bench: $(STAMP)
	$(BIN)/python bench/release.py
	$(BIN)/python bench/scrub.py
	$(BIN)/python bench/ledger.py
	$(BIN)/python bench/log.py
	$(BIN)/python bench/proof.py
	$(BIN)/python bench/portal.py

# what the pages say, for translators, and the pseudo-language made from it
messages: $(STAMP)
	$(BIN)/python -m aboveboard.portal.catalogue

screenshots: $(STAMP)
	$(BIN)/python docs/screenshots.py

clean:
	rm -rf $(VENV) birdsite build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
