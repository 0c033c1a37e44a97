# `make run` and `make test` do all their own set-up: they need Python 3.11 or newer and nothing else.

VENV := .venv
BIN := $(VENV)/bin
ARGS :=

.DEFAULT_GOAL := help
.PHONY: help run worker test chaos lint bench clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/ready-to-run ## start Baton on this machine, and open the printed link
	@$(BIN)/baton run $(ARGS)

worker: $(VENV)/ready-to-run ## add one more worker to a running `make run`
	@$(BIN)/baton worker $(ARGS)

test: $(VENV)/ready-to-build ## run the tests on every Redis and database found here (ARGS="-k cover")
	@$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal $(ARGS)

chaos: $(VENV)/ready-to-build ## kill and starve everything for minutes, and print the numbers
	@$(BIN)/python -m pytest -s tests/chaos/test_*.py $(ARGS)

lint: $(VENV)/ready-to-build ## style, types, and the arrows between the floors
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/ready-to-build ## measure runs per second, Redis commands per run, and latency
	@$(BIN)/python -m bench $(ARGS)

clean: ## remove the virtual environment and every cache, but no data
	@rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +

# One bootstrap for everybody. The stamp is newer than what was installed from: the second time is instant.
$(VENV)/ready-to-run: requirements.txt pyproject.toml .ci/bootstrap
	@.ci/bootstrap $(VENV) requirements.txt
	@touch $@

$(VENV)/ready-to-build: requirements-dev.txt $(VENV)/ready-to-run
	@.ci/bootstrap $(VENV) requirements-dev.txt
	@touch $@
