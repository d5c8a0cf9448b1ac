# Every command of the project; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run test lint format types bench chaos vendor requirements clean

# The newest Python the pinned packages were locked for comes first.
SYSTEM_PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
PYTHON := .venv/bin/python
SETUP = $(or $(SYSTEM_PYTHON),$(error Team Room needs Python 3.11 or newer on the PATH)) -m scripts.setup
# What is passed on to pytest; `make test ARGS="tests/models -x"` narrows it.
ARGS ?= -n auto --dist worksteal

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## install what is missing, then start everything; Ctrl-C stops everything
	@$(SETUP) run
	@$(PYTHON) -m scripts.run

test: ## install what tests need, then format, lint, types and every test on both databases
	@$(SETUP) test
	@# What pytest compiles is kept, also where Python was told to keep nothing: each worker took 9 s to do it anew.
	@PYTHONDONTWRITEBYTECODE= $(PYTHON) -m pytest $(ARGS)

lint: ## format check and lint, changing nothing
	@$(SETUP) check
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .

format: ## format and fix what can be fixed by itself
	@$(SETUP) check
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

types: ## check the types
	@$(SETUP) check
	@$(PYTHON) -m mypy

bench: ## measure the promises, each against a limit or a peer, into bench/RESULTS.md
	@$(SETUP) run
	@$(PYTHON) -m bench

chaos: ## the long fault runs, of which `make test` runs a twentieth
	@$(SETUP) test
	@CHAOS=20 $(PYTHON) -m pytest $(ARGS) -o faulthandler_timeout=1800 tests/faults tests/queues/test_killed.py \
		tests/queues/test_actions_killed.py tests/queues/test_pipeline_killed.py \
		tests/queues/test_inspecting.py tests/queues/test_any_order.py tests/models/test_deciding.py \
		tests/webapp/test_fuzz.py

vendor: ## build the browser's modules again, into static/vendor
	@rm -rf static/vendor
	@$(SETUP) run

requirements: ## lock the packages anew, with hashes
	@$(PYTHON) -m venv .venv/locking
	@.venv/locking/bin/pip install --quiet pip-tools
	@for name in requirements requirements-dev; do \
		CUSTOM_COMPILE_COMMAND="make requirements" .venv/locking/bin/pip-compile --quiet \
		--generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
		--no-emit-trusted-host --no-emit-find-links $$name.in -o $$name.txt; done

clean: ## remove what was installed or built; the data in var/ stays
	@rm -rf .venv node_modules static/vendor .mypy_cache .pytest_cache .ruff_cache .hypothesis
