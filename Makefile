# Every command of the project; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run test check lint format types bench chaos vendor screenshots requirements clean

# The newest Python the pinned packages were locked for comes first.
SYSTEM_PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
PYTHON := .venv/bin/python
# What pytest runs; `make check ARGS="tests/models -x"` narrows it.
ARGS ?= tests

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## install what is missing, then start everything; Ctrl-C stops everything
	@$(or $(SYSTEM_PYTHON),$(error Team Room needs Python 3.11 or newer on the PATH)) scripts/setup.py run
	@$(PYTHON) scripts/run.py

test: ## install what tests need, then format, lint, types and every test on both databases
	@$(or $(SYSTEM_PYTHON),$(error Team Room needs Python 3.11 or newer on the PATH)) scripts/setup.py test
	@$(PYTHON) scripts/test.py

check: ## only pytest, for example make check ARGS="tests/models -x"
	@$(PYTHON) -m pytest $(ARGS)

lint: ## format check and lint, changing nothing
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .

format: ## format and fix what can be fixed by itself
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

types: ## check the types
	@$(PYTHON) -m mypy
