# Every target sets up what it needs first; where there is nothing to do that takes well under a second.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
# The package with its deciders compiled, and where it finds the servers; where there is no C compiler the path is empty, and the source is run.
COMPILED = PYTHONPATH="$$($(BIN)/python deploy/compiling.py)" MOTET_KAFKA_LIBS="$${MOTET_KAFKA_LIBS:-$(CURDIR)/build/servers}"
# It is for set-up alone: among a service's settings an unknown MOTET_ name is an error.
unexport MOTET_PYTHON

.PHONY: help setup check compiled motet test mutants demo bench bench-peers bench-profile simulate up down clean

help: ## Shows this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Makes .venv and build/servers; again only what changed. MOTET_PYTHON names another Python.
	@MOTET_PYTHON='$(MOTET_PYTHON)' deploy/setup

check: setup ## Format, lint, types, import rules, dependencies, generated code: nothing is changed.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry services
	$(BIN)/python -m motet.catalog.generate --check

compiled: setup ## Makes build/compiled: the deciders compiled by mypyc, for `make bench` and `motet simulate`. Again only what changed.
	@$(BIN)/python deploy/compiling.py >/dev/null

motet: compiled ## Any command, compiled: ARGS="audit --ledgers", ARGS="rebuild". Worth it for long logs.
	@$(COMPILED) $(BIN)/motet $(ARGS)

test: check ## All checks and all tests, on real Kafka and PostgreSQL. ARGS="-k name" goes to pytest.
	$(BIN)/python -m pytest $(ARGS)

mutants: setup ## Breaks the product in small ways, one after the other: a named test must notice each. ARGS="NAME" tries one.
	@$(BIN)/python tests/mutating.py $(ARGS)

demo: setup ## The main job: 200 scenarios and 10,000 transfers with crashes, compared with the serial reference.
	@$(BIN)/motet demo $(ARGS)

bench: compiled ## Throughput and latency on this machine. ARGS="--json" for programs.
	@$(COMPILED) $(BIN)/motet bench $(ARGS)

bench-peers: compiled ## Motet and other engines at the same work, side by side. ARGS="--peers motet,dbos --shapes single,killed".
	@PYTHONPATH="$$($(BIN)/python deploy/compiling.py):tests" MOTET_KAFKA_LIBS="$${MOTET_KAFKA_LIBS:-$(CURDIR)/build/servers}" $(BIN)/python -m benchmarks.peers $(ARGS)

bench-profile: compiled ## Where the time of a call goes: processor time by process, and flame graphs under build/profile. ARGS="--page".
	@PYTHONPATH="$$($(BIN)/python deploy/compiling.py):tests" MOTET_KAFKA_LIBS="$${MOTET_KAFKA_LIBS:-$(CURDIR)/build/servers}" $(BIN)/python -m benchmarks.profiling $(ARGS)

simulate: setup ## The deciders in 2,000 simulated worlds. ARGS="--seed N --runs M --workers 2" for others.
	@$(BIN)/motet simulate $(ARGS)

up: setup ## Starts Kafka, PostgreSQL, the schema registry and Motet's services under .motet.
	@$(BIN)/motet up $(ARGS)

down: setup ## Stops what `make up` started; the data stays in .motet.
	@$(BIN)/motet down

clean: ## Stops the platform and removes .venv, build and all caches. The data in .motet stays.
	@if [[ -x $(BIN)/motet && -d .motet ]]; then $(BIN)/motet down; fi
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find services tests examples -name __pycache__ -type d -prune -exec rm -rf {} +
