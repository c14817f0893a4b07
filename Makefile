# One door to everything. `make` lists what there is; CI runs the same targets.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
UV_VERSION := 0.13.9
CORPUS ?= ../shared/corpus/recorded-streams.jsonl.gz
READY := $(VENV)/.ready
MODE ?= play
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup lock demo test kafka check format corpus bench schemas docs clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(READY) ## Make .venv with uv and all pinned dependencies in it (every target does this when needed)

# The lock pins every distribution with its hashes; the three of the workspace are installed editable beside them.
$(READY): requirements.lock schemas/pyproject.toml producers/pyproject.toml processors/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.x")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e schemas -e producers -e processors
	@touch $@

lock: ## Pin the dependencies anew (needs .venv/bin/uv)
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		--group dev --extra demo pyproject.toml processors/pyproject.toml -o requirements.lock \
		--no-emit-package streamgauge-schemas --no-emit-package streamgauge-producers --no-emit-package streamgauge-processors

demo: $(READY) ## Run the main job on the embedded broker: misbehaving streams in, finished records out (ARGS="--json")
	@$(BIN)/streamgauge demo $(ARGS)

test: $(READY) ## Run the tests (ARGS="-k name" for some)
	@$(BIN)/pytest $(ARGS)

kafka: ## Build the image of real Kafka that tests run (as root; needs Docker, debootstrap and Maven)
	@deploy/kafka/build

check: $(READY) ## Lint, types, import rules, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(BIN)/python -m streamgauge.schemas.jsonschema --check

format: $(READY) ## Let ruff format and sort everything
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format --quiet .

schemas: $(READY) ## Write the JSON Schemas of the record topics anew
	@$(BIN)/python -m streamgauge.schemas.jsonschema

corpus: $(READY) ## Play recorded streams through tap, broker and worker and compare (CORPUS=file), or MODE=damaged
	@PYTHONPATH=tests/support $(BIN)/python tests/corpus/$(MODE).py $(CORPUS) $(ARGS)

bench: $(READY) ## Measure core and worker beside a plain Faust agent
	@$(BIN)/python bench/run.py $(ARGS)

clean: ## Remove .venv and all caches
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
