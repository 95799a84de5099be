# The two that matter: `make dogfood` runs the main job, `make test` the tests. Both set up what they need.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup dogfood test test-all lint format bench pins clean

help: ## Show what can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## Make the virtual environment with the pinned packages; install PHP and Chromium where missing.

$(STAMP): requirements/dev.txt requirements/uv.txt requirements/system.sh pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.txt requirements/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	bash requirements/system.sh
	touch $@

dogfood: setup ## Run the main job against the testbed on this machine and say GO or NO-GO.
	$(BIN)/dogfood run --fidelity browser,wiki,synthetic $(ARGS)

test: setup lint ## Check style, types and imports, and run the tests.
	$(BIN)/pytest -m "not slow" $(ARGS)

test-all: setup lint ## The same with the slow tests.
	$(BIN)/pytest $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports --config pyproject.toml

format: setup ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## Print what things cost, beside a named peer in the same run.
	$(BIN)/python -m bench.rendering
	$(BIN)/python -m bench.intake
	$(BIN)/python -m bench.browsing
	$(BIN)/python -m bench.analysis
	$(BIN)/python -m bench.statistics

pins: setup ## Resolve requirements/*.in anew.
	for name in uv base kafka dev; do \
	  $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --universal \
	    --python-version 3.11 requirements/$$name.in -o requirements/$$name.txt; done

clean: ## Stop the testbed and remove the virtual environment, the testbed's data and the runs.
	-$(BIN)/dogfood down
	rm -rf .venv .testbed runs
