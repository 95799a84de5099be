# `make dogfood` runs the main job and `make test` the tests. Both install their dependencies first.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
# With the optional parts: Spark, Trino's client, Java and Maven.
FULL := .venv/.full
# Two processes; tests that share a broker, Spark or a module's fixtures stay in one of them (tests/shared.py).
# A crashed process ends the run as a failure; otherwise xdist would restart the crashing test for ever.
PYTEST := $(BIN)/pytest -n 2 --dist loadgroup --max-worker-restart 0 --durations 20

# `make` exits with 2 for every failed recipe, so the run's exit code is the recipe's last line.
define TELL_EXIT
code=$$?; case $$code in 0) word=GO;; 1) word=NO-GO;; 2) word='wrong use';; 3) word=INCONCLUSIVE;; \
  4) word=INVALID;; *) word='ended by a signal or the shell';; esac; \
  echo "make itself exits with 0 or 2; scripts call .venv/bin/dogfood run"; echo "exit code $$code: $$word"; exit $$code
endef

.DEFAULT_GOAL := help
.PHONY: help setup setup-full doctor dogfood dogfood-real dogfood-full test test-all chaos lint format coverage mutation docs reference picture bench pins clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## Create the virtual environment with the pinned packages; install PHP and Chromium if missing.

$(STAMP): requirements/dev.txt requirements/uv.txt requirements/system.sh pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@echo "setting up .venv with the pinned packages: about a minute"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.txt requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@bash requirements/system.sh
	@touch $@

setup-full: $(FULL) ## Like setup, with the optional parts: Spark, Trino's client, Java and Maven.

$(FULL): $(STAMP) requirements/full.txt
	@echo "adding Spark and Trino's client to .venv"
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/full.txt requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@bash requirements/system.sh java
	@touch $@

doctor: ## List missing system packages without installing anything.
	bash requirements/system.sh --check; wiki=$$?; bash requirements/system.sh --check java && exit $$wiki

dogfood: setup ## Run the main job against the testbed on this machine: GO or NO-GO.
	@$(BIN)/dogfood run --fidelity browser,wiki,synthetic $(ARGS); $(TELL_EXIT)

dogfood-real: setup ## Test the real extensions (EXTENSIONS=DIR) and intake (INTAKE=URL OBSERVED=FILE); print one table.
	$(BIN)/dogfood real $(if $(EXTENSIONS),--extensions $(EXTENSIONS)) $(if $(INTAKE),--intake $(INTAKE)) \
	  $(if $(OBSERVED),--observed $(OBSERVED)) $(if $(GENERATION),--generation $(GENERATION)) $(ARGS)

dogfood-full: setup-full ## Run the main job with Kafka and with Hive by Spark, in a separate testbed.
	$(BIN)/dogfood up --testbed .testbed/full --stream kafka
	@$(BIN)/dogfood run --testbed .testbed/full --table hive --fidelity browser,wiki,synthetic $(ARGS); $(TELL_EXIT)

test: setup-full lint ## Check style, types and imports, and run the tests.
	$(PYTEST) -m "not slow" $(ARGS)

test-all: setup-full lint ## Like test, with the slow tests.
	$(PYTEST) $(ARGS)

chaos: setup-full ## Kill each component during a run, KILLS times (default 20), and report the results; takes hours.
	$(BIN)/python -m tests.chaos --kills $(or $(KILLS),20) $(ARGS)

lint: setup-full ## Check style, types and imports.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports --config pyproject.toml

format: setup ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: setup-full ## Measure branch coverage of analysis, personas and contracts; fail under 95 %.
	$(BIN)/pytest -m "not slow" -q --cov=analysis --cov=personas --cov=contracts --cov-branch --cov-report=term-missing:skip-covered \
	  --cov-fail-under=95 tests/analysis tests/personas tests/contracts tests/run_record \
	  tests/testbed/stream/kafka/test_reading.py $(ARGS)

mutation: setup ## Mutate the assignment and the reconciliation; list the surviving mutants.
	$(BIN)/mutmut run
	$(BIN)/mutmut results

docs: setup reference ## Build the documentation site in site/.
	bash requirements/site.sh
	$(BIN)/zensical build --clean --strict
	@echo "open site/index.html"

reference: setup ## Regenerate docs/reference/cli.md from the commands.
	$(BIN)/python -m dogfood.cli_reference > .cli.draft
	mv .cli.draft docs/reference/cli.md

picture: setup ## Render README's picture from the report of a run (RUN, default: latest).
	$(BIN)/python -m bench.picture $(RUN)

bench: setup-full ## Measure costs, each with a named peer in the same run.
	$(BIN)/python -m bench.rendering
	$(BIN)/python -m bench.intake
	$(BIN)/python -m bench.sending
	$(BIN)/python -m bench.browsing
	$(BIN)/python -m bench.analysis
	$(BIN)/python -m bench.statistics
	$(BIN)/python -m bench.table

pins: setup ## Update the pins from requirements/*.in.
	for name in uv base kafka lakes spark trino dev full; do \
	  $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --universal \
	    --python-version 3.11 requirements/$$name.in -o requirements/$$name.txt; done

clean: ## Stop the testbed and remove the virtual environment, the testbed's data and the runs.
	-$(BIN)/dogfood down
	-$(BIN)/dogfood down --testbed .testbed/full
	rm -rf .venv .testbed runs site mutants
