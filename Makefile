# The only command surface. `make` prints this help.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := shared/contracts shared/kit services/member-svc services/points-svc services/tier-svc services/campaign-svc deploy/cli
SOURCES := $(addsuffix /src,$(PACKAGES))
DISTRIBUTIONS := laurel-contracts laurel-kit member-svc points-svc tier-svc campaign-svc laurel-cli
READY := $(VENV)/.ready
NOTHING_CHOSEN := 5# what pytest ends with where no test is of the kind asked for
T ?= tests
ARGS ?=

help: ## Show what can be made
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  \033[36m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ See it run
demo: setup ## A year of a real retailer through the whole stack, and what a shopkeeper wants to know about it
	@LAUREL_SETUP_SECONDS=$$(cat $(VENV)/.setup_seconds 2>/dev/null || echo 0) $(BIN)/laurel demo $(ARGS)
up: setup ## Start the local stack (PostgreSQL, Kafka, four services)
	@$(BIN)/laurel up $(ARGS)
down: setup ## Stop it; nothing is lost
	@$(BIN)/laurel down $(ARGS)
status: setup ## What runs, where, and how far it has got
	@$(BIN)/laurel status $(ARGS)
logs: setup ## Show the logs (ARGS="points-svc -f")
	@$(BIN)/laurel logs $(ARGS)
reset: setup ## Stop it and start clean
	@$(BIN)/laurel reset $(ARGS)

##@ Before a commit
check: lint types imports quick ## Everything that must pass before a commit (no server is started)
fmt: setup ## Format and mend what can be mended
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix --quiet .
lint: setup ## ruff
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet .
types: setup ## mypy --strict
	@$(BIN)/mypy $(SOURCES) tests
imports: setup ## Which room may know which
	@$(BIN)/lint-imports --no-cache | tail -n 12
schemas: setup ## Generate JSON Schemas, AsyncAPI and the dashboard anew (refuses a breaking change)
	@$(BIN)/python -m laurel_contracts.documents --write && $(BIN)/python deploy/observability/grafana/build_dashboards.py

##@ Tests (T=path narrows any of them)
test: setup ## All tests of the default run, two at a time: up to 15 minutes on 2 cores
	@$(BIN)/python -m pytest -n 2 --dist loadscope -p tests.beside -m "not long and not alone" $(T) $(ARGS) || test $$? -eq $(NOTHING_CHOSEN)
	@$(BIN)/python -m pytest -q -m "not long and alone" $(T) $(ARGS) || test $$? -eq $(NOTHING_CHOSEN)
quick: setup ## Tests that start no server
	@$(BIN)/python -m pytest -q -m "not long" tests/unit tests/contract $(ARGS)
integration: setup ## One service, real PostgreSQL
	@$(BIN)/python -m pytest tests/integration $(ARGS)
e2e: setup ## The whole stack
	@$(BIN)/python -m pytest -m "not long" tests/e2e $(ARGS)
figures: setup ## The check figures of the specification through the real stack, all six rows (long)
	@$(BIN)/python -m pytest -s tests/e2e/test_check_figures.py $(ARGS)
proof: setup ## Model, convergence and kill tests at full size (long)
	@$(BIN)/python -m pytest -s -m "long and not nightly and not full" $(T) $(ARGS)
fault: setup ## The fault catalogue at the size of every change, two tests at a time (ARGS="--at-once 1": one), one report at its end: some 18 minutes on 2 cores
	@$(BIN)/python -m tests.fault $(T) $(ARGS)
fault-ledger: setup ## The catalogue of the ledger (T-L) at full size, one report at its end: some 20 minutes
	@$(BIN)/python -m tests.fault --ledger $(T) $(ARGS)
fault-nightly: setup ## The fault catalogue at the size of every night: hours (T=path narrows it)
	@$(BIN)/python -m tests.fault --nightly $(T) $(ARGS)
bench: setup ## What it costs beside its own floor and beside the usual way; 7 to 9 minutes, an idle machine (ARGS="--only floor ours2")
	@$(BIN)/python -m tests.bench --json .proof/bench.json --chart docs/images/bench.svg $(ARGS)
bench-growth: setup ## The same ledger with 10 million entries before, against empty (ten minutes, 60 GB of disk)
	@$(BIN)/python -m tests.bench --only floor ours1 growth --growth 10M --rounds 3 --json .proof/bench-growth.json $(ARGS)
bench-accounts: setup ## Balance and statement beside a plain FastAPI and ORM twin, a minute and a half
	@$(BIN)/python -m tests.bench --only accounts --json .proof/bench-accounts.json $(ARGS)
bench-chain: setup ## What the whole chain costs per event, by process (ARGS="--baskets 50000")
	@$(BIN)/python -m tests.bench.whole_chain $(ARGS)
ci: ## What CI runs
	@bash .ci/run

##@ Set up
setup: $(READY) ## Make the virtual environment (needs Python 3.11 or newer, nothing else)
$(READY): requirements/dev.txt requirements/uv.txt $(addsuffix /pyproject.toml,$(PACKAGES))
	@echo "Setting up $(VENV): packages by hash, once …"
	@start=$$(date +%s); set -e; \
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt; \
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.txt requirements/uv.txt; \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(PACKAGES)); \
	echo $$(( $$(date +%s) - start )) > $(VENV)/.setup_seconds
	@touch $@
lock: setup ## Compile the hashed requirement files anew (no index address ends up in them)
	@$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-annotate --no-header --quiet --extra demo $(addprefix --no-emit-package ,$(DISTRIBUTIONS)) \
	  requirements/dev.in $(addsuffix /pyproject.toml,$(PACKAGES)) -o requirements/dev.txt

.PHONY: help demo up down status logs reset check fmt lint types imports schemas test quick integration e2e figures proof fault fault-ledger fault-nightly bench bench-growth bench-accounts bench-chain ci setup lock
