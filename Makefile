# SpotiFriend's commands. Each installs what it needs into .venv, once; the second time needs no network.

PYTHON ?= python3.11
BIN := .venv/bin
HOME_OF_DEMO := .spotifriend-demo
HOME_OF_OWN := $(or $(SPOTIFRIEND_HOME),.spotifriend)
MINISTACK := spotifriend_dagster_tests/deploy/ministack.txt

.PHONY: help demo ui deploy test test-trino lint types bench docs constraints clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/installed ## A simulated listener, answered; EXPORT=path ZONE=Europe/London answers a real export instead
ifdef EXPORT
	@SPOTIFRIEND_HOME="$(HOME_OF_OWN)" $(BIN)/spotifriend demo --export "$(EXPORT)" $(if $(ZONE),--zone "$(ZONE)")
else
	@SPOTIFRIEND_HOME="$(HOME_OF_DEMO)" $(BIN)/spotifriend demo
endif

ui: .venv/installed ## Dagster's UI on 127.0.0.1, over your lake, or over the demo's where you have none yet
	@SPOTIFRIEND_HOME="$(or $(SPOTIFRIEND_HOME),$(if $(wildcard .spotifriend/lake),.spotifriend,$(HOME_OF_DEMO)))" $(BIN)/spotifriend ui

deploy: .venv/installed ## Make the home on AWS, or change it, after showing what would change; ARGS=--data-only the first time
	@$(BIN)/spotifriend deploy $(ARGS)

test: .venv/installed-dev lint types ## Lint, types and all tests but those on Trino
	$(BIN)/pytest --numprocesses auto --dist loadfile --durations 15

test-trino: .venv/installed-dev ## The SQL on a real Trino, which Athena is made of; needs a JDK, 17 or later, and Maven
	$(BIN)/pytest -m trino

lint: .venv/installed-dev ## Format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/installed-dev ## Types
	$(BIN)/mypy

bench: .venv/installed-dev ## The figures of docs/performance.md, measured here
	$(BIN)/python -m bench

docs: .venv/installed-dev ## The generated part of docs/
	$(BIN)/python -m spotifriend_dagster.tables
	$(BIN)/python -m spotifriend_dagster_tests.reliability

constraints: ## Pin anew what pyproject.toml asks for
	rm -rf .venv && $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	{ echo '# Every version that SpotiFriend is tested with. Written by `make constraints`.'; \
	  $(BIN)/pip freeze --all --exclude pip --exclude-editable; } > constraints.txt

clean: ## Everything that can be made again: .venv, caches and the demo's lake; never your own lake
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .bench $(HOME_OF_DEMO)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' \
	  || { echo 'SpotiFriend needs Python 3.11: install it, or name it with make PYTHON=…'; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml setup.cfg constraints.txt | .venv/bin/python
	@echo 'Installing SpotiFriend into .venv (about two minutes, once) …'
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

.venv/installed-dev: .venv/installed $(MINISTACK)
	@echo 'Installing the tools for tests into .venv …'
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@{ $(PYTHON) -m venv .venv/ministack \
	  && .venv/ministack/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $(MINISTACK); } \
	  || echo 'ministack cannot be installed, so nothing will be deployed by the tests.'
	@touch $@
